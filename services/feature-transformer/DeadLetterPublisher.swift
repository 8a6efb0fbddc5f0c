import FeatureStore
import KafkaClient
import Observability
import PostgresOfflineStore

/// Sends refused records to `<topic>.dlq` with their reason, and waits until they are there.
final class DeadLetterPublisher {
    private let bootstrapServers: String
    private let log: Log
    private var producer: KafkaProducer?

    init(bootstrapServers: String, log: Log) { (self.bootstrapServers, self.log) = (bootstrapServers, log) }

    /// Queues one record. One that Kafka will never take, because it is too large with its reason, stays in Postgres only.
    func send(_ letter: DeadLetter) throws {
        let producer = try producer ?? make()
        let headers = [
            KafkaHeader("reason", letter.reason), KafkaHeader("topic", letter.position.topic),
            KafkaHeader("partition", "\(letter.position.partition)"),
            KafkaHeader("offset", "\(letter.position.offset)"),
        ]
        do {
            while case .full = try producer.send(
                topic: PipelineTopics.deadLetters(of: letter.position.topic), partition: -1, key: letter.key,
                value: letter.value, timestampMillis: letter.timestampMillis, token: 0, headers: headers)
            {
                producer.poll(timeoutMillis: 50)
            }
        } catch KafkaError.messageTooLarge {
            log.warning(
                "a dead letter is too large for its topic and stays in Postgres only",
                [
                    "topic": letter.position.topic, "partition": Int(letter.position.partition),
                    "offset": letter.position.offset,
                ])
        }
    }

    /// Waits for the acknowledgements; throws when one is missing.
    func flush() throws {
        guard let producer else { return }
        let isDone = producer.flush(timeoutMillis: 10_000)
        for delivery in producer.deliveries() {
            guard let error = delivery.error else { continue }
            if case .messageTooLarge = error {
                log.warning("a dead letter is too large for its topic and stays in Postgres only")
            } else {
                close()
                throw error
            }
        }
        guard isDone else {
            close()
            throw Reassign("dead letters were not acknowledged in time")
        }
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
        let made = try KafkaProducer(configuration)
        producer = made
        return made
    }
}
