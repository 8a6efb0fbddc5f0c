import Glibc
import KafkaBroker
import KafkaProtocol
import TestSupport
import Testing

/// The embedded broker in this process, spoken to directly.
@Suite(.timeLimit(.minutes(2))) struct WireTests {
    static func start(_ change: (inout BrokerConfiguration) -> Void = { _ in }) throws -> KafkaBroker {
        var configuration = BrokerConfiguration(dataFolder: try TestEnvironment.temporaryFolder("broker"))
        change(&configuration)
        return try KafkaBroker.start(configuration)
    }

    static func batch(_ count: Int, producer: Int64 = -1, sequence: Int32 = -1, bytes: Int = 10) -> [UInt8] {
        RecordBatch.encode(
            (0..<count).map {
                (timestamp: Int64($0), key: nil, value: [UInt8](repeating: UInt8($0 & 0xFF), count: bytes))
            },
            producerID: producer, producerEpoch: producer < 0 ? -1 : 0, baseSequence: sequence)
    }

    @Test func `a topic is made, led and answered in one request, with the broker as its controller`() throws {
        let broker = try Self.start { $0.defaultPartitions = 3 }
        defer { broker.stop() }
        let client = try WireClient(port: broker.port)
        var wanted = MetadataRequest.Topic()
        wanted.name = "new"
        var request = MetadataRequest()
        request.topics = [wanted]
        let answer: MetadataResponse = try client.ask(.metadata, 1, request)
        #expect(answer.topics.map(\.error) == [.none])
        #expect(answer.topics.first?.partitions.map(\.leaderID) == [1, 1, 1])
        #expect(answer.brokers.map(\.id) == [answer.controllerID])
        #expect(answer.brokers.map(\.host) == ["127.0.0.1"])
        #expect(answer.brokers.map(\.port) == [Int32(broker.port)])
        request.allowAutoCreation = false
        request.topics?[0].name = "other"
        let refused: MetadataResponse = try client.ask(.metadata, 4, request)
        #expect(refused.topics.map(\.error) == [.unknownTopicOrPartition])
    }

    /// Topics by name or, from version 12 on, by id; without making any.
    private static func metadata(
        _ client: WireClient, _ version: Int16, name: String? = nil, id: TopicID = TopicID()
    ) throws -> MetadataResponse.Topic {
        var wanted = MetadataRequest.Topic()
        (wanted.name, wanted.id) = (name, id)
        var request = MetadataRequest()
        (request.topics, request.allowAutoCreation) = ([wanted], false)
        let answer: MetadataResponse = try client.ask(.metadata, version, request)
        return try #require(answer.topics.first)
    }

    @Test func `a topic's id outlives a restart, names the topic, and is another when the topic is made again`() throws
    {
        let folder = try TestEnvironment.temporaryFolder("broker")
        var broker: KafkaBroker? = try KafkaBroker.start(BrokerConfiguration(dataFolder: folder))
        var client = try WireClient(port: try #require(broker).port)
        try client.make("t")
        let id = try Self.metadata(client, 10, name: "t").id
        #expect(id != TopicID())
        #expect(try Self.metadata(client, 9, name: "t").id == TopicID(), "before version 10 there are no ids")
        broker?.stop()
        broker = nil  // Its folder is its own for as long as it is there.
        let again = try KafkaBroker.start(BrokerConfiguration(dataFolder: folder))
        defer { again.stop() }
        client = try WireClient(port: again.port)
        for version: Int16 in 10...12 { #expect(try Self.metadata(client, version, name: "t").id == id) }

        let found = try Self.metadata(client, 12, id: id)
        #expect(found.error == .none && found.name == "t" && found.id == id && found.partitions.count == 1)
        let unknown = TopicID(high: id.high, low: id.low ^ 1)
        let missing = try Self.metadata(client, 12, id: unknown)
        #expect(missing.error == .unknownTopicID && missing.name == nil && missing.id == unknown)
        #expect(try Self.metadata(client, 12).error == .unknownTopicID, "neither a name nor an id")
        #expect(try Self.metadata(client, 11, id: id).error == .invalidRequest, "asked by id before version 12")

        var deletion = DeleteTopicsRequest()
        deletion.names = ["t"]
        let _: DeleteTopicsResponse = try client.ask(.deleteTopics, 3, deletion)
        #expect(try Self.metadata(client, 12, id: id).error == .unknownTopicID)
        try client.make("t")
        let second = try Self.metadata(client, 12, name: "t").id
        #expect(second != id && second != TopicID())
    }

    @Test func `a fetch of nothing is answered at once`() throws {
        let broker = try Self.start()
        defer { broker.stop() }
        var request = FetchRequest()
        (request.maxWaitMillis, request.minBytes) = (30_000, 1)
        let answer: FetchResponse = try WireClient(port: broker.port).ask(.fetch, 11, request)
        #expect(answer.topics.isEmpty)
    }

    @Test func `a fetch waits for enough bytes or for its time`() throws {
        let broker = try Self.start()
        defer { broker.stop() }
        let (reader, writer) = (try WireClient(port: broker.port), try WireClient(port: broker.port))
        try writer.make("t")
        let started = ContinuousClock.now
        let _: FetchResponse = try reader.ask(.fetch, 11, WireClient.fetchRequest("t", from: 0, maxWait: 300))
        #expect(ContinuousClock.now - started >= .milliseconds(290))

        let parked = try reader.post(.fetch, 11, WireClient.fetchRequest("t", from: 0, maxWait: 60_000, minBytes: 150))
        #expect(try writer.produce("t", Self.batch(1)).baseOffset == 0)
        usleep(50_000)
        #expect(try writer.produce("t", Self.batch(1)).baseOffset == 1)
        let answer: FetchResponse = try reader.answer(.fetch, 11, parked)
        let records = answer.topics.first?.partitions.first?.records ?? []
        #expect(records.count == Self.batch(1).count * 2, "both batches, although the first alone was not enough")
    }

    @Test func `a first batch above every limit comes whole, and the next one waits its turn`() throws {
        let broker = try Self.start()
        defer { broker.stop() }
        let client = try WireClient(port: broker.port)
        try client.make("t")
        let large = Self.batch(1, bytes: 900_000)
        _ = try client.produce("t", large)
        _ = try client.produce("t", Self.batch(10))
        var (offset, turns, sizes) = (Int64(0), 0, [Int]())
        while offset < 11, turns < 10 {
            let records = try client.fetch("t", from: offset, maxBytes: 1_000).records ?? []
            let batch = try #require(RecordBatch(head: records))
            #expect(batch.size == records.count)
            sizes.append(records.count)
            offset = batch.lastOffset + 1
            turns += 1
        }
        #expect(sizes == [large.count, Self.batch(10).count])
    }

    @Test func `sequence numbers wrap, and a repeat answers the old offset`() throws {
        let broker = try Self.start()
        defer { broker.stop() }
        let client = try WireClient(port: broker.port)
        try client.make("t")
        let first = Self.batch(4, producer: 9, sequence: 2_147_483_646)
        #expect(try client.produce("t", first).baseOffset == 0)
        #expect(try client.produce("t", Self.batch(2, producer: 9, sequence: 2)).baseOffset == 4)
        let again = try client.produce("t", first)
        #expect(again.error == .none && again.baseOffset == 0)
        #expect(try client.fetch("t", from: 0).head.highWatermark == 6)
        #expect(try client.produce("t", Self.batch(1, producer: 9, sequence: 9)).error == .outOfOrderSequenceNumber)
    }

    @Test func `the first offset at or after a time is found also when times go backwards`() throws {
        let broker = try Self.start()
        defer { broker.stop() }
        let client = try WireClient(port: broker.port)
        try client.make("t")
        let times: [[Int64]] = [[100, 300, 200], [150]]
        for batch in times {
            _ = try client.produce("t", RecordBatch.encode(batch.map { (timestamp: $0, key: nil, value: [1]) }))
        }
        let found = try [Int64(50), 150, 250, 301].map { time in
            var partition = ListOffsetsRequest.Partition()
            partition.timestamp = time
            var wanted = ListOffsetsRequest.Topic()
            wanted.name = "t"
            wanted.partitions = [partition]
            var request = ListOffsetsRequest()
            request.topics = [wanted]
            let answer: ListOffsetsResponse = try client.ask(.listOffsets, 5, request)
            return answer.topics.first?.partitions.first?.offset
        }
        #expect(found == [0, 1, 1, -1])
    }

    @Test func `without acknowledgement there is no answer, and an error closes the connection`() throws {
        let broker = try Self.start()
        defer { broker.stop() }
        let client = try WireClient(port: broker.port)
        try client.make("t")
        try client.post(.produce, 7, WireClient.produceRequest("t", Self.batch(3), acks: 0))
        #expect(try client.fetch("t", from: 0).head.highWatermark == 3, "the next answer is the next request's")
        try client.post(.produce, 7, WireClient.produceRequest("absent", Self.batch(3), acks: 0))
        #expect(try client.readFrame() == nil)
    }

    @Test func `transactions are refused with an error that ends the client`() throws {
        let broker = try Self.start()
        defer { broker.stop() }
        var request = InitProducerIDRequest()
        request.transactionalID = "tx"
        let client = try WireClient(port: broker.port)
        let refused: InitProducerIDResponse = try client.ask(.initProducerID, 1, request)
        #expect(refused.error == .transactionalIDAuthorizationFailed)
        request.transactionalID = nil
        let ids: [InitProducerIDResponse] = try (0..<3).map { _ in try client.ask(.initProducerID, 1, request) }
        #expect(Set(ids.map(\.producerID)).count == 3)
    }

    @Test func `producer ids are never given twice, and records, positions and topics outlive the broker`() throws {
        let folder = try TestEnvironment.temporaryFolder("broker")
        var ids: Set<Int64> = []
        for round in 0..<3 {
            let broker = try KafkaBroker.start(BrokerConfiguration(dataFolder: folder))
            defer { broker.stop() }
            let client = try WireClient(port: broker.port)
            let answer: InitProducerIDResponse = try client.ask(.initProducerID, 1, InitProducerIDRequest())
            #expect(ids.insert(answer.producerID).inserted)
            if round == 0 { try client.make("t") }
            #expect(try client.produce("t", Self.batch(5)).baseOffset == Int64(round) * 5)

            var partition = OffsetCommitRequest.Partition()
            (partition.offset, partition.metadata) = (Int64(round), "note \(round)")
            var topic = OffsetCommitRequest.Topic()
            (topic.name, topic.partitions) = ("t", [partition])
            var commit = OffsetCommitRequest()
            (commit.groupID, commit.topics) = ("g", [topic])
            var asked = OffsetFetchRequest()
            (asked.groupID, asked.topics) = ("g", nil)
            let before: OffsetFetchResponse = try client.ask(.offsetFetch, 5, asked)
            #expect(before.topics.first?.partitions.first?.metadata == (round == 0 ? nil : "note \(round - 1)"))
            let done: OffsetCommitResponse = try client.ask(.offsetCommit, 7, commit)
            #expect(done.topics.first?.partitions.map(\.error) == [.none])
        }
    }

    @Test func `a deleted topic takes its records and positions along`() throws {
        let broker = try Self.start()
        defer { broker.stop() }
        let client = try WireClient(port: broker.port)
        try client.make("t")
        _ = try client.produce("t", Self.batch(10))
        var partition = OffsetCommitRequest.Partition()
        partition.offset = 10
        var topic = OffsetCommitRequest.Topic()
        (topic.name, topic.partitions) = ("t", [partition])
        var commit = OffsetCommitRequest()
        (commit.groupID, commit.topics) = ("g", [topic])
        let _: OffsetCommitResponse = try client.ask(.offsetCommit, 7, commit)
        let waiting = try WireClient(port: broker.port)
        let parked = try waiting.post(.fetch, 11, WireClient.fetchRequest("t", from: 10, maxWait: 60_000))
        usleep(50_000)
        var delete = DeleteTopicsRequest()
        delete.names = ["t"]
        let _: DeleteTopicsResponse = try client.ask(.deleteTopics, 3, delete)
        let told: FetchResponse = try waiting.answer(.fetch, 11, parked)
        #expect(told.topics.first?.partitions.first?.head.error == .unknownTopicOrPartition)
        try client.make("t")
        #expect(try client.fetch("t", from: 0).head.highWatermark == 0)
        var asked = OffsetFetchRequest()
        (asked.groupID, asked.topics) = ("g", nil)
        let positions: OffsetFetchResponse = try client.ask(.offsetFetch, 5, asked)
        #expect(positions.topics.isEmpty)
    }

    @Test func `a folder in use and a taken port are said so`() throws {
        let folder = try TestEnvironment.temporaryFolder("broker")
        let broker = try KafkaBroker.start(BrokerConfiguration(dataFolder: folder))
        defer { broker.stop() }
        #expect(throws: BrokerError.folderInUse(path: folder)) {
            try KafkaBroker.start(BrokerConfiguration(dataFolder: folder))
        }
        #expect {
            try Self.start { $0.port = broker.port }
        } throws: { error in
            if case .listen(let reason)? = error as? BrokerError { reason.contains("\(broker.port)") } else { false }
        }
    }
}
