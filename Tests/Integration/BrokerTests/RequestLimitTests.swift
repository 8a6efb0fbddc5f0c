import Glibc
import KafkaBroker
import KafkaClient
import KafkaProtocol
import TestSupport
import Testing

/// Small requests that ask for much: each gets a bounded answer in a bounded time, and the others are served.
@Suite(.timeLimit(.minutes(2))) struct RequestLimitTests {
    /// How long the slowest of these may hold up everybody, on a machine that does other things as well.
    static let patience = Duration.seconds(5)

    static func took(_ body: () throws -> Void) rethrows -> Duration { try ContinuousClock().measure(body) }

    @Test func `a partition named hundreds of times is read once`() throws {
        let broker = try WireTests.start()
        defer { broker.stop() }
        let client = try WireClient(port: broker.port)
        try client.make("t")
        for _ in 0..<12 { _ = try client.produce("t", WireTests.batch(1, bytes: 900_000)) }
        var partition = FetchRequest.Partition()
        partition.maxBytes = .max
        var request = FetchRequest()
        request.topics = (0..<2).map { _ in ByTopic("t", Array(repeating: partition, count: 300)) }
        let answer: FetchResponse = try client.ask(.fetch, 11, request)
        #expect(answer.topics.map(\.partitions.count) == [1])
        #expect((answer.topics.first?.partitions.first?.records ?? []).count <= 9 << 20)
    }

    @Test func `thousands of names, good ones and bad ones, are answered once each and soon`() throws {
        let broker = try WireTests.start { $0.defaultPartitions = 10 }
        defer { broker.stop() }
        let client = try WireClient(port: broker.port)
        var create = CreateTopicsRequest()
        create.topics = (0..<20_000).map { index in
            var topic = CreateTopicsRequest.Topic()
            (topic.name, topic.partitionCount) = ("!bad-\(index)", 1)
            return topic
        }
        let names = (0..<1_500).flatMap { ["auto-\($0)", "auto-\($0)"] }
        var metadata = MetadataRequest()
        metadata.topics = names.map { name in
            var topic = MetadataRequest.Topic()
            topic.name = name
            return topic
        }
        let duration = try Self.took {
            let created: CreateTopicsResponse = try client.ask(.createTopics, 4, create)
            #expect(created.topics.count == 20_000 && created.topics.allSatisfy { $0.error == .invalidTopic })
            let described: MetadataResponse = try client.ask(.metadata, 8, metadata)
            #expect(described.topics.count == 1_500)
            let made = described.topics.filter { $0.error == .none }
            #expect(made.count == 1_000, "10,000 partitions are the limit for topics made by asking, too")
            #expect(Set(described.topics.filter { $0.error != .none }.map(\.error)) == [.invalidPartitions])
        }
        #expect(duration < Self.patience, "\(duration)")
    }

    @Test func `lookups by time open a bounded number of bytes`() throws {
        let broker = try WireTests.start()
        defer { broker.stop() }
        let client = try WireClient(port: broker.port)
        try client.make("t")
        let records = (0..<50_000).map {
            (timestamp: Int64($0 == 49_999 ? 2 : 1), key: nil as [UInt8]?, value: [1] as [UInt8]?)
        }
        #expect(try client.produce("t", RecordBatch.encode(records)).error == .none)
        var question = ListOffsetsRequest.Partition()
        question.timestamp = 2
        var request = ListOffsetsRequest()
        request.topics = [ByTopic("t", Array(repeating: question, count: 100_000))]
        let duration = try Self.took {
            let answer: ListOffsetsResponse = try client.ask(.listOffsets, 5, request)
            #expect(answer.topics.map { $0.partitions.map(\.offset) } == [[49_999]])
        }
        #expect(duration < Self.patience, "\(duration)")
    }

    @Test func `batches whose records are not what their heads say are refused`() throws {
        let broker = try WireTests.start()
        defer { broker.stop() }
        let client = try WireClient(port: broker.port)
        try client.make("t")
        let now = Int64(time(nil)) * 1_000
        func batch(_ block: [UInt8], count: Int32 = 1, codec: Int16 = 0, base: Int64, max: Int64) -> [UInt8] {
            RecordBatch.encode(
                block: block, count: count, attributes: codec, baseOffset: 0, baseTimestamp: base, maxTimestamp: max)
        }
        var record = ByteWriter()
        Record(offsetDelta: 0, timestampDelta: 0, key: nil, value: [1]).encode(to: &record)
        for codec in Int16(0)...4 {
            let garbage = batch([UInt8](repeating: 0xFF, count: 40), codec: codec, base: now, max: now)
            #expect(try client.produce("t", garbage).error == .invalidRecord, "codec \(codec)")
        }
        #expect(
            try client.produce("t", batch(record.output, count: .max, base: now, max: now)).error == .invalidRecord)
        for time in [Int64.max, now + 7_200_000] {
            // The head says otherwise.
            #expect(try client.produce("t", batch(record.output, base: time, max: now)).error == .invalidTimestamp)
        }
        #expect(try client.produce("t", batch(record.output, base: .min + 5, max: now)).error == .invalidTimestamp)
        #expect(try client.fetch("t", from: 0).head.highWatermark == 0)
        // A head that is only wrong about the latest time is put right.
        #expect(try client.produce("t", batch(record.output, base: now, max: now + 50)).error == .none)
        let stored = try #require(RecordBatch(head: try client.fetch("t", from: 0).records ?? []))
        #expect(stored.maxTimestamp == now)
    }

    @Test func `a fetch that waits ends with its client`() throws {
        let broker = try WireTests.start()
        defer { broker.stop() }
        let writer = try WireClient(port: broker.port)
        try writer.make("t")
        let before = HostileClientTests.residentMegabytes()
        var partition = FetchRequest.Partition()
        (partition.maxBytes, partition.fetchOffset) = (1, 0)
        for _ in 0..<20 {
            let client = try WireClient(port: broker.port)
            var request = FetchRequest()
            (request.maxWaitMillis, request.minBytes) = (600_000, 1_000_000)
            request.topics = [ByTopic("t", Array(repeating: partition, count: 190_000))]
            try client.post(.fetch, 11, request)
            usleep(20_000)
        }
        #expect(try HostileClientTests.serves(broker))
        #expect(HostileClientTests.residentMegabytes() - before < 100)
    }

    @Test func `a description of one group asked for hundreds of times is given once`() throws {
        let broker = try WireTests.start { $0.initialRebalanceDelayMillis = 0 }
        defer { broker.stop() }
        let client = try WireClient(port: broker.port)
        var join = JoinGroupRequest()
        (join.groupID, join.protocolType, join.sessionTimeoutMillis) = ("g", "consumer", 60_000)
        var strategy = JoinGroupRequest.Strategy()
        (strategy.name, strategy.metadata) = ("range", [UInt8](repeating: 1, count: 1_000_000)[...])
        join.protocols = [strategy]
        let joined: JoinGroupResponse = try client.ask(.joinGroup, 2, join)
        #expect(joined.error == .none)
        var describe = DescribeGroupsRequest()
        describe.groups = Array(repeating: "g", count: 2_200)
        let answer: DescribeGroupsResponse = try client.ask(.describeGroups, 4, describe)
        #expect(answer.groups.map(\.groupID) == ["g"])
    }

    @Test func `all of a topic's configurations can be set at once`() throws {
        let broker = try WireTests.start()
        defer { broker.stop() }
        let client = try WireClient(port: broker.port)
        try client.make("t")
        func alter(_ configs: [(String, String)], topic: String = "t") throws -> ErrorCode? {
            var resource = ConfigResource<CreateTopicsRequest.Config>()
            (resource.type, resource.name) = (2, topic)
            resource.configs = configs.map { name, value in
                var config = CreateTopicsRequest.Config()
                (config.name, config.value) = (name, value)
                return config
            }
            var request = AlterConfigsRequest()
            request.resources = [resource]
            let answer: AlterConfigsResponse = try client.ask(.alterConfigs, 1, request)
            return answer.results.first?.error
        }
        func values() throws -> [String: String] {
            var resource = DescribeConfigsRequest.Resource()
            (resource.type, resource.name) = (2, "t")
            var request = DescribeConfigsRequest()
            request.resources = [resource]
            let answer: DescribeConfigsResponse = try client.ask(.describeConfigs, 1, request)
            let all: [DescribeConfigsResponse.Config] = answer.results.first?.configs ?? []
            var own: [String: String] = [:]
            for config in all where config.source == 1 { own[config.name] = config.value }
            return own
        }
        #expect(try alter([("retention.ms", "5"), ("segment.ms", "7")]) == ErrorCode.none)
        #expect(try alter([("retention.ms", "6")]) == ErrorCode.none)
        #expect(try values() == ["retention.ms": "6"], "what is not named goes back to its default")
        #expect(try alter([("retention.ms", "x")]) == .invalidConfig)
        #expect(try alter([], topic: "absent") == .unknownTopicOrPartition)
        #expect(try values() == ["retention.ms": "6"])
    }
}
