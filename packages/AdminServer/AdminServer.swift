internal import EventLoop
internal import HTTPServer
public import Observability

/// Whether a service can do its work now.
public enum Readiness: Equatable, Sendable {
    /// It can.
    case ready
    /// It cannot, for this reason; one sentence.
    case notReady(String)
}

/// `/metrics`, `/health/live` and `/health/ready` of a command that is no HTTP server itself, on a thread of its own.
public final class AdminServer: Sendable {
    /// The port it listens on.
    public let port: Int
    private let thread: EventLoopThread
    private let box: Box

    /// Touched on the loop's thread only, once that runs.
    private final class Box: @unchecked Sendable {
        var server: HTTPServer?
    }

    /// Starts serving; port 0 takes a free one. `readiness` is called on the server's thread and must not block.
    public init(
        host: String = "127.0.0.1", port: Int, metrics: MetricsRegistry, readiness: @escaping @Sendable () -> Readiness
    ) throws {
        let listener = try Listener(host: host, port: port)
        let loop = try EventLoop()
        var limits = HTTPLimits()
        limits.connections = 64
        let box = Box()
        let server = try HTTPServer(
            Self.routes(metrics, readiness), on: loop, listener: listener, limits: limits)
        box.server = server
        self.port = server.port
        self.box = box
        thread = try EventLoopThread(loop, name: "admin")
    }

    /// Stops; returns when the port is free again. Safe twice.
    public func stop() {
        let loop = thread.loop
        let box = self.box
        loop.submit {
            guard let server = box.server else { return loop.stop() }
            server.stop(graceSeconds: 1) {
                box.server = nil
                loop.stop()
            }
        }
        thread.join()
    }

    private static func routes(_ metrics: MetricsRegistry, _ readiness: @escaping () -> Readiness) -> Router {
        var router = Router()
        router.get("/metrics") { _ in AdminRoutes.metrics(metrics) }
        router.get("/health/live") { _ in AdminRoutes.alive }
        router.get("/health/ready") { _ in
            switch readiness() {
            case .ready: AdminRoutes.alive
            case .notReady(let reason): .error(503, reason)
            }
        }
        return router
    }
}
