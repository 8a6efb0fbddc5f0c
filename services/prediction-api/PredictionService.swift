import EventLoop
import FeatureEngine
import FeatureStore
import FraudModel
import Glibc
import HTTPServer
import KafkaClient
import Observability
import Pipeline
import PipelineRuntime
import RedisClient
import RedisOnlineStore
import ServiceRuntime
import Synchronization

/// What the prediction API is made from.
struct PredictionConfiguration: Sendable {
    var host = "127.0.0.1"
    var port = 8000
    var loops = 1
    var redis = RedisAddress(host: "127.0.0.1", port: 16379)
    var redisDeadlineMillis = 20
    var kafkaBootstrapServers = "127.0.0.1:19092"
    var logsPredictions = true
    var partitionCount: Int?
    /// Where it is asked how far back history reaches; without it all of it is taken to be there.
    var databaseURL: String?
    var gate = RequestGate()
    /// The feature service whose model is awaited; any where none is named.
    var service: String?
    var connectionsMax = 4_096
    /// A request that takes so long is logged; 0 logs none.
    var slowMillis = 1_000
    var eventsMax = ServingLimits().eventsMax
    var featureAgeSecondsMax = Int(ServingLimits().featureAgeMillisMax / 1_000)
    /// Whether a Redis that throws keys away by itself is taken.
    var allowsEviction = false
    /// How long the start waits for a model before it opens the port without one.
    var modelWaitMillis = 2_000
}

/// The prediction API: one loop per core on one port, a thread that watches the model registry, one that talks to Kafka, one
/// that watches the online store, and one that asks how far back history reaches.
///
/// It starts from what it knew last (see `ServingMemory`), so neither the registry nor Kafka must be there, and opens its port
/// when it has a model, so a balancer's first request is answered; without one after a while it opens all the same.
final class PredictionService: Service {
    private let configuration: PredictionConfiguration
    private let repository: FeatureRepository
    private let makeModelSource: @Sendable () -> any ModelSource
    private let memory: ServingMemory
    private let runtime: ServiceRuntime
    private let log: Log
    private let metrics: MetricsRegistry
    private let isStopping = Atomic(false)
    private let state = Mutex(State())

    private struct State: Sendable {
        var loops: [PredictionLoop] = []
        var predictionLog: KafkaPredictionLog?
        var threads: [Task<Void, any Error>] = []
        var redisIsLost = false
        /// What the watcher said last of each kind, for loops that are made later.
        var model: ModelWatcher.Outcome?
        var champion: ModelWatcher.Outcome?
        var hasLooked = false
        var partitions: [String: Int] = [:]
    }

    init(
        _ configuration: PredictionConfiguration, repository: FeatureRepository, runtime: ServiceRuntime,
        memory: ServingMemory = ServingMemory(), modelSource: @escaping @Sendable () -> any ModelSource
    ) {
        self.configuration = configuration
        self.repository = repository
        makeModelSource = modelSource
        self.memory = memory
        self.runtime = runtime
        log = runtime.log
        metrics = runtime.metrics
    }

    /// The port that is served, once it is started.
    var port: Int? { state.withLock { $0.loops.first?.port } }

    func start() async throws {
        do {
            // With SO_REUSEPORT a second server would bind and take half of the requests, so the first bind goes without.
            let probe = try Listener(host: configuration.host, port: configuration.port)
            probe.stop()
        } catch EventLoopError.addressInUse(let host, let port) {
            throw CommandError(
                .unavailable,
                "port \(port) on \(host) is taken by another process: stop it, or choose another with --port.")
        } catch {
            throw CommandError(.unavailable, "\(error).")
        }
        try await refuseEviction()
        let models = Task { try await runtime.onThread("models") { [self] in watchModels() } }
        state.withLock { $0.threads = [models] }
        do {
            try await waitForModel()
            try open()
        } catch {
            isStopping.store(true, ordering: .relaxed)
            try? await models.value
            throw error
        }
    }

    /// A Redis that cannot be asked now is asked again while the service runs.
    private func refuseEviction() async throws {
        let (address, isAllowed) = (configuration.redis, configuration.allowsEviction)
        do {
            _ = try await runtime.onThread("redis") {
                let connection = try RedisConnection(address)
                defer { connection.close() }
                return try OnlineStorePolicy.check(RedisOnlineStore(connection), isAllowed: isAllowed)
            }
        } catch let error as RedisError {
            log.debug("Redis does not say yet whether it evicts", ["error": "\(error)"])
        }
    }

    private func waitForModel() async throws {
        for _ in 0..<configuration.modelWaitMillis / 10 {
            if state.withLock({ $0.hasLooked }) { return }
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    /// Makes the loops, tells them what is known, and lets them serve.
    private func open() throws {
        let predictionMetrics = PredictionMetrics(metrics)
        var predictionLog: KafkaPredictionLog?
        if configuration.logsPredictions {
            predictionLog = try KafkaPredictionLog(
                bootstrapServers: configuration.kafkaBootstrapServers, metrics: predictionMetrics, log: log)
        }
        var redisLimits = AsyncRedisConnection.Limits()
        redisLimits.deadlineMillis = configuration.redisDeadlineMillis
        var httpLimits = HTTPLimits()
        httpLimits.connections = max(1, configuration.connectionsMax / configuration.loops)
        var limits = ServingLimits()
        limits.deadlineMillis = configuration.redisDeadlineMillis
        limits.eventsMax = configuration.eventsMax
        limits.featureAgeMillisMax = Int64(configuration.featureAgeSecondsMax) * 1_000
        let journal = RequestJournal(log, slowMillis: Int64(configuration.slowMillis))
        var port = configuration.port
        var loops: [PredictionLoop] = []
        for index in 0..<configuration.loops {
            let listener = try Listener(host: configuration.host, port: port, sharingPort: true)
            port = listener.port
            let loop = try PredictionLoop(
                listener: listener, address: configuration.redis, redisLimits: redisLimits, httpLimits: httpLimits,
                predictionLog: predictionLog, metrics: metrics, gate: configuration.gate, limits: limits, log: log,
                journal: journal,
                expectedService: configuration.service.flatMap(repository.service) ?? repository.services.first,
                onRedisChange: { [weak self] lost in self?.redisChanged(lost, isFirst: index == 0) })
            loops.append(loop)
        }
        for topic in topics() {
            guard let count = configuration.partitionCount ?? memory.partitions(of: topic) else { continue }
            state.withLock { $0.partitions[topic] = count }
            for loop in loops { loop.prepare { $0.use(partitionCount: count, of: topic) } }
        }
        for topic in repository.sources.map(\.topic) {
            guard let horizon = memory.horizon(of: topic) else { continue }
            for loop in loops { loop.prepare { $0.use(horizon, of: topic) } }
        }
        state.withLock { state in
            for outcome in [state.model, state.champion].compactMap(\.self) {
                for loop in loops { loop.prepare { Self.tell($0, outcome) } }
            }
            state.loops = loops
            state.predictionLog = predictionLog
        }
        for (index, loop) in loops.enumerated() { try loop.start(name: "serve-\(index)") }
        log.info(
            "serving",
            [
                "url": "http://\(configuration.host):\(port)", "loops": configuration.loops,
                "redis": configuration.redis.name,
            ])
    }

    func run(_ runtime: ServiceRuntime) async throws {
        let kafka = Task { try await runtime.onThread("kafka") { [self] in watchKafka() } }
        let online = Task { try await runtime.onThread("online") { [self] in watchOnlineStore() } }
        let history = Task { try await runtime.onThread("history") { [self] in watchHistory() } }
        state.withLock { $0.threads += [kafka, online, history] }
        await runtime.untilStopped()
    }

    func stop() async throws {
        isStopping.store(true, ordering: .relaxed)
        let (loops, predictionLog, threads) = state.withLock { ($0.loops, $0.predictionLog, $0.threads) }
        // All at once: a loop that were told later would go on taking requests on its connections.
        for loop in loops { loop.beginStop(graceSeconds: 3) }
        for loop in loops { loop.join() }
        for thread in threads { try? await thread.value }
        if let left = predictionLog?.close(timeoutMillis: 4_000), left > 0 {
            log.warning("predictions not logged at the stop", ["records": left])
        }
    }

    /// Only the first loop speaks: the others lose the same server.
    private func redisChanged(_ lost: String?, isFirst: Bool) {
        guard isFirst else { return }
        if let lost {
            state.withLock { $0.redisIsLost = true }
            log.warning("no online store, answers are degraded", ["redis": configuration.redis.name, "reason": lost])
        } else if state.withLock({ $0.redisIsLost }) {
            log.info("online store is back", ["redis": configuration.redis.name])
        }
    }

    // MARK: Threads

    private func submit(_ body: @escaping @Sendable (PredictionApp) -> Void) {
        for loop in state.withLock({ $0.loops }) { loop.submit(body) }
    }

    private func watchModels() {
        let models = ModelMetrics(metrics)
        let watcher = ModelWatcher(makeModelSource(), repository, log: log) { [self] outcome in
            switch outcome {
            case .load(let served):
                models.isServing(served)
                learnTopics(of: served)
            case .champion(let other): models.champion(differs: other != nil)
            case .none: break
            }
            state.withLock { state in
                if case .champion = outcome { state.champion = outcome } else { state.model = outcome }
                for loop in state.loops { loop.submit { Self.tell($0, outcome) } }
            }
        }
        watcher.begin()
        watcher.look()
        state.withLock { $0.hasLooked = true }
        watcher.run { isStopping.load(ordering: .relaxed) }
    }

    /// The topics that states are of: those of the definitions of now, and of the model that answers, which may bring its own.
    private func topics() -> [String] {
        var topics = repository.feeds.map(\.topic)
        if case .load(let served) = state.withLock({ $0.model }) {
            topics += served.topics.filter { !topics.contains($0) }
        }
        return topics
    }

    /// Before the loops get a model while they serve: its first answers would be degraded where a topic of its own is not known.
    private func learnTopics(of served: ServedModel) {
        let unknown = unknown(of: served.topics)
        guard !unknown.isEmpty, !state.withLock({ $0.loops.isEmpty }) else { return }
        if let count = configuration.partitionCount {
            for topic in unknown { use(partitionCount: count, of: topic) }
        } else {
            _ = askForPartitions(unknown)
        }
    }

    private func unknown(of topics: [String]) -> [String] {
        let known = state.withLock { $0.partitions }
        return topics.filter { known[$0] == nil }
    }

    private func use(partitionCount count: Int, of topic: String) {
        state.withLock { $0.partitions[topic] = count }
        submit { $0.use(partitionCount: count, of: topic) }
    }

    private func watchOnlineStore() {
        let monitor = OnlineMonitor(
            configuration.redis, allowsEviction: configuration.allowsEviction, metrics: metrics, log: log,
            onRefusal: { [self] reason in submit { $0.storeRefusal = reason } })
        while !isStopping.load(ordering: .relaxed) {
            var partitions = state.withLock { $0.partitions }
            var hash8 = repository.hash8
            if case .load(let served) = state.withLock({ $0.model }), served.hash8 != hash8 {
                hash8 = served.hash8
                partitions = partitions.filter { served.topics.contains($0.key) }
            }
            monitor.look(partitions, hash8: hash8, nowMillis: EventLoop.wallClockMillis())
            for _ in 0..<10 where !isStopping.load(ordering: .relaxed) { usleep(100_000) }
        }
    }

    private func watchHistory() {
        guard let url = configuration.databaseURL else { return }
        let watch = HistoryWatch(databaseURL: url, topics: repository.sources.map(\.topic))
        defer { watch.close() }
        while !isStopping.load(ordering: .relaxed) {
            for (topic, horizon) in watch.look() {
                memory.keep(horizon, of: topic)
                submit { $0.use(horizon, of: topic) }
            }
            for _ in 0..<20 where !isStopping.load(ordering: .relaxed) { usleep(100_000) }
        }
    }

    private static func tell(_ app: PredictionApp, _ outcome: ModelWatcher.Outcome) {
        switch outcome {
        case .load(let served): app.use(served)
        case .none(let reason): app.useNone(reason)
        case .champion(let other): app.otherChampion = other
        }
    }

    /// Asks for the numbers of partitions, every second until they are known and every ten seconds from then on, and counts
    /// what the log's broker refuses.
    private func watchKafka() {
        let predictionLog = state.withLock { $0.predictionLog }
        var lastReason = ""
        var rounds = 0
        while !isStopping.load(ordering: .relaxed) {
            let topics = configuration.partitionCount == nil ? topics() : []
            let isWhole = unknown(of: topics).isEmpty && lastReason.isEmpty
            if !topics.isEmpty, rounds % (isWhole ? 40 : 4) == 0 {
                let reason = askForPartitions(topics)
                let unknown = unknown(of: topics)
                if !unknown.isEmpty, reason != lastReason {
                    log.warning(
                        "number of partitions unknown, answers are degraded until it is",
                        ["topics": unknown, "reason": reason, "setting": "--partitions"])
                }
                lastReason = reason
            }
            rounds += 1
            if let predictionLog {
                predictionLog.collectReports(waitingMillis: 250)
            } else {
                usleep(250_000)
            }
        }
    }

    /// Notes what Kafka says of the topics; returns why of some it said nothing, or an empty text.
    private func askForPartitions(_ topics: [String]) -> String {
        do {
            let servers = configuration.kafkaBootstrapServers
            let found = try KafkaAdmin(bootstrapServers: servers, timeoutMillis: 1_000).topics()
            let counts = state.withLock { $0.partitions }
            for topic in topics {
                guard let count = found[topic], count > 0, count != counts[topic] else { continue }
                if let before = counts[topic] {
                    log.warning(
                        "the number of partitions has changed: the online state of another number is not read any more",
                        ["topic": topic, "partitions": count, "before": before])
                } else {
                    log.info("number of partitions known", ["topic": topic, "partitions": count])
                }
                memory.keep(partitions: count, of: topic)
                use(partitionCount: count, of: topic)
            }
            return topics.allSatisfy { (found[$0] ?? 0) > 0 } ? "" : "there is no such topic yet"
        } catch {
            return "\(error)"
        }
    }
}
