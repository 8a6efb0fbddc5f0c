import KafkaProtocol
import TestSupport
import Testing

@Suite struct RecordWalkTests {
    /// What is visited: places and times; nil when the batch is refused.
    static func walk(_ bytes: [UInt8]) throws -> [Int64]? {
        let batch = try #require(RecordBatch(head: bytes[...]))
        guard batch.codec == 0, bytes.count >= batch.size else { return nil }
        var times: [Int64] = []
        return batch.walkRecords(inBlock: bytes[RecordBatch.headSize..<batch.size]) { index, time in
            #expect(Int(index) == times.count)
            times.append(time)
            return true
        } ? times : nil
    }

    static func random(_ seed: UInt64) -> (bytes: [UInt8], times: [Int64]) {
        var random = SeededRandom(seed: seed)
        var block = ByteWriter()
        var times: [Int64] = []
        let count = Int32.random(in: 1...20, using: &random)
        for index in 0..<count {
            let delta = Int64.random(in: -5_000...5_000, using: &random)
            func bytes() -> ArraySlice<UInt8>? {
                Int.random(in: 0..<4, using: &random) == 0
                    ? nil : [UInt8](repeating: 9, count: Int.random(in: 0...200, using: &random))[...]
            }
            let headers = (0..<Int.random(in: 0...3, using: &random)).map {
                Record.Header(key: "h\($0)", value: bytes())
            }
            Record(offsetDelta: index, timestampDelta: delta, key: bytes(), value: bytes(), headers: headers)
                .encode(to: &block)
            times.append(1_000_000 + delta)
        }
        let bytes = RecordBatch.encode(
            block: block.output, count: count, attributes: 0, baseOffset: 0, baseTimestamp: 1_000_000,
            maxTimestamp: times.max() ?? 0)
        return (bytes, times)
    }

    @Test(arguments: UInt64(1)...20)
    func `records are visited as the reader reads them`(seed: UInt64) throws {
        let (bytes, times) = Self.random(seed)
        #expect(try Self.walk(bytes) == times)
    }

    @Test(arguments: UInt64(1)...10)
    func `a byte more or less, and whatever the reader refuses, is refused`(seed: UInt64) throws {
        let (bytes, _) = Self.random(seed)
        for cut in RecordBatch.headSize..<bytes.count {
            var writer = ByteWriter()
            writer.write(Int32(cut - RecordBatch.lengthPrefix))
            let sound = RecordBatchTests.changed(Array(bytes[..<cut]), at: 8, to: writer.output)
            #expect(try Self.walk(sound) == nil, "cut at \(cut)")
        }
        var random = SeededRandom(seed: seed)
        for _ in 0..<2_000 {
            var damaged = bytes
            let place = Int.random(in: RecordBatch.headSize..<bytes.count, using: &random)
            damaged[place] = UInt8.random(in: 0...255, using: &random)
            guard try Self.walk(damaged) != nil else { continue }
            do throws(ProtocolError) {
                _ = try RecordBatch.records(of: damaged[...])
            } catch {
                // As Kafka: the names of headers are only bytes to the broker.
                #expect(error == .invalidText, "byte \(place)")
            }
        }
    }

    @Test func `counts, times and lengths that cannot be are refused`() throws {
        let good = RecordBatchTests.batch(3)
        func count(_ count: Int32) -> [UInt8] {
            var (delta, number) = (ByteWriter(), ByteWriter())
            delta.write(count - 1)
            number.write(count)
            return RecordBatchTests.changed(
                RecordBatchTests.changed(good, at: 23, to: delta.output), at: 57, to: number.output)
        }
        #expect(try Self.walk(count(3)) != nil)
        for claimed in [Int32(1), 2, 4, 1_000, .max] { #expect(try Self.walk(count(claimed)) == nil, "\(claimed)") }
        if case .success = RecordBatch.validate(count(RecordBatch.maxRecords + 1)[...], maxBytes: 1 << 20) {
            Issue.record("more records than a batch may have")
        }
        var time = ByteWriter()
        time.write(Int64.max)
        #expect(try Self.walk(RecordBatchTests.changed(good, at: 27, to: time.output)) == nil, "times overflow")
        let garbage = RecordBatch.encode(
            block: [UInt8](repeating: 0xFF, count: 40), count: 1, attributes: 0, baseOffset: 0, baseTimestamp: 0,
            maxTimestamp: 0)
        #expect(try Self.walk(garbage) == nil)
    }

    @Test func `another latest time comes with a checksum that fits`() throws {
        let bytes = RecordBatch.bytes(RecordBatchTests.batch(3)[...], withMaxTimestamp: 77)
        let batch = try RecordBatch.validate(bytes[...], maxBytes: 1 << 20).get()
        #expect(batch.maxTimestamp == 77)
    }
}
