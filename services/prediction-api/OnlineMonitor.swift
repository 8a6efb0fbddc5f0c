import FeatureStore
import Glibc
import Observability
import PipelineRuntime
import RedisClient
import RedisOnlineStore

/// Looks once a second how far the partitions of the online store are, for the metric of their age, and whether Redis may throw
/// state away by itself. Belongs to one thread, and may block it.
final class OnlineMonitor {
    private let address: RedisAddress
    private let log: Log
    private let age: Gauge
    private let evicts: Gauge
    private let allowsEviction: Bool
    /// Told why the service should not be asked, nil when it may be again.
    private let onRefusal: (String?) -> Void
    private var refusal: String?
    private var connection: RedisConnection?

    init(
        _ address: RedisAddress, allowsEviction: Bool, metrics: MetricsRegistry, log: Log,
        onRefusal: @escaping (String?) -> Void
    ) {
        self.allowsEviction = allowsEviction
        self.onRefusal = onRefusal
        evicts = OnlineStorePolicy.gauge(metrics)
        self.address = address
        self.log = log
        age = metrics.gauge(
            "needletail_serve_feature_age_seconds",
            help:
                "How long ago the partition that is furthest behind was known to be applied; NaN while it is not known."
        )
        age.set(.nan)
    }

    /// Looks once, at so many partitions of each topic, at their state under the definitions of a hash.
    func look(_ partitions: [String: Int], hash8: String, nowMillis: Int64) {
        do {
            let connection = try connection ?? RedisConnection(address)
            self.connection = connection
            age.set(try oldest(partitions, hash8, connection).map { Self.seconds(since: $0, nowMillis) } ?? .nan)
            note(warning: try RedisOnlineStore(connection).evictionWarning())
        } catch {
            // The loops say that Redis is away; here it is only not known how old its state is.
            connection?.close()
            connection = nil
            age.set(.nan)
        }
    }

    private func note(warning: String?) {
        evicts.set(warning == nil ? 0 : 1)
        let reason = allowsEviction ? nil : warning.map(OnlineStorePolicy.sentence)
        guard reason != refusal else { return }
        refusal = reason
        onRefusal(reason)
        if let reason {
            log.error("not ready any more: answers about lost features are degraded", ["reason": reason])
        } else {
            log.info("ready again: Redis keeps what it is given")
        }
    }

    /// The moment up to which every partition is known to be applied; nil when one is not known to be.
    private func oldest(
        _ partitions: [String: Int], _ hash8: String, _ connection: RedisConnection
    ) throws(RedisError) -> Int64? {
        let keys = partitions.flatMap { topic, count in
            (0..<count).map { OnlineKeys.watermark(hash8: hash8, topic: topic, partition: $0) }
        }
        guard !keys.isEmpty else { return nil }
        var pipeline = RedisPipeline()
        pipeline.begin(arguments: 1 + 2 * keys.count)
        pipeline.add("MGET")
        for key in keys {
            pipeline.add(key)
            pipeline.add(OnlineKeys.alive(watermarkKey: key))
        }
        guard case .array(let values) = try connection.run(&pipeline)[0].checked(), values.count == 2 * keys.count
        else {
            throw .unexpectedReply(command: "MGET")
        }
        var oldest: Int64?
        for place in stride(from: 0, to: values.count, by: 2) {
            guard case .bytes(let bytes) = values[place], let watermark = Watermark(bytes: bytes) else { return nil }
            var asOf = watermark.newestMillis
            if case .bytes(let alive) = values[place + 1] { asOf = max(asOf, OnlineJoin.alive(alive.span)) }
            guard asOf >= 0 else { return nil }
            oldest = min(oldest ?? asOf, asOf)
        }
        return oldest
    }

    private static func seconds(since millis: Int64, _ nowMillis: Int64) -> Double {
        max(0, (Double(nowMillis) - Double(millis)) / 1_000)
    }
}
