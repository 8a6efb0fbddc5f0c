import FeatureEngine
import FeatureStore
import KafkaClient
import Observability
import StreamRecovery
import TestSupport
import Testing
import TransactionData

@testable import FeatureTransformer

/// The stage of events without servers: records from the cluster that librdkafka pretends to be, the online store in memory.
@Suite struct EventStageTests {
    private let repository: FeatureRepository
    private let feed: ViewFeed
    private let producer: KafkaProducer
    private let cluster: MockKafkaCluster
    private let store = MemoryOnlineStore()
    private let stores: Stores
    private let registry = MetricsRegistry()
    private let stage: EventStage
    private static let partition = KafkaPartition("transactions", 1)
    private static let second: Int64 = 1_700_000_000

    init() throws {
        repository = try FeatureRepository.load(
            directory: TestEnvironment.packageRoot + "/feature_repo", environment: [:])
        feed = try #require(repository.feeds.first)
        (producer, cluster) = try MockKafkaCluster.start()
        try cluster.createTopic("transactions", partitions: 2)
        stores = Stores(databaseURL: "", redisURL: "", applicationName: "test", online: store)
        stage = EventStage(
            feed, repository: repository, partition: Self.partition, partitionCount: 2,
            metrics: TransformMetrics(registry, stage: .events), askPartitionCount: { 2 })
    }

    /// Cards of the stage's partition, and of the other one.
    private func cards(_ partition: Int32) -> [String] {
        (0..<40).map { "card-\($0)" }.filter { EntityPlacement.partition(of: $0, among: 2, by: .murmur2) == partition }
    }

    private func event(_ id: String, card: String, seconds: Int64 = 0, amount: String = "2.00") -> [UInt8] {
        Array(
            """
            {"trans_date_trans_time":"\(CivilTime.iso8601((Self.second + seconds) * 1_000).prefix(19).replacing("T", with: " "))",\
            "cc_num":"\(card)","merchant":"m","category":"c","amt":\(amount),"lat":1,"long":2,"trans_num":"\(id)",\
            "merch_lat":1,"merch_long":2}
            """.utf8)
    }

    /// The records as a poll brings them.
    private func batch(_ values: [[UInt8]?], timestampMillis: Int64 = (second + 86_400) * 1_000) throws -> KafkaBatch {
        for value in values {
            _ = try producer.send(
                topic: Self.partition.topic, partition: Self.partition.partition, key: Array("k".utf8), value: value,
                timestampMillis: timestampMillis, token: 0)
        }
        #expect(producer.flush(timeoutMillis: 20_000))
        let consumer = try KafkaConsumer(
            KafkaConsumerConfiguration(bootstrapServers: cluster.bootstrapServers, group: "test"))
        defer { consumer.close() }
        try consumer.assign(Self.partition, offset: 0)
        for _ in 0..<100 {
            let batch = try consumer.nextBatch(max: 1_000, timeoutMillis: 200)
            if batch.count == values.count { return batch }
        }
        throw TestServerError("the records do not come")
    }

    private func accept(_ batch: KafkaBatch, from: Int = 0, at position: Int64 = 0) throws -> [RecordRefusal?] {
        stage.begin(isCareful: false)
        return try (from..<batch.count).map { try stage.accept($0, of: batch, at: position + Int64($0 - from)) }
    }

    private func claim(next: Int64, generation: UInt64 = 1) -> PartitionClaim {
        var claim = PartitionClaim()
        (claim.epoch, claim.next, claim.generation) = (1, next, generation)
        return claim
    }

    @Test func `each record that is none of its own is refused with what is wrong with it`() throws {
        let (own, foreign) = (cards(1)[0], cards(0)[0])
        let reasons = try accept(
            batch([
                event("a", card: own), nil, Array("{".utf8), event("b", card: foreign), event("", card: own),
                event("c", card: own, seconds: 86_400 + 600), event("d", card: own),
            ]))
        #expect(reasons[0] == nil && reasons[6] == nil)
        #expect(
            reasons.map { $0?.kind }
                == [nil, .malformed, .malformed, .foreignPartition, .malformed, .future, nil])
        #expect(reasons[1]?.reason == "the record has no value")
        #expect(reasons[2]?.reason.isEmpty == false)
        let home = "the record lies in partition 1, but its key belongs to partition 0 by murmur2"
        #expect(reasons[3]?.reason.hasPrefix(home) == true)
        #expect(reasons[4]?.reason.contains("trans_num") == true)
        #expect(reasons[5]?.reason == "trans_date_trans_time: is later than the moment the event was produced")
        #expect(stage.taken == 2)
    }

    @Test func `a partition of another count stops the program before a record is called foreign`() throws {
        let stage = EventStage(
            feed, repository: repository, partition: Self.partition, partitionCount: 2,
            metrics: TransformMetrics(registry, stage: .events), askPartitionCount: { 3 })
        let batch = try batch([event("a", card: cards(0)[0])])
        stage.begin(isCareful: false)
        #expect(throws: PipelineStop.self) { try stage.accept(0, of: batch, at: 0) }
    }

    @Test(.countsAllocations) func `an event asks for memory once at most, from its record to its rows and blobs`()
        throws
    {
        let own = cards(1)
        let records = try batch((0..<800).map { event("e\($0)", card: own[$0 % own.count], seconds: Int64($0)) })
        try stage.plant(.whole(1, 0), stores: stores)
        func step(_ first: Int) throws {
            stage.begin(isCareful: false)
            for index in first..<first + 400 { _ = try stage.accept(index, of: records, at: Int64(index)) }
            let prepared = try stage.prepare(claim(next: Int64(first)), stores: stores)
            #expect(prepared.rows == 400)
            let (from, to) = (OnlineMark.whole(1, Int64(first)), OnlineMark.whole(1, Int64(first + 400)))
            try stage.writeOnline(from: from, to: to, newestMillis: 5, stores: stores)
        }
        try step(0)
        let count = try allocations { try step(400) }
        #expect(count <= 400)
    }

    @Test func `rows are computed only on the state as it was left`() throws {
        let mark = OnlineMark.whole(1, 0)
        try stage.plant(mark, stores: stores)
        _ = try accept(batch([event("a", card: cards(1)[0]), event("b", card: cards(1)[0], seconds: 60)]))
        var prepared = try stage.prepare(claim(next: 0), stores: stores)
        #expect(prepared.rows == 2 && prepared.mark == mark)
        // Somebody else moved it: nothing is computed, and the protocol hears that it is not ours.
        stage.dropState()
        let others = Watermark(generation: 1, nextOffset: 0, newestMillis: 77)
        store.values[ByteString(stage.watermarkKey)] = others.bytes
        prepared = try stage.prepare(claim(next: 0), stores: stores)
        #expect(prepared.rows == 0 && prepared.mark == nil)
        #expect(try stage.readMark(stores) == nil)
        stage.release()
        #expect(try stage.readMark(stores) == others.mark, "after a claim it is taken as it is")
    }

    @Test func `blobs, known entities and watermark are what the events say, and only from where they were left`()
        throws
    {
        let names = [cards(1)[0], cards(1)[1], cards(1)[0]]
        try stage.plant(.whole(1, 0), stores: stores)
        let records = try batch(names.enumerated().map { event("e\($0)", card: $1, seconds: Int64($0)) })
        _ = try accept(records)
        _ = try stage.prepare(claim(next: 0), stores: stores)
        try stage.writeOnline(from: .whole(1, 0), to: .whole(1, 3), newestMillis: 5, stores: stores)

        let view = feed.views[0]
        var replay = EntityStates([view], keyIndex: feed.keyIndex)
        let decoder = EventDecoder(feed.source)
        for index in 0..<records.count {
            var row = SourceRow(feed.source)
            try records.withValue(at: index) { (bytes) throws(EventError) in try decoder.decode(bytes, into: &row) }
            let place = replay.place(of: row)
            _ = replay.insert(place, view: 0, row, at: Int64(index))
        }
        for place in 0..<2 {
            var expected: [UInt8] = []
            var state = replay[place, 0]
            state.generation = 1
            state.encode(into: &expected)
            let key = OnlineKeys.blob(
                project: repository.project, view: view.name, hash8: repository.hash8,
                entity: replay.key(place).description)
            #expect(store.values[ByteString(key)] == expected)
            #expect(
                store.known(replay.key(place).bytes.span, key: OnlineKeys.known(watermarkKey: stage.watermarkKey))
                    == .known)
        }
        let mark = store.values[ByteString(stage.watermarkKey)]
        #expect(mark == Watermark(generation: 1, nextOffset: 3, target: 3, newestMillis: 5).bytes)

        // From anywhere else than where it was left nothing is moved.
        let failure = #expect(throws: StepError.self) {
            try stage.writeOnline(from: .whole(1, 0), to: .whole(1, 9), newestMillis: 5, stores: stores)
        }
        #expect(failure?.failure == .overtaken)
        store.values[ByteString(stage.watermarkKey)] = Watermark(generation: 2, nextOffset: 0, target: 9).bytes
        #expect(throws: StepError.self) {
            try stage.writeOnline(from: .whole(1, 3), to: .whole(1, 4), newestMillis: 5, stores: stores)
        }
        #expect(throws: StepError.self) { try stage.plant(.whole(2, 0), stores: stores) }
    }

    @Test func `an event too late for every window is a row, and counts once`() throws {
        try stage.plant(.whole(1, 0), stores: stores)
        let card = cards(1)[0]
        _ = try accept(
            batch([event("a", card: card), event("b", card: card, seconds: -60 * 86_400), event("c", card: card)]))
        #expect(try stage.prepare(claim(next: 0), stores: stores).rows == 3)
        #expect(registry.renderPrometheus().contains("needletail_transform_too_late_total{stage=\"events\"} 1\n"))
    }

    @Test func `a quiet partition says that it is alive`() throws {
        try stage.plant(.whole(1, 0), stores: stores)
        try stage.noteAlive(stores)
        let alive = store.values[ByteString(OnlineKeys.alive(watermarkKey: stage.watermarkKey))]
        #expect(alive?.count == Heartbeat.size)
        #expect(store.values[ByteString(OnlineKeys.known(watermarkKey: stage.watermarkKey))] != nil)
    }
}
