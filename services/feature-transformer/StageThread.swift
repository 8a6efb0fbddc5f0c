import FeatureStore
import Glibc
import KafkaClient
import Observability
import PostgresClient
import PostgresOfflineStore
import RedisClient
import ServiceRuntime
import Synchronization

/// What one thread consumes.
enum StageKind: Sendable {
    case events
    case labels
    case predictions

    var name: String {
        switch self {
        case .events: "events"
        case .labels: "labels"
        case .predictions: "predictions"
        }
    }
}

/// One member of a consumer group on a thread of its own, with the partitions the group gives it. Nothing is shared with
/// other threads but counters.
final class StageThread {
    private let kind: StageKind
    private let topics: [String]
    private let plan: TransformPlan
    private let runtime: ServiceRuntime
    private let context: StageContext
    private var tasks: [KafkaPartition: PartitionTask] = [:]
    private var lastIdleMillis: Int64 = 0
    private var lastCommitMillis: Int64 = 0
    private var lastBatchNanos: UInt64 = 0
    private var isLagging = false
    private static let lingerNanos: UInt64 = 5_000_000

    init(
        _ kind: StageKind, number: Int, topics: [String], plan: TransformPlan, runtime: ServiceRuntime,
        board: AssignmentBoard
    ) {
        self.kind = kind
        self.topics = topics
        self.plan = plan
        self.runtime = runtime
        let name = "transform-\(kind.name)-\(number)"
        context = StageContext(
            owner: "\(plan.processName)/\(name)", definitionHash: plan.repository.streamHash,
            stores: Stores(
                databaseURL: plan.databaseURL, redisURL: plan.redisURL, applicationName: "needletail-\(name)"),
            publisher: DeadLetterPublisher(bootstrapServers: plan.bootstrapServers, log: runtime.log),
            metrics: TransformMetrics(runtime.metrics, stage: kind),
            board: board, log: runtime.log)
    }

    /// Consumers are closed, but destroyed only by the end of the process: librdkafka 2.0.2 aborts when it destroys one that
    /// had joined its group and not yet got an assignment, as happens in a run that has nothing to do.
    private static let consumers = Mutex<[KafkaConsumer]>([])

    /// Consumes until the program stops. Throws what must stop it.
    func run() throws {
        var configuration = KafkaConsumerConfiguration(
            bootstrapServers: plan.bootstrapServers, group: "\(plan.group)-\(kind.name)")
        configuration.clientID = "needletail-transform-\(kind.name)"
        configuration.queueKibibytes = 32_768
        let consumer = try KafkaConsumer(configuration)
        Self.consumers.withLock { $0.append(consumer) }
        defer {
            context.publisher.close()
            context.stores.close()
        }
        do {
            try consumer.subscribe(topics: topics)
            while !runtime.isStopping { try turn(consumer) }
            try? consumer.commitAndWait(offsets())
            consumer.close()
        } catch {
            consumer.close()
            throw error
        }
    }

    private func turn(_ consumer: KafkaConsumer) throws {
        for task in tasks.values where !task.isAssigned && task.retryAtMillis <= now() {
            try guarding(task, consumer) { try task.assign(consumer: consumer) }
            if task.isAssigned { context.metrics.assignments.add() }
        }
        // Batches of one or two would spend their time on transactions: while keeping up, one begins every 5 ms at most.
        let since = WallClock.monotonicNanos() - lastBatchNanos
        if !isLagging, since < Self.lingerNanos { usleep(UInt32((Self.lingerNanos - since) / 1_000)) }
        let isWaiting = tasks.values.contains { !$0.isAssigned }
        let batch = try consumer.nextBatch(
            max: isLagging ? plan.lagBatchEvents : plan.batchEvents, timeoutMillis: isWaiting ? 20 : 100)
        try follow(batch.events, consumer)
        isLagging = batch.count >= plan.batchEvents
        if batch.count > 0 { lastBatchNanos = WallClock.monotonicNanos() }
        var runs: [KafkaPartition: [Range<Int>]] = [:]
        for run in batch.runs { runs[run.partition, default: []].append(run.records) }
        for (partition, ranges) in runs {
            guard let task = tasks[partition], task.isAssigned else { continue }
            try guarding(task, consumer) { try task.process(batch, ranges) }
        }
        let moment = now()
        if batch.count == 0, moment - lastIdleMillis >= 500 {
            lastIdleMillis = moment
            for task in tasks.values where task.isAssigned {
                try guarding(task, consumer) { try task.idle() }
            }
        }
        if moment - lastCommitMillis >= 1_000, !tasks.isEmpty {
            lastCommitMillis = moment
            for task in tasks.values { task.reportLag(consumer: consumer) }
            try? consumer.commit(offsets())  // For lag displays only: recovery reads Postgres.
        }
    }

    private func offsets() -> [KafkaPartition: Int64] {
        tasks.filter { $0.value.isAssigned }.mapValues(\.nextOffset)
    }

    private func follow(_ events: [KafkaConsumerEvent], _ consumer: KafkaConsumer) throws {
        for event in events {
            switch event {
            case .assigned(let partitions):
                for partition in partitions where tasks[partition] == nil {
                    tasks[partition] = PartitionTask(
                        partition, stage: try plan.stage(kind, partition, context.metrics), context: context)
                }
            case .revoked(let partitions, let isLost):
                for partition in partitions {
                    guard let task = tasks.removeValue(forKey: partition) else { continue }
                    task.reset()
                    runtime.log.info(
                        "partition given up",
                        ["topic": partition.topic, "partition": Int(partition.partition), "lost": isLost])
                }
            case .endOfPartition: break
            case .failed(let partition?, .offsetOutOfRange(let reason)):
                throw PipelineStop(
                    topic: partition.topic, partition: partition.partition, "the log does not reach: \(reason)")
            case .failed(let partition, let error):
                runtime.log.debug(
                    "kafka reports an error", ["error": "\(error)", "topic": partition?.topic ?? ""])
            }
        }
    }

    /// Carries out one step of a task. What can be mended leads back to its assignment; what cannot is thrown.
    private func guarding(_ task: PartitionTask, _ consumer: KafkaConsumer, _ body: () throws -> Void) throws {
        do { try body() } catch {
            switch error {
            case let error as PipelineStop: throw error
            case let error as KafkaError:
                if case .fatal = error { throw error }
            case let error as TableMismatch: throw error
            default: break
            }
            context.metrics.failures.add()
            let isConnection = Self.isConnectionError(error)
            let fields: [String: any LogValue] = [
                "topic": task.partition.topic, "partition": Int(task.partition.partition), "error": "\(error)",
            ]
            if task.failures == 0 {
                runtime.log.warning("back to the assignment", fields)
            } else {
                runtime.log.debug("back to the assignment", fields)
            }
            if isConnection { context.stores.close() }
            // With the connection goes what every partition of this thread knows.
            for other in isConnection ? Array(tasks.values) : [task] where other === task || other.isAssigned {
                other.reset()
                try? consumer.unassign(other.partition)
                other.retryAtMillis = now() + (other === task ? min(2_000, 50 << Int64(min(task.failures, 6))) : 0)
            }
            task.failures += 1
        }
    }

    private static func isConnectionError(_ error: any Error) -> Bool {
        switch error {
        case is RedisError: true
        case let error as PostgresError:
            switch error {
            case .connect, .connectionLost: true
            case .server, .unexpectedResult: false
            }
        default: false
        }
    }

    private func now() -> Int64 { Int64(WallClock.monotonicNanos() / 1_000_000) }
}
