import KafkaClient
import Observability
import Pipeline
import StreamRecovery

/// Sends refused records to `<topic>.dlq` with their reason, and waits until they are there. What that topic will never take
/// stays in Postgres only: a copy that cannot be made must not hold the stream.
final class DeadLetterPublisher {
    /// After so many flushes in a row without an answer, from a cluster that answers otherwise, the copies are given up.
    private static let patience = 3
    private static let warningPauseMillis: Int64 = 10_000

    private let bootstrapServers: String
    private let more: [String: String]
    private let log: Log
    private var producer: KafkaProducer?
    private var silences = 0
    private var lastWarningMillis: Int64?
    /// Letters of which there is no copy in Kafka.
    private(set) var kept = 0

    init(bootstrapServers: String, more: [String: String] = [:], log: Log) {
        (self.bootstrapServers, self.more, self.log) = (bootstrapServers, more, log)
    }

    /// Queues one record.
    func send(_ letter: DeadLetterRecord) throws {
        let producer = try producer ?? make()
        do {
            while case .full = try producer.send(
                topic: PipelineTopics.deadLetters(of: letter.position.topic), partition: -1, key: letter.key,
                value: letter.value, timestampMillis: Self.plausible(letter.timestampMillis), token: 0,
                headers: letter.headers.map { KafkaHeader($0.name, $0.value) }
            ) {
                producer.poll(timeoutMillis: 50)
            }
        } catch {
            switch error {
            case .messageTooLarge, .refused: keep(letter.position.topic, error.description)
            case .fatal: throw dropped(error.description)
            default: throw error
            }
        }
    }

    /// Waits for the acknowledgements; throws when they may still come.
    func flush() throws {
        guard let producer else { return }
        let isDone = producer.flush(timeoutMillis: 10_000)
        for delivery in producer.deliveries() {
            guard let error = delivery.error else { continue }
            switch error {
            case .messageTooLarge, .refused: keep(nil, error.description)
            default: throw dropped(error.description)
            }
        }
        guard !isDone else {
            silences = 0
            return
        }
        silences += 1
        let isReachable = (try? producer.waitUntilReachable(timeoutMillis: 2_000)) != nil
        guard silences >= Self.patience, isReachable else { throw dropped("no acknowledgement in time") }
        silences = 0
        keep(nil, "no acknowledgement in time, although Kafka answers")
        close()
    }

    /// Brokers refuse records of the future, and count ages from 1970.
    static func plausible(_ millis: Int64) -> Int64 { min(max(0, millis), WallClock.nowMillis()) }

    private func keep(_ topic: String?, _ reason: String) {
        kept += 1
        let now = Int64(WallClock.monotonicNanos() / 1_000_000)
        guard lastWarningMillis.map({ now - $0 >= Self.warningPauseMillis }) ?? true else { return }
        lastWarningMillis = now
        log.warning(
            "dead letters stay in Postgres only: their topic does not take them",
            ["topic": topic ?? "", "error": reason, "kept": kept])
    }

    private func dropped(_ reason: String) -> StepError {
        close()
        return StepError(.lost(.kafka), "dead letters were not acknowledged: \(reason)")
    }

    func close() {
        producer?.purge()
        producer?.close(timeoutMillis: 0)
        producer = nil
    }

    private func make() throws -> KafkaProducer {
        var configuration = KafkaProducerConfiguration(bootstrapServers: bootstrapServers)
        configuration.clientID = "needletail-transform"
        configuration.lingerMillis = 0
        configuration.maxRecordBytes = 4_000_000  // a record and its headers must fit where the record did
        // A topic that was deleted is known to be gone before the flush gives up.
        configuration.more = ["topic.metadata.propagation.max.ms": "4000"].merging(more) { $1 }
        let made = try KafkaProducer(configuration)
        producer = made
        return made
    }
}
