import FeatureStore
import Glibc
import KafkaClient
import Observability
import Pipeline
import PostgresClient
import PostgresOfflineStore
import ServiceRuntime
import StreamRecovery
import Synchronization

/// One reader on a thread of its own, with the partitions that the group gives it. Nothing is shared with other threads but
/// counters and what health needs.
final class StageThread {
    private let kind: StageKind
    private let number: Int
    private let threads: Int
    private let plan: TransformPlan
    private let runtime: ServiceRuntime
    private let group: TransformGroup
    private let context: StageContext
    private let partitions: [KafkaPartition]
    private var tasks: [KafkaPartition: PartitionTask] = [:]
    /// Given up a moment ago: their ids may still be right when they come back.
    private var parked: [KafkaPartition: (task: PartitionTask, untilMillis: Int64)] = [:]
    private var membership: TransformGroup.Membership?
    private var disturbances = 0
    private var lastRecordsMillis: [KafkaPartition: Int64] = [:]
    private var lastIdleMillis: Int64 = 0
    private var lastReportMillis: Int64 = 0
    private var lastCountMillis: Int64 = 0
    private var lastBatchNanos: UInt64 = 0
    private var isLagging = false
    private var stalled: Set<KafkaPartition> = []
    private var unreadable: UnreadableWatch
    private static let lingerNanos: UInt64 = 5_000_000
    private static let parkMillis: Int64 = 60_000
    /// After so long without a record the log may have lost its end, or where no ids are told been made anew, without a word:
    /// it is compared before going on.
    private static let quietMillis: Int64 = 1_000

    init(
        _ kind: StageKind, number: Int, of threads: Int, topics: [String], plan: TransformPlan, runtime: ServiceRuntime,
        group: TransformGroup, board: ProgressBoard
    ) {
        (self.kind, self.number, self.threads) = (kind, number, threads)
        (self.plan, self.runtime, self.group) = (plan, runtime, group)
        partitions = plan.partitions(of: topics)
        let name = "transform-\(kind.name)-\(number)"
        unreadable = UnreadableWatch(bootstrapServers: plan.bootstrapServers)
        context = StageContext(
            owner: "\(plan.processName)/\(name)", definitionHash: plan.repository.streamHash,
            bootstrapServers: plan.bootstrapServers,
            stores: Stores(
                databaseURL: plan.databaseURL, redisURL: plan.redisURL, applicationName: "needletail-\(name)"),
            publisher: DeadLetterPublisher(bootstrapServers: plan.bootstrapServers, log: runtime.log),
            rekeyer: RekeyPublisher(
                bootstrapServers: plan.bootstrapServers, partitionCounts: plan.partitionCounts, log: runtime.log),
            identity: TopicIdentity(bootstrapServers: plan.bootstrapServers),
            metrics: TransformMetrics(runtime.metrics, stage: kind),
            board: board, letters: LetterReport(stage: kind.name, log: runtime.log), log: runtime.log)
    }

    /// Consumes until the program stops. Throws what must stop it.
    func run() throws {
        var configuration = KafkaConsumerConfiguration(
            bootstrapServers: plan.bootstrapServers, group: "\(plan.group)-\(kind.name)")
        configuration.clientID = "needletail-transform-\(kind.name)"
        configuration.queueKibibytes = 32_768
        let consumer = try KafkaConsumer(configuration)
        defer {
            context.publisher.close()
            context.rekeyer.close()
            context.stores.close()
            context.letters.tell(nowMillis: .max)
            consumer.close()
        }
        while !runtime.isStopping { try turn(consumer) }
        try? consumer.commitAndWait(offsets())
    }

    private func turn(_ consumer: KafkaConsumer) throws {
        try follow(consumer)
        guard !kind.isOnline || context.board.pauseReason == nil else { return rest(consumer) }
        for task in tasks.values { try step(task, consumer) { try task.resume(consumer) } }
        // Batches of one or two would spend their time on transactions: while keeping up, one begins every 5 ms at most.
        let since = WallClock.monotonicNanos() - lastBatchNanos
        if !isLagging, since < Self.lingerNanos { usleep(UInt32((Self.lingerNanos - since) / 1_000)) }
        let isWaiting = tasks.isEmpty || tasks.values.contains { !$0.isReady }
        for task in tasks.values { task.willPoll() }
        let batch = try consumer.nextBatch(
            max: isLagging ? plan.lagBatchEvents : plan.batchEvents, timeoutMillis: isWaiting ? 20 : 100)
        try notice(batch.events, consumer)
        isLagging = batch.count >= plan.batchEvents
        if batch.count > 0 { lastBatchNanos = WallClock.monotonicNanos() }
        try process(batch, consumer)
        try keepHouse(isQuiet: batch.count == 0, consumer)
    }

    /// Nothing is read for now: the partitions stay here, their records wait in the log, and what is known of them stays right.
    private func rest(_ consumer: KafkaConsumer) {
        usleep(50_000)
        let now = StageClock.millis()
        for partition in tasks.keys { context.board.change(partition, nowMillis: now) { $0.progressMillis = now } }
        guard now - lastReportMillis >= 1_000 else { return }
        lastReportMillis = now
        for task in tasks.values { task.reportLag(consumer) }
    }

    private func process(_ batch: KafkaBatch, _ consumer: KafkaConsumer) throws {
        var runs: [KafkaPartition: [Range<Int>]] = [:]
        for run in batch.runs { runs[run.partition, default: []].append(run.records) }
        let now = StageClock.millis()
        // Asked when the records are here: the same id still says that they are of the same log.
        let ids = context.identity.ids(of: Set(runs.keys.filter { tasks[$0]?.isReady == true }.map(\.topic)))
        for (partition, ranges) in runs {
            guard let task = tasks[partition], task.isReady else { continue }
            let quiet = now - (lastRecordsMillis.updateValue(now, forKey: partition) ?? now)
            let isOther = ids[partition.topic].map { $0 != task.topicID } ?? false
            if isOther || (quiet >= Self.quietMillis && !task.machine.comparesNext) {
                try step(task, consumer) { try task.disturb(consumer) }
                continue
            }
            try step(task, consumer) { try task.process(batch, ranges, consumer) }
        }
    }

    private func keepHouse(isQuiet: Bool, _ consumer: KafkaConsumer) throws {
        let now = StageClock.millis()
        if isQuiet, now - lastIdleMillis >= 500 {
            lastIdleMillis = now
            for task in tasks.values { try step(task, consumer) { try task.idle(consumer) } }
        }
        guard now - lastReportMillis >= 1_000 else { return }
        lastReportMillis = now
        for task in tasks.values { task.reportLag(consumer) }
        context.letters.tell(nowMillis: now)
        reportStalled(now)
        parked = parked.filter { $0.value.untilMillis > now }
        if !tasks.isEmpty { try? consumer.commit(offsets()) }  // For lag displays only: recovery reads Postgres.
        for task in tasks.values where task.isReady {
            guard let offset = try unreadable.end(of: task, consumer, nowMillis: now) else { continue }
            try step(task, consumer) { try task.skip(to: offset, consumer) }
        }
        guard kind.isOnline, now - lastCountMillis >= 10_000 else { return }
        lastCountMillis = now
        try checkCounts(consumer)
    }

    /// A topic that has more partitions than it had is a migration: none of it may be read as if nothing had happened.
    private func checkCounts(_ consumer: KafkaConsumer) throws {
        for topic in Set(tasks.keys.map(\.topic)) {
            guard let stored = plan.partitionCounts[topic],
                let found = try? consumer.partitionCount(topic: topic, timeoutMillis: 2_000), found != stored
            else { continue }
            throw PipelineStop(topic: topic, partition: 0, .partitionCount(stored: stored, found: found))
        }
    }

    private func reportStalled(_ now: Int64) {
        let found = context.board.stalled(nowMillis: now).filter { tasks[$0.partition] != nil }
        let absent = group.absence(nowMillis: now).map { $0.seconds } ?? 0
        let isAbsent = absent * 1_000 >= ProgressBoard.patienceMillis
        context.metrics.stalledPartitions.set(isAbsent ? partitions.count : found.count)
        context.metrics.stalledSeconds.set(Int(isAbsent ? absent : found.first?.seconds ?? 0))
        for (partition, seconds, reason) in found where stalled.insert(partition).inserted {
            runtime.log.error(
                "a partition makes no progress",
                [
                    "topic": partition.topic, "partition": Int(partition.partition), "seconds": seconds,
                    "reason": reason,
                ])
        }
        let names = Set(found.map(\.partition))
        for partition in stalled.subtracting(names) {
            stalled.remove(partition)
            runtime.log.info(
                "a partition makes progress again",
                ["topic": partition.topic, "partition": Int(partition.partition)])
        }
    }

    private func offsets() -> [KafkaPartition: Int64] { tasks.filter { $0.value.isReady }.mapValues(\.nextOffset) }

    // MARK: Which partitions

    private func follow(_ consumer: KafkaConsumer) throws {
        let now = group.current
        guard now != membership else { return }
        membership = now
        var wanted: Set<KafkaPartition> = []
        if let now {
            let owners = TransformGroup.owners(partitions: partitions.count, members: now.members)
            let mine = partitions.indices.filter { owners[$0] == now.number }
            for (place, index) in mine.enumerated() where place % threads == number { wanted.insert(partitions[index]) }
        }
        for (partition, task) in tasks where !wanted.contains(partition) {
            task.giveUp(consumer)
            tasks[partition] = nil
            parked[partition] = (task, StageClock.millis() + Self.parkMillis)
            runtime.log.info(
                "partition given up", ["topic": partition.topic, "partition": Int(partition.partition)])
        }
        for partition in wanted where tasks[partition] == nil {
            lastRecordsMillis[partition] = nil
            if let task = parked.removeValue(forKey: partition)?.task {
                tasks[partition] = task
                continue
            }
            let stage = try plan.stage(kind, partition, context.metrics) { [unowned consumer] in
                try consumer.partitionCount(topic: partition.topic, timeoutMillis: 5_000)
            }
            tasks[partition] = PartitionTask(partition, stage: stage, context: context)
        }
    }

    private func notice(_ events: [KafkaConsumerEvent], _ consumer: KafkaConsumer) throws {
        let count = consumer.disturbances
        if count != disturbances {
            disturbances = count
            for task in tasks.values { try step(task, consumer) { try task.disturb(consumer) } }
        }
        for event in events {
            guard case .failed(let partition, let error) = event else { continue }
            runtime.log.debug("kafka reports an error", ["error": "\(error)", "topic": partition?.topic ?? ""])
            if case .fatal = error { throw error }
            guard let partition, let task = tasks[partition] else { continue }
            if case .offsetOutOfRange = error {
                try step(task, consumer) { try task.fail(.disturbed, consumer) }
            } else {
                unreadable.note(partition)
                try step(task, consumer) { try task.disturb(consumer) }
            }
        }
    }

    /// Carries out one thing of a task. Connections it found useless are closed, and with them goes what every other partition of
    /// this thread knows.
    private func step(_ task: PartitionTask, _ consumer: KafkaConsumer, _ body: () throws -> Void) throws {
        try body()
        let useless = task.useless.subtracting([.kafka])
        task.useless = []
        guard let server = useless.first else { return }
        context.stores.close(useless)
        for other in tasks.values where other !== task { try other.interrupt(server, consumer) }
    }
}
