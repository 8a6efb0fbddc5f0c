import FeatureEngine
import FeatureStore
import KafkaClient
import Observability
import StreamRecovery
import TransactionData

/// Sends events to the topics that hold them by another key, each to its key's partition, and waits until they are there. Sending
/// one again is allowed: whoever reads such a topic drops repeats by event id.
final class RekeyPublisher {
    private let bootstrapServers: String
    private let partitionCounts: [String: Int]
    private let log: Log
    private var producer: KafkaProducer?
    private var refused = 0

    /// `partitionCounts` has every topic that is written.
    init(bootstrapServers: String, partitionCounts: [String: Int], log: Log) {
        (self.bootstrapServers, self.partitionCounts, self.log) = (bootstrapServers, partitionCounts, log)
    }

    /// Queues one event for the topics of these feeds. Its Kafka timestamp stays that of its source's record, so that freshness counts
    /// from there.
    func send(_ row: SourceRow, to feeds: [ViewFeed], _ encoder: EventEncoder, timestampMillis: Int64) throws {
        let producer = try producer ?? make()
        var bytes: [UInt8] = []
        bytes.reserveCapacity(1_024)
        encoder.encode(row, into: &bytes)
        let value = bytes
        let stamp = DeadLetterPublisher.plausible(timestampMillis)
        for feed in feeds {
            guard let count = partitionCounts[feed.topic], count > 0 else {
                throw StepError(.lost(.kafka), "topic \"\(feed.topic)\" is not there")
            }
            let topic = try producer.topic(feed.topic)
            do throws(KafkaError) {
                while case .full = try row.withCanonicalBytes(
                    feed.keyIndex,
                    { key throws(KafkaError) in
                        try producer.send(
                            topic: topic, partition: feed.partition(of: row, among: count), key: key, value: value.span,
                            timestampMillis: stamp, token: 0)
                    })
                { producer.poll(timeoutMillis: 50) }
            } catch {
                try judge(error, feed.topic)
            }
        }
    }

    /// Waits for the acknowledgements; throws where one is missing.
    func flush() throws {
        guard let producer else { return }
        let isDone = producer.flush(timeoutMillis: 10_000)
        for delivery in producer.deliveries() { if let error = delivery.error { try judge(error, nil) } }
        guard isDone else { throw dropped("no acknowledgement in time") }
    }

    func close() {
        producer?.purge()
        producer?.close(timeoutMillis: 0)
        producer = nil
    }

    /// A record that its topic will never take is missing in the views of that entity, and is said; everything else is tried again.
    private func judge(_ error: KafkaError, _ topic: String?) throws {
        switch error {
        case .messageTooLarge, .refused:
            refused += 1
            guard refused.nonzeroBitCount == 1 else { return }
            log.error(
                "events are in no window of another entity: their topic does not take them",
                ["topic": topic ?? "", "error": error.description, "events": refused])
        default: throw dropped(error.description)
        }
    }

    private func dropped(_ reason: String) -> StepError {
        close()
        return StepError(.lost(.kafka), "re-keyed events were not acknowledged: \(reason)")
    }

    private func make() throws -> KafkaProducer {
        var configuration = KafkaProducerConfiguration(bootstrapServers: bootstrapServers)
        configuration.clientID = "needletail-transform"
        configuration.lingerMillis = 0
        configuration.maxRecordBytes = 4_000_000  // the topic says what is too large
        let made = try KafkaProducer(configuration)
        producer = made
        return made
    }
}
