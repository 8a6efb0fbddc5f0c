import EventLoop
import KafkaClient
import Observability
import Pipeline

/// Takes the record of every prediction. Must never block.
protocol PredictionLog: AnyObject {
    func append(key: Span<UInt8>, value: Span<UInt8>, timestampMillis: Int64)
}

/// The `predictions` topic. One for all loops: librdkafka takes records from any thread.
final class KafkaPredictionLog: PredictionLog, Sendable {
    static let topic = PipelineTopics.predictions

    private let producer: KafkaProducer
    private let topic: KafkaTopic
    private let metrics: PredictionMetrics
    private let complaints: Complaints

    init(bootstrapServers: String, metrics: PredictionMetrics, log: Log = .silent) throws(KafkaError) {
        var configuration = KafkaProducerConfiguration(bootstrapServers: bootstrapServers)
        configuration.clientID = "needletail-serve"
        configuration.lingerMillis = 20
        // A minute without a broker at 1,000 predictions a second waits here; beyond that they are dropped and counted.
        configuration.queueRecords = 65_536
        configuration.queueKibibytes = 131_072
        configuration.compression = "lz4"
        producer = try KafkaProducer(configuration, onLog: { line in log.debug("kafka", ["text": line.message]) })
        complaints = Complaints("predictions are answered and not logged", log)
        topic = try producer.topic(Self.topic)
        self.metrics = metrics
    }

    func append(key: Span<UInt8>, value: Span<UInt8>, timestampMillis: Int64) {
        let result = try? producer.send(
            topic: topic, partition: -1, key: key, value: value, timestampMillis: timestampMillis, token: 0)
        if case .queued? = result { metrics.logged.add() } else { metrics.logDropped.add() }
    }

    /// Counts what the broker refused, and says why. Blocks as long as said, so it belongs on a thread of its own.
    func collectReports(waitingMillis: Int32) {
        for delivery in producer.deliveries(waitingMillis: waitingMillis) {
            guard let error = delivery.error else { continue }
            metrics.logFailed.add()
            complaints.add("\(error)")
        }
        complaints.sayIfDue(nowMillis: EventLoop.monotonicMicros() / 1_000)
    }

    /// Sends what waits; returns how many records are left behind.
    func close(timeoutMillis: Int32) -> Int {
        let left = producer.close(timeoutMillis: timeoutMillis)
        collectReports(waitingMillis: 0)
        return left
    }
}
