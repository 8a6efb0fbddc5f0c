import EventLoop
import FeatureStore
import HTTPServer
import Observability
import RedisClient

/// One thread of the API: its event loop, its socket, its connection to Redis, its app. Nothing is shared with the others.
///
/// `@unchecked Sendable`: after `start` everything but `loop` is touched on the loop's thread only.
final class PredictionLoop: @unchecked Sendable {
    let loop: EventLoop
    let port: Int
    private let app: PredictionApp
    private let redis: AsyncRedisConnection
    private var server: HTTPServer?
    private var thread: EventLoopThread?

    init(
        listener: Listener, address: RedisAddress, redisLimits: AsyncRedisConnection.Limits, httpLimits: HTTPLimits,
        predictionLog: (any PredictionLog)?, metrics: MetricsRegistry, gate: RequestGate, limits: ServingLimits,
        log: Log, journal: RequestJournal, expectedService: FeatureService?,
        onRedisChange: @escaping @Sendable (_ lost: String?) -> Void
    ) throws {
        let loop = try EventLoop()
        self.loop = loop
        redis = AsyncRedisConnection(address, on: loop, limits: redisLimits)
        redis.onChange = onRedisChange
        app = PredictionApp(
            reader: RedisOnlineReader(redis), log: predictionLog, metrics: metrics, gate: gate, limits: limits,
            events: log, journal: journal, expectedService: expectedService,
            yield: { body in
                // Behind the sockets that are ready now, so a long batch does not keep others waiting.
                loop.schedule(body)
            })
        let server = try HTTPServer(app.routes, on: loop, listener: listener, limits: httpLimits)
        let requests = RequestMetrics(metrics, paths: app.routes.paths)
        server.onAnswer = { [app] request, status in
            requests.count(request.path, status: status)
            app.answered(request, status)
        }
        self.server = server
        port = server.port
    }

    /// Touches the app before the loop runs.
    func prepare(_ body: (PredictionApp) -> Void) {
        precondition(thread == nil, "the loop's thread has the app")
        body(app)
    }

    func start(name: String) throws { thread = try EventLoopThread(loop, name: name) }

    func submit(_ body: @escaping @Sendable (PredictionApp) -> Void) {
        loop.submit { [self] in body(app) }
    }

    /// Answers what is under way, closes, and then ends the thread: `join` waits for that. Safe twice.
    func beginStop(graceSeconds: Int) {
        loop.submit { [self] in
            app.isStopping = true
            guard let server else { return }
            server.stop(graceSeconds: graceSeconds) { [self] in
                redis.close()
                self.server = nil
                loop.stop()
            }
        }
    }

    /// Waits until the thread has ended. Blocks; safe twice.
    func join() { thread?.join() }
}
