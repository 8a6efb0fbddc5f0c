import Dispatch
import FeatureEngine
import FeatureStore
import Foundation
import KafkaClient
import Pipeline
import PostgresClient
import PostgresOfflineStore
import ServiceRuntime
import Synchronization
import TestSupport
import Testing

@testable import FeatureTransformer

/// Threads of one stage as the processes of a group run them: the real Postgres, the cluster that librdkafka pretends to be.
@Suite(.timeLimit(.minutes(2))) struct StageThreadTests {
    private static let partitions = (0..<4).map { KafkaPartition("labels", Int32($0)) }

    /// What one process of the group has.
    private final class Worker: Sendable {
        let board = ProgressBoard()
        private let runtime = ServiceRuntime()
        private let done = DispatchGroup()
        private let failures = Mutex<[String]>([])

        init(_ plan: TransformPlan) {
            let (group, queue) = (TransformGroup(plan.group, databaseURL: plan.databaseURL), DispatchQueue.global())
            queue.async(group: done) { [runtime] in group.run(runtime) }
            queue.async(group: done) { [self] in
                do {
                    try StageThread(
                        .labels, number: 0, of: 1, topics: ["labels"], plan: plan, runtime: runtime, group: group,
                        board: board
                    ).run()
                } catch {
                    failures.withLock { $0.append("\(error)") }
                }
            }
        }

        var owned: Int { partitions.count { board.isAssigned($0) } }

        /// Ends it; what its thread could not do.
        func stop() -> [String] {
            runtime.stop()
            done.wait()
            return failures.withLock { $0 }
        }
    }

    private let producer: KafkaProducer
    private let store: PostgresOfflineStore
    private let plan: TransformPlan

    init() throws {
        let cluster: MockKafkaCluster
        (producer, cluster) = try MockKafkaCluster.start()
        try cluster.createTopic("labels", partitions: 4)
        let url = try TestServers.postgres().makeDatabase("stage_thread")
        store = try PostgresOfflineStore(url: url)
        try store.migrate()
        plan = TransformPlan(
            repository: try FeatureRepository.load(
                directory: TestEnvironment.packageRoot + "/feature_repo", environment: [:]),
            bootstrapServers: cluster.bootstrapServers, redisURL: "", databaseURL: url, group: "stage-thread",
            processName: "test", batchEvents: 10, lagBatchEvents: 10, partitionCounts: ["labels": 4])
    }

    private func send(_ numbers: Range<Int>) throws {
        for number in numbers {
            let label = LabelRecord(
                eventID: ByteString("e\(number)"), isFraud: number % 3 == 0, eventMillis: 1, availableMillis: 2)
            _ = try producer.send(
                topic: "labels", partition: Int32(number % 4), key: Array("k".utf8), value: label.encoded(),
                timestampMillis: 1_700_000_000_000, token: 0)
        }
        #expect(producer.flush(timeoutMillis: 20_000))
    }

    private func rows() throws -> Int64? { try store.connection.query("SELECT count(*) FROM labels").integer(0, 0) }

    private func wait(_ what: String, until isSo: () throws -> Bool) throws {
        let deadline = Date(timeIntervalSinceNow: 40)
        while try !isSo() {
            guard Date() < deadline else { throw TestServerError("not within 40 s: \(what)") }
            usleep(20_000)
        }
    }

    @Test func `partitions follow who is there, and every label is stored once`() throws {
        try send(0..<40)
        let first = Worker(plan)
        try wait("one owns all and stores all") { try first.owned == 4 && rows() == 40 }
        let second = Worker(plan)
        try wait("two share") { first.owned == 2 && second.owned == 2 }
        try send(40..<80)
        try wait("both store") { try rows() == 80 }
        #expect(first.stop() == [])
        try wait("the other takes over") { second.owned == 4 }
        try send(0..<8)  // again
        try send(80..<120)
        try wait("it stores what is new") { try rows() == 120 }
        try wait("repeats are counted") {
            try store.connection.query("SELECT sum(duplicates)::bigint, sum(next_offset)::bigint FROM partition_state")
                .integer(0, 0) == 8
        }
        #expect(second.stop() == [])
        let state = try store.connection.query("SELECT sum(next_offset)::bigint FROM partition_state")
        #expect(state.integer(0, 0) == 128)
    }
}
