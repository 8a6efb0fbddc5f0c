import CDiskJournal
import Glibc
import KafkaProtocol
import TestSupport
import Testing

@testable import KafkaBroker

/// The power goes: of each file only what was synchronised is sure to be there, and of the rest any part, or zeros.
@Suite(.serialized, .timeLimit(.minutes(5))) struct PowerCutTests {
    static let cuts = Int(TestEnvironment.variable("NEEDLETAIL_POWER_CUTS") ?? "") ?? 200
    static let partitions: Int32 = 3

    /// What a consumer has read, by partition.
    typealias Seen = [[String]]

    @Test func `what a consumer has seen is there after a power cut, whenever it comes`() throws {
        disk_journal_record(1)
        defer { disk_journal_record(0) }
        let folder = try TestEnvironment.temporaryFolder("power")
        var configuration = BrokerConfiguration(dataFolder: folder)
        configuration.defaultPartitions = Int(Self.partitions)
        configuration.flushIntervalMillis = 30
        let broker = try KafkaBroker.start(configuration)
        defer { broker.stop() }
        let client = try WireClient(port: broker.port)
        try Self.makeTopic(client)
        var seen = Seen(repeating: [], count: Int(Self.partitions))
        var next = 0
        for seed in 0..<UInt64(Self.cuts) {
            var random = SeededRandom(seed: seed)
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let partition = Int32.random(in: 0..<Self.partitions, using: &random)
                let values = (0..<Int.random(in: 1...5, using: &random)).map { _ -> String in
                    next += 1
                    return "\(next) " + String(repeating: "x", count: Int.random(in: 0...300, using: &random))
                }
                try Self.produce(values, partition, client)
            }
            // Sometimes the cut comes before anybody has asked for the records.
            if Int.random(in: 0..<4, using: &random) > 0 { try Self.read(client, &seen, commit: true) }
            if Bool.random(using: &random) { try Self.produce(["last \(seed)"], 0, client) }
            let copy = try TestEnvironment.temporaryFolder("power-copy")
            try Self.cut(folder, into: copy, using: &random)
            try Self.check(copy, seen, seed)
            Files.removeFolder(copy)
        }
        #expect(seen.map(\.count).reduce(0, +) > Self.cuts)
    }

    static func makeTopic(_ client: WireClient) throws {
        var wanted = CreateTopicsRequest.Topic()
        (wanted.name, wanted.partitionCount) = ("t", partitions)
        var small = CreateTopicsRequest.Config()
        (small.name, small.value) = ("segment.bytes", "20000")
        wanted.configs = [small]
        var request = CreateTopicsRequest()
        request.topics = [wanted]
        let answer: CreateTopicsResponse = try client.ask(.createTopics, 4, request)
        #expect(answer.topics.map(\.error) == [.none])
    }

    static func produce(_ values: [String], _ partition: Int32, _ client: WireClient) throws {
        var entry = ProduceRequest.Partition()
        entry.index = partition
        entry.records = RecordBatch.encode(values.map { (timestamp: 1, key: nil, value: Array($0.utf8)) })[...]
        var request = ProduceRequest()
        (request.acks, request.topics) = (-1, [ByTopic("t", [entry])])
        let answer: ProduceResponse = try client.ask(.produce, 7, request)
        #expect(answer.topics.first?.partitions.first?.error == ErrorCode.none)
    }

    /// Reads on to the end of each partition, the way a consumer does, and commits how far it came.
    static func read(_ client: WireClient, _ seen: inout Seen, commit: Bool) throws {
        var isAtEnd = false
        while !isAtEnd {
            var request = FetchRequest()
            (request.maxWaitMillis, request.minBytes) = (0, 1)
            let wanted = (0..<partitions).map { index in
                var entry = FetchRequest.Partition()
                (entry.index, entry.fetchOffset, entry.maxBytes) = (index, Int64(seen[Int(index)].count), 1 << 20)
                return entry
            }
            request.topics = [ByTopic("t", wanted)]
            let answer: FetchResponse = try client.ask(.fetch, 11, request)
            isAtEnd = true
            for partition in answer.topics.first?.partitions ?? [] {
                #expect(partition.head.error == .none)
                var rest = partition.records ?? []
                while let batch = RecordBatch(head: rest), batch.size <= rest.count {
                    isAtEnd = false
                    #expect(batch.baseOffset <= Int64(seen[Int(partition.head.index)].count))
                    for record in try RecordBatch.records(of: rest) {
                        let offset = Int(batch.baseOffset) + Int(record.offsetDelta)
                        guard offset == seen[Int(partition.head.index)].count else { continue }
                        seen[Int(partition.head.index)].append(String(decoding: record.value ?? [], as: UTF8.self))
                    }
                    rest = rest.dropFirst(batch.size)
                }
            }
        }
        guard commit else { return }
        let positions = seen.enumerated().map { index, values in
            var entry = OffsetCommitRequest.Partition()
            (entry.index, entry.offset) = (Int32(index), Int64(values.count))
            return entry
        }
        var request = OffsetCommitRequest()
        (request.groupID, request.topics) = ("g", [ByTopic("t", positions)])
        let _: OffsetCommitResponse = try client.ask(.offsetCommit, 7, request)
    }

    /// Copies a data folder as a power cut would leave it. What vouches for other files is copied before them.
    static func cut(_ folder: String, into copy: String, using random: inout SeededRandom) throws {
        let folders = try Files.list(folder).filter { $0.hasPrefix("t-") }
        for name in ["topics.json", "meta.json"] + folders.map({ $0 + "/" + Checkpoint.fileName }) {
            guard let bytes = try Files.contents(folder + "/" + name) else { continue }
            try write(bytes, copy + "/" + name)
        }
        for place in [""] + folders.map({ $0 + "/" }) {
            try Files.makeFolder(copy + "/" + place)
            for name in try Files.list(folder + "/" + place)
            where name.hasSuffix(".log") || name.hasSuffix(".index") {
                let path = folder + "/" + place + name
                var info = stat()
                guard stat(path, &info) == 0, let bytes = try Files.contents(path) else { continue }
                let isNamed = disk_journal_is_named(UInt64(info.st_dev), UInt64(info.st_ino)) != 0
                if !isNamed, Bool.random(using: &random) { continue }
                let sure = min(Int(disk_journal_size(UInt64(info.st_dev), UInt64(info.st_ino))), bytes.count)
                let kept = Int.random(in: sure...bytes.count, using: &random)
                let zeros = Bool.random(using: &random) ? Int.random(in: 0...(bytes.count - kept), using: &random) : 0
                try write(bytes.prefix(kept) + [UInt8](repeating: 0, count: zeros), copy + "/" + place + name)
            }
        }
    }

    private static func write(_ bytes: [UInt8], _ path: String) throws {
        try Files.makeFolder(Files.parent(of: path))
        let file = try LogFile(path: path, create: true)
        try file.write(bytes[...], at: 0)
    }

    /// Starts a broker on what is left: all that was seen is there, and no position lies behind its log.
    static func check(_ folder: String, _ seen: Seen, _ seed: UInt64) throws {
        let broker = try KafkaBroker.start(BrokerConfiguration(dataFolder: folder))
        defer { broker.stop() }
        let client = try WireClient(port: broker.port)
        var left = Seen(repeating: [], count: Int(partitions))
        try read(client, &left, commit: false)
        for partition in 0..<Int(partitions) {
            let count = seen[partition].count
            #expect(left[partition].count >= count, "seed \(seed), partition \(partition)")
            #expect(Array(left[partition].prefix(count)) == seen[partition], "seed \(seed), partition \(partition)")
        }
        var asked = OffsetFetchRequest()
        (asked.groupID, asked.topics) = ("g", nil)
        let positions: OffsetFetchResponse = try client.ask(.offsetFetch, 5, asked)
        for position in positions.topics.first?.partitions ?? [] {
            #expect(position.offset <= Int64(left[Int(position.index)].count), "seed \(seed)")
        }
    }
}
