import KafkaProtocol
import TestSupport
import Testing

@testable import KafkaBroker

@Suite struct LogRecoveryTests {
    /// Batches of a small log, and the bytes of its one segment.
    static func small(_ fixture: LogFixture) throws -> (bytes: [UInt8], ends: [Int], values: [String]) {
        let log = try fixture.open().log
        var ends: [Int] = []
        for index in 0..<4 {
            try LogFixture.append((0...index).map { (Int64($0), "\(index).\($0)") }, to: log)
            ends.append(log.size)
        }
        return (try fixture.bytes(LogFixture.firstLog), ends, try LogFixture.values(of: log))
    }

    @Test func `cut at any byte, the log is the longest run of whole batches`() throws {
        let fixture = try LogFixture()
        let (bytes, ends, values) = try Self.small(fixture)
        for cut in 0...bytes.count {
            try fixture.write(LogFixture.firstLog, Array(bytes.prefix(cut)))
            let outcome = try fixture.open()
            let whole = ends.filter { $0 <= cut }.count
            let records = (0..<whole).reduce(0) { $0 + $1 + 1 }
            #expect(try LogFixture.values(of: outcome.log) == Array(values.prefix(records)), "cut at \(cut)")
            #expect(outcome.bytesDropped == cut - (whole == 0 ? 0 : ends[whole - 1]), "cut at \(cut)")
            #expect(!outcome.lostRecords, "cut at \(cut): a torn tail was never acknowledged")
            try LogFixture.append([(9, "more")], to: outcome.log)
            #expect(try LogFixture.values(of: outcome.log).last == "more")
        }
    }

    @Test func `a flipped byte ends the log before its batch, and is told as a loss`() throws {
        let fixture = try LogFixture()
        let (bytes, ends, values) = try Self.small(fixture)
        for index in stride(from: 0, to: ends[2], by: 3) {
            let batch = ends.filter { $0 <= index }.count
            let start = batch == 0 ? 0 : ends[batch - 1]
            // The leader's epoch is neither checked nor used.
            if (start + 12..<start + 16).contains(index) { continue }
            var flipped = bytes
            flipped[index] ^= 0x40
            try fixture.write(LogFixture.firstLog, flipped)
            let outcome = try fixture.open()
            let records = (0..<batch).reduce(0) { $0 + $1 + 1 }
            #expect(try LogFixture.values(of: outcome.log) == Array(values.prefix(records)), "byte \(index)")
            #expect(outcome.bytesDropped == bytes.count - start, "byte \(index)")
            #expect(outcome.lostRecords, "byte \(index)")
        }
    }

    @Test func `zeros behind the last batch are the end`() throws {
        let fixture = try LogFixture()
        let (bytes, _, values) = try Self.small(fixture)
        try fixture.write(LogFixture.firstLog, bytes + [UInt8](repeating: 0, count: 5_000))
        let outcome = try fixture.open()
        #expect(try LogFixture.values(of: outcome.log) == values)
        #expect(!outcome.lostRecords)
    }

    @Test(arguments: UInt64(1)...3)
    func `after a clean end nothing is scanned and everything is there`(seed: UInt64) throws {
        let fixture = try LogFixture()
        let (log, expected) = try PartitionLogTests.random(seed, fixture)
        try fixture.close(log)
        let outcome = try fixture.open()
        #expect(outcome.bytesDropped == 0 && !outcome.lostRecords && outcome.damage == nil)
        #expect(outcome.log.segments.count == log.segments.count)
        #expect(try LogFixture.values(of: outcome.log) == expected.map(\.1))
        for time in stride(from: Int64(990), through: 2_010, by: 13) {
            #expect(
                try outcome.log.offset(atOrAfter: time)?.offset == expected.firstIndex { $0.0 >= time }.map(Int64.init))
        }
    }

    @Test func `what came after the last checkpoint is found again`() throws {
        let fixture = try LogFixture()
        let (log, expected) = try PartitionLogTests.random(4, fixture, batches: 60)
        try fixture.close(log)
        var more: [String] = []
        for index in 0..<150 {
            more.append("more \(index)" + String(repeating: "y", count: 300))
            try LogFixture.append([(3_000, more[index])], to: log, producer: 8, sequence: Int32(index))
        }
        let outcome = try fixture.open()
        #expect(try LogFixture.values(of: outcome.log) == expected.map(\.1) + more)
        #expect(outcome.log.producers.producers[8]?.batches.last?.lastSequence == 149)
        #expect(
            try LogFixture.append([(1, more[149])], to: outcome.log, producer: 8, sequence: 149)
                == .duplicate(baseOffset: outcome.log.end - 1))
    }

    @Test func `a damaged or missing index or checkpoint costs a scan and nothing else`() throws {
        for damage in 0..<4 {
            let fixture = try LogFixture()
            let (log, expected) = try PartitionLogTests.random(9, fixture, batches: 60)
            try fixture.close(log)
            switch damage {
            case 0:
                var index = try fixture.bytes(LogFixture.firstIndex)
                index[index.count / 2] ^= 1
                try fixture.write(LogFixture.firstIndex, index)
            case 1: Files.remove(fixture.folder + "/" + LogFixture.firstIndex)
            case 2: Files.remove(fixture.folder + "/" + Checkpoint.fileName)
            default:
                var checkpoint = try fixture.bytes(Checkpoint.fileName)
                checkpoint[10] ^= 1
                try fixture.write(Checkpoint.fileName, checkpoint)
            }
            let outcome = try fixture.open()
            #expect(try LogFixture.values(of: outcome.log) == expected.map(\.1), "damage \(damage)")
            #expect(
                try outcome.log.offset(atOrAfter: 1_990)?.offset
                    == expected.firstIndex { $0.0 >= 1_990 }.map(Int64.init))
            #expect(!outcome.lostRecords && outcome.damage == nil)
        }
    }

    @Test func `a closed segment cut short or missing closes the partition, and says which file`() throws {
        for isMissing in [false, true] {
            let fixture = try LogFixture()
            let (log, _) = try PartitionLogTests.random(10, fixture)
            try fixture.close(log)
            let files = try Files.list(fixture.folder).filter { $0.hasSuffix(".log") }
            if isMissing {
                Files.remove(fixture.folder + "/" + files[1])
            } else {
                try fixture.write(files[1], Array(try fixture.bytes(files[1]).dropLast(10)))
            }
            let outcome = try fixture.open()
            #expect(outcome.damage?.description.contains(files[1]) == true)
            #expect(throws: LogError.self) { try outcome.log.read(from: 0, maxBytes: 10) }
            #expect(throws: LogError.self) { try LogFixture.append([(1, "x")], to: outcome.log) }
            let left = try Files.list(fixture.folder).filter { $0.hasSuffix(".log") }
            #expect(left == files.filter { !isMissing || $0 != files[1] }, "nothing is removed")
        }
    }

    @Test func `records that had been synchronised and are gone are told as a loss`() throws {
        let fixture = try LogFixture()
        let (bytes, ends, values) = try Self.small(fixture)
        try fixture.close(try fixture.open().log)
        try fixture.write(LogFixture.firstLog, Array(bytes.prefix(ends[1])))
        let outcome = try fixture.open()
        #expect(outcome.lostRecords)
        #expect(try LogFixture.values(of: outcome.log) == Array(values.prefix(3)))
    }

    @Test func `bytes that rot at rest are an error and never records`() throws {
        let fixture = try LogFixture()
        let (log, _) = try PartitionLogTests.random(11, fixture, batches: 30)
        try fixture.close(log)
        var bytes = try fixture.bytes(LogFixture.firstLog)
        bytes[bytes.count / 2] ^= 1
        try fixture.write(LogFixture.firstLog, bytes)
        let again = try fixture.open().log
        #expect {
            try LogFixture.values(of: again)
        } throws: { error in
            if case LogError.corrupt = error { true } else { false }
        }
    }

    @Test func `a checkpoint that cannot be written keeps the log open and is tried again`() throws {
        let fixture = try LogFixture()
        let log = try fixture.open().log
        try LogFixture.append([(1, "a")], to: log)
        // A folder where the new checkpoint would be written.
        let place = fixture.folder + "/" + Checkpoint.fileName + ".tmp"
        try Files.makeFolder(place)
        #expect {
            try log.flushNow()
        } throws: { error in
            (error as? LogError)?.leavesLogUnknown == false
        }
        try LogFixture.append([(1, "b")], to: log)
        Files.removeFolder(place)
        try fixture.close(log)
        #expect(try LogFixture.values(of: try fixture.open().log) == ["a", "b"])
        log.checkpointFailed(.storage(operation: "sync", path: fixture.folder + "/" + LogFixture.firstLog, errno: 5))
        #expect(throws: LogError.self) { try LogFixture.append([(1, "c")], to: log) }
    }

    @Test(arguments: [false, true])
    func `deleting needs no space first`(dies: Bool) throws {
        let fixture = try LogFixture()
        let (log, expected) = try PartitionLogTests.random(14, fixture)
        try fixture.close(log)
        let before = try Files.list(fixture.folder).filter { $0.hasSuffix(".log") }
        // A full disk as a folder where the new checkpoint would be written.
        let place = fixture.folder + "/" + Checkpoint.fileName + ".tmp"
        try Files.makeFolder(place)
        log.limits.retentionBytes = 30_000
        try log.applyRetention(nowMillis: 0)
        let start = log.logStart
        #expect(start > 0)
        #expect(throws: LogError.self) { try log.flushNow() }
        let left = try Files.list(fixture.folder).filter { $0.hasSuffix(".log") }
        #expect(left.count == log.segments.count && left.count < before.count, "space is given back all the same")
        #expect(log.failure == nil)
        if dies {
            // The checkpoint still names what was given up, and nobody takes that for a loss.
            let outcome = try fixture.open()
            #expect(outcome.damage == nil && !outcome.lostRecords)
            #expect(outcome.log.logStart == start)
            #expect(try LogFixture.values(of: outcome.log) == expected.dropFirst(Int(start)).map(\.1))
        }
        Files.removeFolder(place)
        let again = dies ? try fixture.open().log : log
        try LogFixture.append([(1, "more")], to: again)
        try fixture.close(again)
        #expect(try Files.list(fixture.folder).filter { $0.hasSuffix(LogRecovery.goneSuffix) } == [])
        let outcome = try fixture.open()
        #expect(outcome.damage == nil && outcome.log.logStart == start)
        #expect(try LogFixture.values(of: outcome.log) == expected.dropFirst(Int(start)).map(\.1) + ["more"])
    }

    @Test func `another topic's checkpoint is not believed`() throws {
        let fixture = try LogFixture()
        let (log, expected) = try PartitionLogTests.random(12, fixture, batches: 30)
        try fixture.close(log)
        let outcome = try LogRecovery.open(
            folder: fixture.folder, topic: TopicID(high: 9, low: 9), partition: 0, leaderEpoch: 0,
            limits: fixture.limits,
            nowMillis: 0)
        #expect(try LogFixture.values(of: outcome.log) == expected.map(\.1))
    }

    @Test func `a checkpoint comes back from its bytes, and from no others`() throws {
        let fixture = try LogFixture()
        let (log, _) = try PartitionLogTests.random(13, fixture, batches: 30)
        try fixture.close(log)
        let bytes = try fixture.bytes(Checkpoint.fileName)
        let checkpoint = try #require(Checkpoint(bytes))
        #expect(checkpoint.encoded() == bytes)
        #expect(checkpoint.segments.last?.end == log.end)
        for count in 0..<bytes.count { #expect(Checkpoint(Array(bytes.prefix(count))) == nil) }
    }
}
