import Compression
import FeatureEngine
import FeatureStore
import Foundation
import KafkaClient
import Observability
import Pipeline
import PostgresClient
import PostgresOfflineStore
import StreamRecovery
import TestSupport
import Testing
import TransactionData

@testable import FeatureTransformer

/// One partition as its thread drives it: the real Postgres, the cluster that librdkafka pretends to be, the online store in memory,
/// so that every failure can be put exactly where it belongs.
@Suite(.timeLimit(.minutes(2))) struct PartitionTaskTests {
    private static let partition = KafkaPartition("transactions", 0)

    private final class Bench {
        let memory = MemoryOnlineStore()
        let repository: FeatureRepository
        let feed: ViewFeed
        let postgres: PostgresOfflineStore
        let consumer: KafkaConsumer
        let context: StageContext
        private(set) var task: PartitionTask
        private let producer: KafkaProducer
        private let cluster: MockKafkaCluster
        private(set) var sent: [SourceRow] = []
        private(set) var retreats = 0

        init(_ name: String) throws {
            repository = try FeatureRepository.load(
                directory: TestEnvironment.packageRoot + "/feature_repo", environment: [:])
            feed = try #require(repository.feeds.first)
            (producer, cluster) = try MockKafkaCluster.start()
            for topic in ["transactions", "transactions.dlq"] { try cluster.createTopic(topic, partitions: 1) }
            let url = try TestServers.postgres().makeDatabase("partition_task_\(name)")
            postgres = try PostgresOfflineStore(url: url)
            try postgres.migrate()
            try postgres.createTables(repository)
            consumer = try KafkaConsumer(
                KafkaConsumerConfiguration(bootstrapServers: cluster.bootstrapServers, group: "test"))
            let log = Log(level: .error) { _ in }
            context = StageContext(
                owner: "test", definitionHash: repository.streamHash, bootstrapServers: cluster.bootstrapServers,
                stores: Stores(databaseURL: url, redisURL: "", applicationName: "test", online: memory),
                publisher: DeadLetterPublisher(bootstrapServers: cluster.bootstrapServers, log: log),
                rekeyer: RekeyPublisher(
                    bootstrapServers: cluster.bootstrapServers, partitionCounts: [:], log: log),
                identity: TopicIdentity(bootstrapServers: cluster.bootstrapServers),
                metrics: TransformMetrics(MetricsRegistry(), stage: .events), board: ProgressBoard(),
                letters: LetterReport(stage: "events", log: log), log: log)
            let stage = EventStage(
                feed, repository: repository, partition: partition, partitionCount: 1, metrics: context.metrics,
                askPartitionCount: { 1 })
            task = PartitionTask(partition, stage: stage, context: context)
        }

        deinit {
            consumer.close()
            context.publisher.close()
        }

        /// Sends the next rows of the project's own generator; `bad` stands for a record that is no event.
        func send(_ rows: [SourceRow], bad: Int = 0) throws {
            var values = rows.map { row in
                var bytes: [UInt8] = []
                EventEncoder(feed.source).encode(row, into: &bytes)
                return bytes
            }
            values += Array(repeating: Array("{}".utf8), count: bad)
            for value in values {
                _ = try producer.send(
                    topic: partition.topic, partition: 0, key: Array("k".utf8), value: value,
                    timestampMillis: 1_700_000_000_000, token: 0)
            }
            #expect(producer.flush(timeoutMillis: 20_000))
            sent += rows
        }

        func poll() throws -> KafkaBatch {
            task.willPoll()
            return try consumer.nextBatch(max: 40, timeoutMillis: 50)
        }

        /// What a thread does in one turn.
        func turn() throws {
            try task.resume(consumer)
            let batch = try poll()
            let wasRetreating = task.machine.isRetreating
            if task.isReady, batch.count > 0 { try task.process(batch, batch.runs.map(\.records), consumer) }
            if task.isReady, batch.count == 0 { try task.idle(consumer) }
            if task.machine.isRetreating, !wasRetreating { retreats += 1 }
            context.stores.close(task.useless.subtracting([.kafka]))
            task.useless = []
            task.reportLag(consumer)  // The thread does it each second.
        }

        func run(until isDone: () throws -> Bool) throws {
            let deadline = Date(timeIntervalSinceNow: 40)
            while try !isDone() {
                guard Date() < deadline else {
                    throw TestServerError("the partition stands still at \(task.nextOffset)")
                }
                try turn()
            }
        }

        /// Until everything sent is stored and served.
        func runToEnd(_ end: Int64) throws {
            try run { task.isReady && task.nextOffset == end && mark?.nextOffset == end && mark?.isComplete == true }
        }

        var mark: Watermark? {
            let key = OnlineKeys.watermark(hash8: repository.hash8, topic: partition.topic, partition: 0)
            return memory.values[ByteString(key)].flatMap { Watermark(bytes: $0) }
        }

        /// Holds rows, letters and blobs against what was sent: each once, computed from what came before it.
        func check(letters: Int = 0, without refused: Set<ByteString> = [], _ place: SourceLocation = #_sourceLocation)
            throws
        {
            let view = feed.views[0]
            var replay = ViewsReplay([view])
            var states = EntityStates([view], keyIndex: feed.keyIndex)
            var expected: [String: FeatureVector] = [:]
            var vectors = replay.makeVectors()
            for (position, row) in sent.enumerated() where !refused.contains(row.eventIDBytes) {
                replay.next(row, position: Int64(position), into: &vectors)
                expected[row.eventID] = vectors[0]
                let entity = states.place(of: row)
                _ = states.insert(entity, view: 0, row, at: Int64(position))
            }
            var rows = 0
            try postgres.scanFeatures(view) { id, _, vector in
                rows += 1
                #expect(expected[id].map { vector.isIdentical(to: $0) } == true, sourceLocation: place)
            }
            #expect(rows == expected.count, sourceLocation: place)
            let ledger = PartitionLedger(topic: partition.topic, partition: 0)
            #expect(try ledger.deadLetterCount(on: postgres.connection) == letters, sourceLocation: place)
            for entity in 0..<states.count {
                let key = OnlineKeys.blob(
                    project: repository.project, view: view.name, hash8: repository.hash8,
                    entity: states.key(entity).description)
                let blob = memory.values[ByteString(key)]
                let stored = try blob.map { try EntityState(view, blob: $0.span) }
                #expect(
                    stored?.generation == mark?.generation && stored?.offset == states[entity, 0].offset
                        && stored?.count == states[entity, 0].count, sourceLocation: place)
            }
        }
    }

    /// Rows of the project's own generator.
    private static func rows(_ count: Int) throws -> [SourceRow] {
        let folder = try TestEnvironment.temporaryFolder("partition-task")
        var bytes: [UInt8] = []
        var generator = try TransactionGenerator(.init(rows: count, seed: 11, cards: 7))
        generator.generate { piece, _ in
            bytes += piece
            return true
        }
        try Data(bytes).write(to: URL(fileURLWithPath: folder + "/tx.csv"))
        let repository = try FeatureRepository.load(
            directory: TestEnvironment.packageRoot + "/feature_repo", environment: [:])
        let csv = try TransactionCSV(.open(folder + "/tx.csv"), schema: repository.sources[0])
        var rows: [SourceRow] = []
        var row = SourceRow(repository.sources[0])
        while case .row = try csv.next(into: &row) { rows.append(row) }
        return rows
    }

    @Test func `what was sent is stored, computed and served, and what is no event is a dead letter`() throws {
        let bench = try Bench("whole")
        try bench.send(Self.rows(150), bad: 2)
        try bench.runToEnd(152)
        try bench.check(letters: 2)
        #expect(bench.retreats == 0 && bench.context.publisher.kept == 0)
        #expect(bench.context.board.isAssigned(Self.partition))
        #expect(bench.context.board.stalled(nowMillis: StageClock.millis() + 60_000).isEmpty, "nothing waits")
    }

    @Test func `who was fenced stores nothing more, and goes on when it has claimed again`() throws {
        let bench = try Bench("fenced")
        let rows = try Self.rows(120)
        try bench.send(Array(rows[..<60]))
        try bench.runToEnd(60)
        let ledger = PartitionLedger(topic: Self.partition.topic, partition: 0)
        let other = try ledger.claim("other", on: bench.postgres.connection)
        try bench.send(Array(rows[60...]))
        try bench.run { bench.retreats > 0 }
        #expect(bench.task.machine.isRetreating && bench.task.nextOffset == 60)
        #expect(bench.task.retryAtMillis > StageClock.millis(), "whoever has it now would only be fenced in turn")
        #expect(!bench.context.board.isAssigned(Self.partition))
        try bench.runToEnd(120)
        #expect(bench.task.machine.claim.epoch > other.epoch)
        try bench.check()
    }

    @Test func `a Redis that was emptied costs a rebuild and no row`() throws {
        let bench = try Bench("emptied")
        let rows = try Self.rows(120)
        try bench.send(Array(rows[..<60]))
        try bench.runToEnd(60)
        let generation = try #require(bench.mark?.generation)
        bench.memory.values = [:]
        try bench.send(Array(rows[60...]))
        try bench.runToEnd(120)
        #expect(bench.mark?.generation == generation + 1 && bench.retreats == 1)
        try bench.check()
    }

    @Test func `one record that Postgres will not have is a dead letter, and the others are rows`() throws {
        let bench = try Bench("refused")
        let rows = try Self.rows(90)
        let bad = rows[47].eventIDBytes
        try bench.postgres.connection.execute(
            "ALTER TABLE transactions ADD CONSTRAINT unlucky CHECK (trans_num <> '\(bad)')")
        try bench.send(rows)
        try bench.runToEnd(90)
        try bench.check(letters: 1, without: [bad])
        var found: [DeadLetterRecord] = []
        try PartitionLedger(topic: Self.partition.topic, partition: 0).deadLetters(
            in: 0..<90, on: bench.postgres.connection
        ) { found.append($0) }
        #expect(found.map(\.position.offset) == [47] && found[0].reason.contains("unlucky"))
        #expect(found[0].value?.isEmpty == false, "it is kept as it came")
    }

    @Test func `a partition that was given up is read no more, and goes on when it comes back`() throws {
        let bench = try Bench("given_up")
        let rows = try Self.rows(80)
        try bench.send(Array(rows[..<40]))
        try bench.runToEnd(40)
        bench.task.giveUp(bench.consumer)
        #expect(!bench.context.board.isAssigned(Self.partition) && !bench.task.isReady)
        try bench.send(Array(rows[40...]))
        let batch = try bench.consumer.nextBatch(max: 10, timeoutMillis: 300)
        #expect(batch.count == 0)
        try bench.runToEnd(80)
        try bench.check()
    }

    @Test func `stored keys that lie elsewhere stop the program, with the count where that is another one`() throws {
        let bench = try Bench("misplaced")
        try bench.send(Self.rows(60))
        try bench.runToEnd(60)
        let ledger = PartitionLedger(topic: Self.partition.topic, partition: 0)
        // Of two partitions about half of the keys would lie in the other one.
        for found in [1, 2] {
            var asked = 0
            let stage = EventStage(
                bench.feed, repository: bench.repository, partition: Self.partition, partitionCount: 2,
                metrics: bench.context.metrics
            ) {
                asked += 1
                return found
            }
            let stop = #expect(throws: PipelineStop.self) { try stage.loadIDs(ledger, from: bench.postgres) }
            let isOfCount = stop?.description.contains("has 1 partitions, but had 2") == true
            #expect(isOfCount == (found == 1), "\(stop?.description ?? "")")
            #expect(asked == 1)
        }
    }

    @Test func `a connection that somebody else's failure cost is made anew at once`() throws {
        let bench = try Bench("interrupted")
        let rows = try Self.rows(80)
        try bench.send(Array(rows[..<40]))
        try bench.runToEnd(40)
        try bench.task.interrupt(.postgres, bench.consumer)
        #expect(bench.task.machine.isRetreating && bench.task.retryAtMillis == 0)
        bench.context.stores.close()
        try bench.send(Array(rows[40...]))
        try bench.runToEnd(80)
        try bench.check()
    }

    @Test func `records polled before a seek are not taken for those behind it`() throws {
        let bench = try Bench("polled")
        let rows = try Self.rows(60)
        try bench.send(Array(rows[..<40]))
        try bench.runToEnd(40)
        try bench.send(Array(rows[40...]))
        var batch = try bench.poll()
        for _ in 0..<100 where batch.count == 0 { batch = try bench.poll() }
        #expect(batch.offset(at: 0) == 40)
        // The broker came back meanwhile: the partition reads again from N − 1, to compare.
        try bench.task.disturb(bench.consumer)
        #expect(bench.task.isReady && bench.task.machine.comparesNext)
        try bench.task.process(batch, batch.runs.map(\.records), bench.consumer)
        #expect(bench.task.nextOffset == 40 && bench.task.machine.comparesNext, "nothing of it was taken")
        try bench.runToEnd(60)
        #expect(bench.task.machine.claim.base == 0 && bench.retreats == 0, "the log is what it was")
        try bench.check()
    }
}
