import KafkaProtocol
import TestSupport
import Testing

@Suite struct RecordBatchTests {
    static func batch(_ count: Int = 3, producerID: Int64 = -1, sequence: Int32 = -1) -> [UInt8] {
        RecordBatch.encode(
            (0..<count).map { (timestamp: 1_000 + Int64($0), key: [UInt8($0)], value: Array("value \($0)".utf8)) },
            producerID: producerID, producerEpoch: producerID < 0 ? -1 : 0, baseSequence: sequence)
    }

    /// The same batch with some bytes of its head replaced, and a checksum that fits again.
    static func changed(_ batch: [UInt8], at offset: Int, to bytes: [UInt8]) -> [UInt8] {
        var result = batch
        result.replaceSubrange(offset..<offset + bytes.count, with: bytes)
        var writer = ByteWriter()
        writer.write(CRC32C.checksum(result[21...]))
        result.replaceSubrange(17..<21, with: writer.output)
        return result
    }

    @Test func `the checksum is Castagnoli's`() {
        #expect(CRC32C.checksum(Array("123456789".utf8)[...]) == 0xE306_9283)
        #expect(CRC32C.checksum([UInt8](repeating: 0, count: 32)[...]) == 0x8A91_36AA)
        #expect(CRC32C.checksum([]) == 0)
    }

    @Test(arguments: [0, 1, 7, 8, 9, 63, 1_023, 1_024, 3_071, 3_072, 3_073, 10_000, 65_537])
    func `instructions and tables agree on every length`(count: Int) {
        var random = SeededRandom(seed: UInt64(count))
        let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
        #expect(CRC32C.checksum(bytes[...]) == CRC32C.checksumByTables(bytes[...]))
        let half = count / 2
        #expect(CRC32C.checksum(bytes[half...], seed: CRC32C.checksum(bytes[..<half])) == CRC32C.checksum(bytes[...]))
    }

    @Test func `a sound batch is accepted and read back`() throws {
        let bytes = Self.batch(producerID: 5, sequence: 9)
        let batch = try RecordBatch.validate(bytes[...], maxBytes: 10_000).get()
        #expect(batch.recordCount == 3)
        #expect(batch.lastOffset == 2)
        #expect(batch.maxTimestamp == 1_002)
        #expect(batch.producerID == 5)
        #expect(batch.lastSequence == 11)
        #expect(batch.size == bytes.count)
        let records = try RecordBatch.records(of: bytes[...])
        #expect(records.map { $0.key.map(Array.init) } == [[0], [1], [2]])
        #expect(records.map(\.timestampDelta) == [0, 1, 2])
    }

    @Test func `offset and epoch may be rewritten without touching the checksum`() throws {
        let bytes = Self.batch()
        let batch = try RecordBatch.validate(bytes[...], maxBytes: 10_000).get()
        let stored = batch.storedPrefix(baseOffset: 1 << 40, leaderEpoch: 3) + bytes[16...]
        let again = try #require(RecordBatch(head: stored[...]))
        #expect(again.baseOffset == 1 << 40)
        #expect(again.leaderEpoch == 3)
        #expect(RecordBatch.isIntact(stored[...], checksum: again.checksum))
    }

    static let faults: [(String, ErrorCode, @Sendable ([UInt8]) -> [UInt8])] = [
        ("empty", .invalidRecord, { _ in [] }),
        ("an old format", .unsupportedForMessageFormat, { Self.changed($0, at: 16, to: [1]) }),
        (
            "a flipped bit in a record", .corruptMessage,
            {
                var b = $0; b[b.count - 1] ^= 1; return b
            }
        ),
        (
            "a flipped bit in the attributes", .corruptMessage,
            {
                var b = $0; b[22] ^= 1; return b
            }
        ),
        ("cut short", .corruptMessage, { Array($0.dropLast()) }),
        ("a length below the head's", .corruptMessage, { Self.changed($0, at: 8, to: [0, 0, 0, 48]) }),
        ("a negative length", .corruptMessage, { Self.changed($0, at: 8, to: [0xFF, 0, 0, 48]) }),
        ("two batches", .invalidRecord, { $0 + $0 }),
        (
            "no records", .invalidRecord,
            { Self.changed(Self.changed($0, at: 57, to: [0, 0, 0, 0]), at: 23, to: [0xFF, 0xFF, 0xFF, 0xFF]) }
        ),
        ("a count that does not fit", .invalidRecord, { Self.changed($0, at: 57, to: [0, 0, 0, 9]) }),
        ("a control batch", .invalidRecord, { Self.changed($0, at: 21, to: [0, 32]) }),
        ("a transactional batch", .invalidRecord, { Self.changed($0, at: 21, to: [0, 16]) }),
        ("append times", .invalidRecord, { Self.changed($0, at: 21, to: [0, 8]) }),
        ("an unknown codec", .invalidRecord, { Self.changed($0, at: 21, to: [0, 5]) }),
        ("a producer without a sequence", .invalidRecord, { Self.changed($0, at: 43, to: [0, 0, 0, 0, 0, 0, 0, 5]) }),
    ]

    @Test(arguments: faults.indices)
    func `an unsound batch is refused with Kafka's code`(index: Int) {
        let (name, code, change) = Self.faults[index]
        switch RecordBatch.validate(change(Self.batch())[...], maxBytes: 10_000) {
        case .success: Issue.record("accepted: \(name)")
        case .failure(let fault): #expect(fault.code == code, "\(name)")
        }
    }

    @Test func `a batch above the limit is too large`() {
        let bytes = Self.batch()
        #expect(throws: Never.self) { try RecordBatch.validate(bytes[...], maxBytes: bytes.count).get() }
        #expect { try RecordBatch.validate(bytes[...], maxBytes: bytes.count - 1).get() } throws: {
            ($0 as? BatchFault)?.code == .messageTooLarge
        }
    }

    @Test func `sequence numbers go on at zero`() {
        #expect(RecordBatch.sequence(.max, plus: 1) == 0)
        #expect(RecordBatch.sequence(2_147_483_646, plus: 3) == 1)
        #expect(RecordBatch.sequence(5, plus: 2) == 7)
    }

    @Test(arguments: UInt64(1)...20)
    func `a record with any content comes back`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        func bytes() -> ArraySlice<UInt8>? {
            Bool.random(using: &random)
                ? nil
                : (0..<Int.random(in: 0...300, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }[
                    ...]
        }
        let record = Record(
            offsetDelta: Int32.random(in: 0...1_000_000, using: &random),
            timestampDelta: Int64.random(in: -1_000_000...1_000_000, using: &random), key: bytes(), value: bytes(),
            headers: (0..<Int.random(in: 0...3, using: &random)).map { .init(key: "h\($0)", value: bytes()) })
        var writer = ByteWriter()
        record.encode(to: &writer)
        var reader = ByteReader(writer.output[...])
        #expect(try Record(from: &reader) == record)
        #expect(reader.remaining == 0)
        for count in 0..<writer.output.count {
            #expect(throws: ProtocolError.self) {
                var cut = ByteReader(writer.output.prefix(count))
                _ = try Record(from: &cut)
            }
        }
    }
}
