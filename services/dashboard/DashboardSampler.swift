import FeatureEngine
import FeatureStore
import Foundation
import FoundationNetworking
import JSON
import KafkaClient
import Observability
import PostgresClient
import RedisClient

/// Asks every part for its state, one round at a time. Confined to the thread that calls `observe`, one at a time.
final class DashboardSampler: @unchecked Sendable {  // See above: never called twice at once.
    let project: String
    private let repository: FeatureRepository
    private let kafkaServers: String
    private let databaseURL: String
    private let redisURL: String
    private let pages: [(name: String, url: String)]
    private var postgres: PostgresConnection?
    private var redis: RedisConnection?
    private var kafka: AlertTail?
    private let session: URLSession

    init(
        repository: FeatureRepository, kafka: String, database: String, redis: String, api: String, transform: String,
        produce: String
    ) {
        project = repository.project
        self.repository = repository
        kafkaServers = kafka
        databaseURL = database
        redisURL = redis
        pages = [("produce", produce), ("transform", transform), ("api", api)]
        let configuration = URLSessionConfiguration.ephemeral
        configuration.timeoutIntervalForRequest = 2
        session = URLSession(configuration: configuration)
    }

    /// One round. Whatever does not answer within about two seconds is down.
    func observe() -> Observation {
        var observation = Observation(timeMillis: WallClock.nowMillis())
        observation.parts.append(("kafka", observeKafka(&observation)))
        observation.parts.append(("redis", observeRedis()))
        observation.parts.append(("postgres", observePostgres(&observation)))
        for (name, url) in pages {
            do {
                read(name, PrometheusText(try page(url + "/metrics")), into: &observation)
                observation.parts.append((name, .up))
            } catch {
                observation.parts.append((name, .down("no answer at \(url)")))
            }
        }
        return observation
    }

    private func read(_ name: String, _ page: PrometheusText, into observation: inout Observation) {
        switch name {
        case "produce": observation.produced = page.sum("needletail_produce_acknowledged_total")
        case "transform":
            observation.transformed = page.sum("needletail_transform_events_total") { $0["stage"] == "events" }
            observation.deadLetters = page.sum("needletail_transform_dead_letters_total")
            observation.freshnessSeconds = page.sum("needletail_transform_freshness_seconds") {
                $0["stage"] == "events"
            }
        default:
            observation.predictions = page.sum("needletail_serve_predictions_total")
            observation.frauds = page.sum("needletail_serve_predictions_total") { $0["result"] == "fraud" }
            observation.degraded = page.sum("needletail_serve_degraded_total")
            observation.logDropped = page.sum("needletail_serve_log_dropped_total")
            observation.latency = page.buckets("needletail_serve_latency_seconds")
        }
    }

    private func page(_ text: String) throws -> String {
        guard let url = URL(string: text) else { throw URLError(.badURL) }
        let answer = Answer()
        let task = session.dataTask(with: url) { data, response, error in
            let isFine = (response as? HTTPURLResponse)?.statusCode == 200
            answer.give(isFine ? data : nil)
        }
        task.resume()
        guard let data = answer.wait(seconds: 3) else { throw URLError(.cannotConnectToHost) }
        return String(decoding: data, as: UTF8.self)
    }

    private func observeRedis() -> PartState {
        do {
            let connection = try redis ?? RedisConnection(RedisAddress(url: redisURL))
            redis = connection
            _ = try connection.command("PING")
            return .up
        } catch {
            redis = nil
            return .down("\(error)")
        }
    }

    private func observeKafka(_ observation: inout Observation) -> PartState {
        do {
            let tail = try kafka ?? AlertTail(bootstrapServers: kafkaServers, repository: repository)
            kafka = tail
            observation.alerts = try tail.next()
            return .up
        } catch {
            kafka = nil
            return .down("\(error)")
        }
    }

    /// A screen is refreshed every second: better no answer than a late one.
    private static let limits: PostgresLimits = {
        var limits = PostgresLimits()
        (limits.connectSeconds, limits.silenceMillis) = (2, 5_000)
        return limits
    }()

    private func observePostgres(_ observation: inout Observation) -> PartState {
        do {
            let connection = try postgres ?? PostgresConnection(url: databaseURL, limits: Self.limits)
            postgres = connection
            observation.champion = try DashboardQueries.champion(connection)
            let positions = try DashboardQueries.positions(connection)
            observation.lags = positions.map { position in
                let end = kafka?.end(of: KafkaPartition(position.topic, Int32(position.partition)))
                return PartitionLag(
                    topic: position.topic, partition: position.partition,
                    records: end.map { max(0, $0 - position.next) })
            }
            return .up
        } catch {
            postgres = nil
            return .down("\(error)")
        }
    }
}

/// One answer handed from a callback's thread to a waiting one.
private final class Answer: @unchecked Sendable {  // `data` is written before the signal and read after it.
    private let arrived = DispatchSemaphore(value: 0)
    private var data: Data?

    func give(_ data: Data?) {
        self.data = data
        arrived.signal()
    }

    func wait(seconds: Double) -> Data? { arrived.wait(timeout: .now() + seconds) == .success ? data : nil }
}
