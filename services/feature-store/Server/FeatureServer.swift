import EventLoop
import FeatureStore
import HTTPServer
import Observability
import RedisClient
import RedisOnlineStore
import ServiceRuntime

/// The server: a loop with its socket and its connection to Redis, on a thread of its own.
///
/// `@unchecked Sendable`: what `box` holds is touched on the loop's thread only, once that runs; the rest before and after.
final class FeatureServer: Service, @unchecked Sendable {
    private let repository: FeatureRepository
    private let redis: RedisAddress
    private let partitions: [String: Int]
    private let host: String
    private let port: Int
    private let runtime: ServiceRuntime
    private let box = Box()
    private var thread: EventLoopThread?

    private final class Box: @unchecked Sendable {
        var server: HTTPServer?
        var reader: (connection: RedisConnection, reader: OnlineEntityReader)?
    }

    /// `partitions` are those of each topic that feeds views.
    init(
        _ repository: FeatureRepository, redis: RedisAddress, partitions: [String: Int], host: String, port: Int,
        runtime: ServiceRuntime
    ) {
        (self.repository, self.redis, self.partitions) = (repository, redis, partitions)
        (self.host, self.port, self.runtime) = (host, port, runtime)
    }

    func start() async throws {
        let listener: Listener
        do throws(EventLoopError) { listener = try Listener(host: host, port: port) } catch {
            throw CommandError(.unavailable, "\(error).")
        }
        let loop = try EventLoop()
        let (repository, redis, partitions, box) = (repository, redis, partitions, box)
        let app = FeatureServerApp(repository, metrics: runtime.metrics, nowMillis: WallClock.nowMillis) { keys, feed in
            guard let count = partitions[feed.topic] else {
                throw CommandError(.unavailable, "nobody knows the partitions of \(feed.topic).")
            }
            let (_, reader) = try Self.reader(box, redis, repository)
            do { return try reader.read(keys, feed, partitions: count) } catch let error as RedisError {
                // Whatever it was: the next request begins with a connection of which nothing is left unread.
                box.reader?.connection.close()
                box.reader = nil
                throw error
            }
        }
        let server = try HTTPServer(app.routes, on: loop, listener: listener)
        box.server = server
        thread = try EventLoopThread(loop, name: "features")
        runtime.log.info("ready", ["host": host, "port": server.port])
    }

    /// Every client waits while Redis is asked, so one that does not answer is given up soon.
    private static func reader(
        _ box: Box, _ redis: RedisAddress, _ repository: FeatureRepository
    ) throws(RedisError) -> (connection: RedisConnection, reader: OnlineEntityReader) {
        if let reader = box.reader { return reader }
        let connection = try RedisConnection(redis, connectTimeoutMillis: 250, commandTimeoutMillis: 1_000)
        let made = (connection, OnlineEntityReader(repository, RedisOnlineStore(connection)))
        box.reader = made
        return made
    }

    func stop() async throws {
        guard let thread else { return }
        let (loop, box) = (thread.loop, box)
        loop.submit {
            guard let server = box.server else { return loop.stop() }
            server.stop(graceSeconds: 2) {
                box.server = nil
                box.reader?.connection.close()
                box.reader = nil
                loop.stop()
            }
        }
        try await runtime.onThread("stop") { thread.join() }
    }
}
