import FeatureEngine
import FeatureStore
import Foundation
import AdminServer
import KafkaClient
import Observability
import Pipeline
import PipelineRuntime
import PostgresClient
import PostgresOfflineStore
import RedisOnlineStore
public import ServiceRuntime

/// `needletail transform`: the stream, from Kafka into both stores.
public struct TransformCommand: Command {
    public static let name = "transform"
    public static let summary = "Keep every card's windows: Kafka in, Postgres and Redis out, each event once."
    public static let example = "needletail transform --exit-at-end"
    public static let settings: [any SettingProtocol] = [
        Setting<String>.kafkaBootstrapServers, Setting<String>.redisURL, Setting<String>.databaseURL,
        Setting<String>.featureRepo, Setting<Int?>.adminPort, exitAtEnd, batchEvents,
        lagBatchEvents, threads, group, Setting<Int>.topicPartitions, Setting<Int>.topicRetentionDays,
        Setting<Bool>.allowEvictingRedis,
    ]

    static let exitAtEnd = Setting<Bool>(
        "exit-at-end", default: false, help: "Stop when everything that was in the topics at the start is stored.",
        flagOnly: true)
    static let batchEvents = Setting<Int>(
        "batch-events", default: 500, in: 1...10_000, help: "Most events of one Postgres transaction while keeping up.")
    static let lagBatchEvents = Setting<Int>(
        "lag-batch-events", default: 5_000, in: 1...100_000,
        help: "Most events of one Postgres transaction while lagging.")
    static let threads = Setting<Int>(
        "transform-threads", default: 2, in: 1...64, help: "Threads that share the partitions of events.")
    static let group = Setting<String>(
        "transform-group", default: "needletail-transform",
        help: "Processes of one group share the partitions; their progress is committed under this consumer group.")

    /// Only a run that is to end has an end.
    public static func hasEnd(_ settings: Settings) -> Bool { settings[exitAtEnd] }

    /// A command to be run once.
    public init() {}

    /// Transforms until the program stops, or until the end with `--exit-at-end`.
    public func run(_ settings: Settings, _ runtime: ServiceRuntime) async throws {
        let pipeline = try PipelineContext(settings)
        pipeline.announce(runtime)
        var plan = TransformPlan(
            repository: pipeline.repository, bootstrapServers: pipeline.kafkaBootstrapServers,
            redisURL: pipeline.redisURL, databaseURL: pipeline.databaseURL, group: settings[Self.group],
            processName: "\(ProcessInfo.processInfo.hostName):\(ProcessInfo.processInfo.processIdentifier)",
            batchEvents: settings[Self.batchEvents],
            lagBatchEvents: max(settings[Self.batchEvents], settings[Self.lagBatchEvents]), partitionCounts: [:])
        let board = ProgressBoard()
        let transformGroup = TransformGroup(plan.group, databaseURL: plan.databaseURL)

        try await prepareStores(plan, runtime, allowsEviction: settings[.allowEvictingRedis])
        let ends = try await prepareTopics(
            &plan, runtime, partitions: settings[.topicPartitions], retentionDays: settings[.topicRetentionDays])
        let repair = try await Self.fillRekeyedTopics(plan, runtime)
        let adminPort = settings[.adminPort]
        let admin = try adminPort.map { try Self.serveHealth(port: $0, board, transformGroup, runtime) }
        defer { admin?.stop() }

        let wanted = plan.threads(eventThreads: settings[Self.threads])
        let (prepared, mayEvict, hasEnd) = (plan, settings[.allowEvictingRedis], Self.hasEnd(settings))
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await runtime.onThread("transform-group") { transformGroup.run(runtime) } }
            let watch = RolloutWatch(
                databaseURL: plan.databaseURL, project: plan.repository.project, streamHash: plan.repository.streamHash)
            group.addTask {
                defer { runtime.stop() }
                try await runtime.onThread("rollouts") { try watch.run(runtime) }
            }
            group.addTask {
                try await runtime.onThread("redis-policy") {
                    try Self.watchRedis(prepared, board, runtime, isAllowed: mayEvict, hasEnd: hasEnd)
                }
            }
            if !hasEnd {
                group.addTask { try await runtime.onThread("rekeyed") { repair.run(runtime, transformGroup) } }
            }
            for thread in wanted {
                let plan = plan
                group.addTask {
                    // However this thread ends, the program does.
                    defer { runtime.stop() }
                    try await runtime.onThread("transform-\(thread.kind.name)-\(thread.number)") {
                        try StageThread(
                            thread.kind, number: thread.number,
                            of: wanted.count { $0.kind == thread.kind }, topics: thread.topics, plan: plan,
                            runtime: runtime, group: transformGroup, board: board
                        ).run()
                    }
                }
            }
            if settings[Self.exitAtEnd] {
                let plan = plan
                group.addTask {
                    guard let missing = try await Self.stopAtEnd(ends, plan, board, repair, runtime) else { return }
                    throw runtime.stopped(
                        "\(missing) records of the log are not stored; started again it goes on there")
                }
            }
            do { try await group.waitForAll() } catch let stop as PipelineStop {
                throw CommandError(.dataError, stop.description)
            } catch let error as KafkaError {
                throw CommandError(.unavailable, error.description)
            }
        }
    }

    private static func serveHealth(
        port: Int, _ board: ProgressBoard, _ group: TransformGroup, _ runtime: ServiceRuntime
    ) throws -> AdminServer {
        do {
            return try AdminServer(port: port, metrics: runtime.metrics) {
                let now = StageClock.millis()
                return board.readiness(nowMillis: now, absence: group.absence(nowMillis: now))
            }
        } catch {
            throw CommandError(.unavailable, "cannot serve health and metrics on port \(port): \(error)")
        }
    }

    /// Waits for both stores, makes what is missing in Postgres, and refuses a Redis that forgets.
    private func prepareStores(_ plan: TransformPlan, _ runtime: ServiceRuntime, allowsEviction: Bool) async throws {
        try await runtime.waiting(for: "Postgres") {
            try await runtime.onThread("prepare") {
                let store = try PostgresOfflineStore(url: plan.databaseURL, limits: .bulk)
                do {
                    try store.migrate()
                    try store.createTables(plan.repository)
                    try Self.warnOfShortHistory(plan.repository, store, runtime)
                } catch let mismatch as TableMismatch {
                    throw CommandError(.configuration, mismatch.description)
                }
            }
        }
        let warning = try await runtime.waiting(for: "Redis at \(Self.shown(plan.redisURL))") {
            try await runtime.onThread("prepare") {
                try OnlineStorePolicy.check(RedisOnlineStore(url: plan.redisURL), isAllowed: allowsEviction)
            }
        }
        guard let warning else { return }
        runtime.log.warning("Redis may lose online state by itself", ["reason": warning])
    }

    /// A window that was made longer than what was kept when history was deleted counts too little at first.
    private static func warnOfShortHistory(
        _ repository: FeatureRepository, _ store: PostgresOfflineStore, _ runtime: ServiceRuntime
    ) throws {
        for view in repository.views {
            let horizon = try store.horizon(ofTopic: view.source.topic)
            let whole = horizon.firstWholeMillis(lookBackMillis: view.retentionMillis)
            guard whole > horizon.completeFrom, whole < .max else { continue }
            runtime.log.warning(
                "windows reach back to deleted history: features are too small for events before a time",
                ["view": view.name, "before": view.source.eventTimeFormat.text(whole)])
        }
    }

    /// Asks again and again whether Redis keeps what it is given: its configuration can be changed while it runs. While it does
    /// not, events wait in the log; a run that is to end would wait for ever, and ends. On a thread of its own, over one connection.
    private static func watchRedis(
        _ plan: TransformPlan, _ board: ProgressBoard, _ runtime: ServiceRuntime, isAllowed: Bool, hasEnd: Bool
    ) throws {
        let gauge = OnlineStorePolicy.gauge(runtime.metrics)
        var store: RedisOnlineStore?
        defer { store?.close() }
        while runtime.pause(millis: 1_000) {
            let warning: String?
            do {
                let open = try store ?? RedisOnlineStore(url: plan.redisURL)
                store = open
                warning = try open.evictionWarning()
            } catch {
                // A server that is away is the threads' business; its policy is as it was.
                store?.close()
                store = nil
                continue
            }
            gauge.set(warning == nil ? 0 : 1)
            let reason = isAllowed ? nil : warning.map(OnlineStorePolicy.sentence)
            guard reason != board.pauseReason else { continue }
            board.pauseReason = reason
            if let reason, hasEnd {
                runtime.stop()
                throw CommandError(.configuration, reason)
            } else if let reason {
                runtime.log.error("events are not read any more, they wait in the log", ["reason": reason])
            } else {
                runtime.log.info("events are read again: Redis keeps what it is given")
            }
        }
    }

    /// Brings stored events to the topics of their other keys that are empty.
    private static func fillRekeyedTopics(
        _ plan: TransformPlan, _ runtime: ServiceRuntime
    ) async throws -> RekeyRepair {
        let repair = RekeyRepair(plan, log: runtime.log)
        try await runtime.waiting(for: "Kafka at \(plan.bootstrapServers)") {
            try await runtime.onThread("prepare") { try repair.begin() }
        }
        return repair
    }

    /// Waits for Kafka, makes the topics that are missing, and notes their partitions and ends.
    private func prepareTopics(
        _ plan: inout TransformPlan, _ runtime: ServiceRuntime, partitions: Int, retentionDays: Int
    ) async throws -> [KafkaPartition: Int64] {
        let servers = plan.bootstrapServers
        let repository = plan.repository
        let (counts, ends) = try await runtime.waiting(for: "Kafka at \(servers)") {
            try await runtime.onThread("prepare") {
                let admin = try KafkaAdmin(bootstrapServers: servers)
                try admin.waitUntilReachable(timeoutMillis: 2_000)
                let consumed = PipelineTopics.consumed(repository)
                try TopicProvisioning.ensure(
                    consumed, partitions: partitions, retentionDays: retentionDays, on: admin)
                var counts: [String: Int] = [:]
                var ends: [KafkaPartition: Int64] = [:]
                for topic in consumed {
                    guard let count = try admin.partitionCount(topic: topic) else {
                        throw KafkaError.unreachable(servers: servers, reason: "topic \"\(topic)\" is not there yet")
                    }
                    counts[topic] = count
                    for number in 0..<count {
                        let partition = KafkaPartition(topic, Int32(number))
                        ends[partition] = try admin.watermarks(of: partition).high
                    }
                }
                return (counts, ends)
            }
        }
        plan.partitionCounts = counts
        return ends
    }

    /// Stops the program when every partition was checked and both stores have everything before `ends`, whichever process
    /// stored it. The threads finish the batch in hand. Where somebody else stops the program first: how many records are missing.
    private static func stopAtEnd(
        _ ends: [KafkaPartition: Int64], _ plan: TransformPlan, _ board: ProgressBoard, _ repair: RekeyRepair,
        _ runtime: ServiceRuntime
    ) async throws -> Int? {
        // A partition that did not come to us in this time is with another process of the group.
        let others = WallClock.monotonicNanos() + 10_000_000_000
        let total = ends.values.reduce(0) { sum, end in
            let (next, isOverflow) = sum.addingReportingOverflow(Int(end))
            return isOverflow ? .max : next
        }
        var records = 0
        let progress = runtime.progress("transforming", total: total)
        defer { progress.finish() }
        defer { repair.close() }
        while await runtime.sleep(millis: 200) {
            // A server that is away now is asked again: the threads say what is wrong.
            guard let stored = try? await runtime.onThread("progress", { try Self.stored(ends, plan) }) else {
                continue
            }
            records = stored.records
            progress.update(to: records)
            let isChecked = WallClock.monotonicNanos() > others || ends.keys.allSatisfy { board.isAssigned($0) }
            // What was stored has brought more records to re-keyed topics.
            guard isChecked, stored.isAll,
                (try? await runtime.onThread("progress", { try Self.isRekeyed(repair, plan) })) == true
            else { continue }
            runtime.stop()
            return nil
        }
        // A thread that failed stops the program too, and says why itself.
        return runtime.isInterrupted ? total - records : nil
    }

    /// Whether every stored event is in the views of all its entities.
    private static func isRekeyed(_ repair: RekeyRepair, _ plan: TransformPlan) throws -> Bool {
        let topics = plan.repository.feeds.filter(\.isRekeyed).map(\.topic)
        guard !topics.isEmpty else { return true }
        guard try repair.pass() == 0 else { return false }
        let admin = try KafkaAdmin(bootstrapServers: plan.bootstrapServers)
        var ends: [KafkaPartition: Int64] = [:]
        for partition in plan.partitions(of: topics) { ends[partition] = try admin.watermarks(of: partition).high }
        return try stored(ends, plan).isAll
    }

    /// How many records before `ends` Postgres has, and whether both stores have them all.
    private static func stored(
        _ ends: [KafkaPartition: Int64], _ plan: TransformPlan
    ) throws -> (records: Int, isAll: Bool) {
        var left = ends.filter { $0.value > 0 }
        var records = 0
        let events = Set(plan.repository.feeds.map(\.topic))
        let redis = try RedisOnlineStore(url: plan.redisURL)
        let connection = try PostgresOfflineStore(url: plan.databaseURL).connection
        for (position, base) in try PartitionLedger.nextOffsets(on: connection) {
            let partition = KafkaPartition(position.topic, position.partition)
            guard let end = left[partition] else { continue }
            records += Int(min(position.offset, end))
            guard position.offset >= end else { continue }
            if events.contains(position.topic) {
                let key = OnlineKeys.watermark(
                    hash8: plan.repository.hash8, topic: position.topic, partition: Int(position.partition))
                let (watermark, _) = try redis.read(watermarkKey: key, blobKeys: [])
                guard let watermark, watermark.nextOffset - base >= end else { continue }  // both at least 0
            }
            left.removeValue(forKey: partition)
        }
        return (records, left.isEmpty)
    }

    private static func shown(_ url: String) -> String {
        url.lastIndex(of: "@").map { String(url[url.index(after: $0)...]) } ?? url.replacing("redis://", with: "")
    }
}
