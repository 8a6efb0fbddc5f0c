import FeatureStore
import Foundation
import FoundationNetworking
import KafkaClient
import Observability
import PostgresClient
import RedisClient

/// The servers themselves. Confined to the sampler's thread; a connection that broke is made anew at the next call.
final class LiveSources: DashboardSources {
    /// The registry changes a few times a day, and a drift report is long: it is not read each second.
    private static let registryNanos: UInt64 = 5_000_000_000

    private let kafkaServers: String, databaseURL: String, redisURL: String
    private let columns: AlertColumns
    private let fetcher = PageFetcher()
    private var postgres: PostgresConnection?
    private var redis: RedisConnection?
    private var kafka: AlertTail?
    private var registry: (service: String?, champion: Champion?, nanos: UInt64)?

    init(columns: AlertColumns, kafka: String, database: String, redis: String) {
        self.columns = columns
        kafkaServers = kafka
        databaseURL = database
        redisURL = redis
    }

    func pages(_ urls: [String]) -> [PageAnswer?] { fetcher.pages(urls) }

    func pingOnlineStore() throws {
        do {
            let connection = try redis ?? RedisConnection(RedisAddress(url: redisURL))
            redis = connection
            _ = try connection.command("PING")
        } catch {
            redis = nil
            throw error
        }
    }

    func newAlerts() throws -> (alerts: [Alert], skipped: Int64) {
        do {
            let tail = try kafka ?? AlertTail(bootstrapServers: kafkaServers, columns: columns)
            kafka = tail
            return try tail.next()
        } catch {
            kafka = nil
            throw error
        }
    }

    func logEnd(topic: String, partition: Int32) -> Int64? { kafka?.end(of: KafkaPartition(topic, partition)) }

    /// A screen is refreshed every second: better no answer than a late one.
    private static let limits: PostgresLimits = {
        var limits = PostgresLimits()
        (limits.connectSeconds, limits.silenceMillis) = (2, 5_000)
        return limits
    }()

    func stored(service: String?) throws -> (positions: [StoredPosition], champion: Champion?) {
        do {
            let connection = try postgres ?? PostgresConnection(url: databaseURL, limits: Self.limits)
            postgres = connection
            return (try DashboardQueries.positions(connection), try champion(of: service, connection))
        } catch let error as PostgresError where error.sqlState == "42P01" {
            return ([], nil)  // A database without our tables answers, and what it says is that there is nothing yet.
        } catch {
            postgres = nil
            registry = nil
            throw error
        }
    }

    private func champion(of service: String?, _ connection: PostgresConnection) throws -> Champion? {
        let now = WallClock.monotonicNanos()
        if let registry, registry.service == service, now - registry.nanos < Self.registryNanos {
            return registry.champion
        }
        let champion = try DashboardQueries.champion(of: service, connection)
        registry = (service, champion, now)
        return champion
    }
}

/// Asks several addresses at once over HTTP.
// The lock guards what changes, so any thread may call.
private final class PageFetcher: NSObject, URLSessionDataDelegate, @unchecked Sendable {
    /// A page longer than this is none of ours.
    private static let mostBytes = 1 << 20

    private struct Waiting {
        var body: [UInt8] = []
        var status: Int?
        let done: DispatchSemaphore
        var isWhole = false
    }
    private let lock = NSLock()
    private var waiting: [Int: Waiting] = [:]
    private lazy var session: URLSession = {
        let configuration = URLSessionConfiguration.ephemeral
        configuration.timeoutIntervalForRequest = 2
        return URLSession(configuration: configuration, delegate: self, delegateQueue: nil)
    }()

    func pages(_ urls: [String]) -> [PageAnswer?] {
        let done = DispatchSemaphore(value: 0)
        let tasks = urls.map { text -> URLSessionDataTask? in
            guard let url = URL(string: text) else { return nil }
            let task = session.dataTask(with: url)
            lock.withLock { waiting[task.taskIdentifier] = Waiting(done: done) }
            task.resume()
            return task
        }
        let deadline = DispatchTime.now() + 3
        for task in tasks where task != nil { _ = done.wait(timeout: deadline) }
        return tasks.map { task in
            guard let task else { return nil }
            let answer = lock.withLock { waiting.removeValue(forKey: task.taskIdentifier) }
            guard let answer, answer.isWhole, let status = answer.status else {
                task.cancel()
                return nil
            }
            return PageAnswer(status: status, body: answer.body)
        }
    }

    func urlSession(_ session: URLSession, dataTask: URLSessionDataTask, didReceive data: Data) {
        let isTooLong = lock.withLock {
            waiting[dataTask.taskIdentifier]?.body.append(contentsOf: data)
            return (waiting[dataTask.taskIdentifier]?.body.count ?? 0) > Self.mostBytes
        }
        if isTooLong { dataTask.cancel() }
    }

    func urlSession(_ session: URLSession, task: URLSessionTask, didCompleteWithError error: (any Error)?) {
        lock.withLock {
            waiting[task.taskIdentifier]?.status = (task.response as? HTTPURLResponse)?.statusCode
            waiting[task.taskIdentifier]?.isWhole = error == nil
            waiting[task.taskIdentifier]?.done.signal()
        }
    }
}
