import EventLoop
import FeatureEngine
import FeatureStore
import FraudModel
import Glibc
import HTTPServer
import KafkaClient
import Observability
import RedisClient
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
    var apiKeys = APIKeys(nil)
    var connectionsMax = 4_096
}

/// The prediction API: one loop per core on one port, a thread that watches the model registry, one that talks to Kafka.
final class PredictionService: Service {
    private let configuration: PredictionConfiguration
    private let repository: FeatureRepository
    private let makeModelSource: @Sendable () -> any ModelSource
    private let log: Log
    private let metrics: MetricsRegistry
    private let isStopping = Atomic(false)
    private let state = Mutex(State())

    private struct State: Sendable {
        var loops: [PredictionLoop] = []
        var predictionLog: KafkaPredictionLog?
        var threads: [Task<Void, any Error>] = []
        var redisIsLost = false
    }

    init(
        _ configuration: PredictionConfiguration, repository: FeatureRepository, runtime: ServiceRuntime,
        modelSource: @escaping @Sendable () -> any ModelSource
    ) {
        self.configuration = configuration
        self.repository = repository
        makeModelSource = modelSource
        log = runtime.log
        metrics = runtime.metrics
    }

    /// The port that is served, once it is started.
    var port: Int? { state.withLock { $0.loops.first?.port } }

    func start() async throws {
        var port = configuration.port
        do {
            // With SO_REUSEPORT a second server would bind and take half of the requests, so the first bind goes without.
            let probe = try Listener(host: configuration.host, port: port)
            probe.stop()
        } catch EventLoopError.addressInUse(let host, let port) {
            throw CommandError(
                .unavailable,
                "port \(port) on \(host) is taken by another process: stop it, or choose another with --port.")
        } catch {
            throw CommandError(.unavailable, "\(error).")
        }
        let predictionMetrics = PredictionMetrics(metrics)
        var predictionLog: KafkaPredictionLog?
        if configuration.logsPredictions {
            let log = self.log
            predictionLog = try KafkaPredictionLog(
                bootstrapServers: configuration.kafkaBootstrapServers, metrics: predictionMetrics,
                onLog: { line in log.debug("kafka", ["text": line.message]) })
        }
        var redisLimits = AsyncRedisConnection.Limits()
        redisLimits.deadlineMillis = configuration.redisDeadlineMillis
        var httpLimits = HTTPLimits()
        httpLimits.connections = max(1, configuration.connectionsMax / configuration.loops)
        var loops: [PredictionLoop] = []
        for index in 0..<configuration.loops {
            let listener = try Listener(host: configuration.host, port: port, sharingPort: true)
            port = listener.port
            let loop = try PredictionLoop(
                listener: listener, address: configuration.redis, redisLimits: redisLimits, httpLimits: httpLimits,
                predictionLog: predictionLog, metrics: metrics, apiKeys: configuration.apiKeys,
                onRedisChange: { [weak self] lost in self?.redisChanged(lost, isFirst: index == 0) })
            loops.append(loop)
        }
        for (index, loop) in loops.enumerated() { try loop.start(name: "serve-\(index)") }
        state.withLock {
            $0.loops = loops
            $0.predictionLog = predictionLog
        }
        log.info(
            "serving",
            [
                "url": "http://\(configuration.host):\(port)", "loops": configuration.loops,
                "redis": configuration.redis.name,
            ])
    }

    func run(_ runtime: ServiceRuntime) async throws {
        let threads = [
            Task { try await runtime.onThread("models") { [self] in watchModels() } },
            Task { try await runtime.onThread("kafka") { [self] in watchKafka() } },
        ]
        state.withLock { $0.threads = threads }
        await runtime.untilStopped()
    }

    func stop() async throws {
        isStopping.store(true, ordering: .relaxed)
        let (loops, predictionLog, threads) = state.withLock { ($0.loops, $0.predictionLog, $0.threads) }
        for loop in loops { loop.submit { $0.isStopping = true } }
        for loop in loops { loop.stop(graceSeconds: 3) }
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
        let watcher = ModelWatcher(makeModelSource(), repository, log: log) { [self] outcome in
            switch outcome {
            case .load(let served): submit { $0.use(served) }
            case .none(let reason): submit { $0.useNone(reason) }
            }
        }
        watcher.run { isStopping.load(ordering: .relaxed) }
    }

    /// Asks for the numbers of partitions until they are known, and counts what the log's broker refuses.
    private func watchKafka() {
        var unknown = repository.sources.map(\.topic)
        if let count = configuration.partitionCount {
            for topic in unknown { submit { $0.use(partitionCount: count, of: topic) } }
            unknown = []
        }
        let predictionLog = state.withLock { $0.predictionLog }
        var lastReason = ""
        var rounds = 0
        while !isStopping.load(ordering: .relaxed) {
            if !unknown.isEmpty, rounds % 4 == 0 {
                let reason = askForPartitions(&unknown)
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

    /// Removes the topics that are known now; says why the others are not.
    private func askForPartitions(_ unknown: inout [String]) -> String {
        do {
            let counts = try KafkaAdmin(bootstrapServers: configuration.kafkaBootstrapServers).topics(
                timeoutMillis: 1_000)
            for topic in unknown {
                guard let count = counts[topic], count > 0 else { continue }
                submit { $0.use(partitionCount: count, of: topic) }
                log.info("number of partitions known", ["topic": topic, "partitions": count])
            }
            unknown.removeAll { (counts[$0] ?? 0) > 0 }
            return "there is no such topic yet"
        } catch {
            return "\(error)"
        }
    }
}
