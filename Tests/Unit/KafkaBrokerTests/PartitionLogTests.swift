import KafkaProtocol
import TestSupport
import Testing

@testable import KafkaBroker

@Suite struct PartitionLogTests {
    /// A log of random batches over several segments, and its records.
    static func random(_ seed: UInt64, _ fixture: LogFixture, batches: Int = 200) throws -> (
        PartitionLog, [(Int64, String)]
    ) {
        var random = SeededRandom(seed: seed)
        fixture.limits.segmentBytes = 20_000
        let log = try fixture.open().log
        var expected: [(Int64, String)] = []
        for _ in 0..<batches {
            let values = (0..<Int.random(in: 1...8, using: &random)).map { _ in
                (
                    timestamp: Int64.random(in: 1_000...2_000, using: &random),
                    value: String(repeating: "x", count: Int.random(in: 0...200, using: &random)) + "\(expected.count)"
                )
            }
            try LogFixture.append(values, to: log)
            expected += values.map { ($0.timestamp, $0.value) }
        }
        return (log, expected)
    }

    @Test(arguments: UInt64(1)...4)
    func `gives back what was appended, from any offset, in pieces of any size`(seed: UInt64) throws {
        let (log, expected) = try Self.random(seed, LogFixture())
        #expect(log.segments.count > 3)
        #expect(log.end == Int64(expected.count))
        for maxBytes in [1, 500, 5_000, 1 << 20] {
            let records = try LogFixture.records(of: log, maxBytes: maxBytes)
            #expect(records.map(\.offset) == Array(0..<log.end), "max \(maxBytes)")
            #expect(records.map(\.value) == expected.map(\.1), "max \(maxBytes)")
        }
        for offset in stride(from: Int64(0), through: log.end, by: 7) {
            let slice = try log.read(from: offset, maxBytes: 1)
            guard let slice else {
                #expect(offset == log.end)
                continue
            }
            let batch = try #require(RecordBatch(head: try slice.file.read(61, at: slice.range.lowerBound)[...]))
            #expect(batch.baseOffset <= offset && offset <= batch.lastOffset, "the whole batch that holds \(offset)")
            #expect(slice.range.count == batch.size)
        }
    }

    @Test func `outside the log there is nothing to read`() throws {
        let (log, _) = try Self.random(5, LogFixture(), batches: 10)
        #expect(throws: LogError.outOfRange) { try log.read(from: -1, maxBytes: 10) }
        #expect(throws: LogError.outOfRange) { try log.read(from: log.end + 1, maxBytes: 10) }
        #expect(try log.read(from: log.end, maxBytes: 10) == nil)
    }

    @Test(arguments: UInt64(1)...3)
    func `finds the first record at or after a time, also when times go backwards`(seed: UInt64) throws {
        let (log, expected) = try Self.random(seed, LogFixture())
        for time in stride(from: Int64(990), through: 2_010, by: 1) {
            let naive = expected.firstIndex { $0.0 >= time }
            let found = try log.offset(atOrAfter: time)
            #expect(found?.offset == naive.map(Int64.init), "time \(time)")
            #expect(found?.timestamp == naive.map { expected[$0].0 }, "time \(time)")
        }
    }

    @Test func `a time before an earlier batch's latest record is not sent past it`() throws {
        let log = try LogFixture().open().log
        try LogFixture.append([(100, "a"), (300, "b"), (200, "c")], to: log)
        try LogFixture.append([(150, "d")], to: log)
        #expect(try [50, 150, 250, 301].map { try log.offset(atOrAfter: $0)?.offset } == [0, 1, 1, nil])
    }

    @Test func `in a batch that cannot be unpacked the answer may be early and is never late`() throws {
        let log = try LogFixture().open().log
        let block: [UInt8] = Array(repeating: 7, count: 30)
        let bytes = RecordBatch.encode(
            block: block, count: 3, attributes: 4, baseOffset: 0, baseTimestamp: 100, maxTimestamp: 300)
        _ = try log.append(bytes[...], RecordBatch.validate(bytes[...], maxBytes: 1_000).get(), nowMillis: 0)
        try LogFixture.append([(150, "d")], to: log)
        #expect(try [50, 150, 250, 301].map { try log.offset(atOrAfter: $0)?.offset } == [0, 0, 0, nil])
    }

    @Test func `a batch that cannot be unpacked is the last that a request's lookups open`() throws {
        let (log, sound) = (try LogFixture().open().log, try LogFixture().open().log)
        let bytes = RecordBatch.encode(
            block: Array(repeating: 7, count: 30), count: 3, attributes: 4, baseOffset: 0, baseTimestamp: 100,
            maxTimestamp: 300)
        _ = try log.append(bytes[...], RecordBatch.validate(bytes[...], maxBytes: 1_000).get(), nowMillis: 0)
        try log.commitNow()
        try LogFixture.append([(100, "a"), (300, "b")], to: sound)
        var opening = BatchOpening()
        let exact = try sound.offset(atOrAfter: 250, &opening)?.offset
        #expect(exact == 1)
        let unopened = try log.offset(atOrAfter: 250, &opening)?.offset
        #expect(unopened == 0)
        let mayOpen = opening.mayLookInto(1)
        #expect(!mayOpen)
        let early = try sound.offset(atOrAfter: 250, &opening)?.offset
        #expect(early == 0, "early, and never late")
    }

    @Test func `deleted records are not found any more, and whole segments go`() throws {
        let fixture = try LogFixture()
        let (log, expected) = try Self.random(6, fixture)
        let before = log.segments.count
        try log.deleteRecords(before: 300)
        #expect(log.logStart == 300)
        #expect(log.segments.count < before)
        #expect(throws: LogError.outOfRange) { try log.read(from: 299, maxBytes: 10) }
        #expect(try LogFixture.values(of: log) == expected[300...].map(\.1))
        #expect(try log.offset(atOrAfter: 0)?.offset == 300)
        #expect(throws: LogError.outOfRange) { try log.deleteRecords(before: log.end + 1) }
        try log.deleteRecords(before: -1)
        #expect(log.logStart == log.end)
        try fixture.close(log)
        let again = try fixture.open().log
        #expect(again.logStart == log.end)
        #expect(again.end == log.end)
        #expect(try Files.list(fixture.folder).filter { $0.hasSuffix(".log") }.count == log.segments.count)
    }

    @Test func `retention by size keeps at least the limit, by time it goes by the latest record`() throws {
        let fixture = try LogFixture()
        let (log, expected) = try Self.random(7, fixture)
        log.limits.retentionMillis = -1
        log.limits.retentionBytes = 50_000
        try log.applyRetention(nowMillis: 0)
        #expect(log.size >= 50_000)
        #expect(log.size < 80_000)
        #expect(log.logStart > 0)
        #expect(try LogFixture.values(of: log) == expected[Int(log.logStart)...].map(\.1))

        log.limits.retentionBytes = -1
        log.limits.retentionMillis = 500
        try log.applyRetention(nowMillis: 2_000)
        #expect(log.segments.count > 1, "every segment has a record younger than 1500")
        try log.applyRetention(nowMillis: 3_000)
        #expect(log.segments.count == 1, "the segment in use stays")
        #expect(log.end == Int64(expected.count))
    }

    @Test func `an old segment is closed so that it can go`() throws {
        let fixture = try LogFixture()
        let log = try fixture.open().log
        try LogFixture.append([(1_000, "a")], to: log)
        log.limits.segmentMillis = 100
        log.limits.retentionMillis = 1_000
        try log.applyRetention(nowMillis: 5_000)
        #expect(log.logStart == 1)
        #expect(log.end == 1)
        try LogFixture.append([(6_000, "b")], to: log)
        #expect(try LogFixture.values(of: log) == ["b"])
    }

    @Test func `records without a time are as old as their segment`() throws {
        let fixture = try LogFixture()
        let log = try fixture.open(nowMillis: 5_000).log
        try LogFixture.append([(-1, "a")], to: log)
        try log.roll(nowMillis: 5_000)
        log.limits.retentionMillis = 1_000
        try log.applyRetention(nowMillis: 5_500)
        #expect(log.logStart == 0)
        try log.applyRetention(nowMillis: 6_500)
        #expect(log.logStart == 1)
    }

    @Test func `a reader keeps its segment while retention removes it`() throws {
        let fixture = try LogFixture()
        let (log, _) = try Self.random(8, fixture)
        let slice = try #require(try log.read(from: 0, maxBytes: 1_000))
        try log.deleteRecords(before: -1)
        try fixture.close(log)
        #expect(!Files.exists(fixture.folder + "/" + LogFixture.firstLog))
        #expect(try slice.file.read(slice.range.count, at: slice.range.lowerBound).count == slice.range.count)
    }

    @Test func `a repeated batch is stored once, also after a restart`() throws {
        let fixture = try LogFixture()
        var log = try fixture.open().log
        #expect(
            try LogFixture.append([(1, "a"), (1, "b")], to: log, producer: 3, sequence: 0) == .stored(baseOffset: 0))
        #expect(try LogFixture.append([(1, "c")], to: log, producer: 3, sequence: 2) == .stored(baseOffset: 2))
        #expect(try LogFixture.append([(1, "c")], to: log, producer: 3, sequence: 2) == .duplicate(baseOffset: 2))
        log = try fixture.open().log  // As after kill -9: nothing was put into a checkpoint.
        #expect(
            try LogFixture.append([(1, "a"), (1, "b")], to: log, producer: 3, sequence: 0) == .duplicate(baseOffset: 0))
        #expect(
            try LogFixture.append([(1, "x")], to: log, producer: 3, sequence: 9) == .refused(.outOfOrderSequenceNumber))
        try fixture.close(log)
        log = try fixture.open().log
        #expect(try LogFixture.append([(1, "c")], to: log, producer: 3, sequence: 2) == .duplicate(baseOffset: 2))
        #expect(try LogFixture.append([(1, "d")], to: log, producer: 3, sequence: 3) == .stored(baseOffset: 3))
    }

    @Test func `what is not on the disk is not there for readers`() throws {
        let fixture = try LogFixture()
        fixture.limits.segmentBytes = 300
        let log = try fixture.open().log
        try LogFixture.append([(5, "a"), (6, "b")], to: log)
        for index in 0..<5 {  // Over several segments.
            let bytes = RecordBatch.encode([(timestamp: 9, key: nil, value: [UInt8](repeating: 1, count: 100))])
            let batch = try RecordBatch.validate(bytes[...], maxBytes: 1 << 20).get()
            #expect(try log.append(bytes[...], batch, nowMillis: 0) == .stored(baseOffset: Int64(index) + 2))
        }
        #expect(log.segments.count > 2)
        #expect(log.end == 7 && log.highWatermark == 2 && log.hasUnflushed)
        #expect(try LogFixture.values(of: log) == ["a", "b"])
        #expect(try log.read(from: 2, maxBytes: 1_000) == nil)
        #expect(try log.read(from: 5, maxBytes: 1_000) == nil)
        #expect(log.bytesAvailable(from: 2) == 0 && log.bytesAvailable(from: 4) == 0)
        #expect(try log.offset(atOrAfter: 9) == nil)
        #expect(try log.offset(atOrAfter: 6)?.offset == 1)
        #expect(throws: LogError.outOfRange) { try log.deleteRecords(before: 3) }
        let earlier = log.commitJob()
        try LogFixture.append([(9, "late")], to: log)
        #expect(log.highWatermark == 8)
        log.committed(earlier)
        #expect(log.highWatermark == 8, "an older commit takes nothing back")
        #expect(log.takeNewlyReadable() > 0 && log.takeNewlyReadable() == 0)
        #expect(try LogFixture.records(of: log).map(\.offset) == Array(0..<8))
    }
}
