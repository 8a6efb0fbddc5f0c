package import FeatureEngine
import FeatureStore
import KafkaClient
import Observability
import PostgresClient

/// Sends verdicts whose time has come, its own and those of a dashboard that is gone. Confined to one thread.
///
/// A row is locked while its record is on its way and marked when the broker has acknowledged it. Between the two a process may die:
/// then the record is sent again with the same feedback id, which consumers apply once.
package final class LabelSender {
    private static let batch = 50
    private static let deliverMillis: Int32 = 3_000

    private let bootstrapServers: String
    private let session: PostgresSession
    private var producer: KafkaProducer?
    private var partitions: [String: Int] = [:]
    /// Where a source's labels are not by Java's hash. A verdict lies with the other labels of its key, or the later would not win.
    private let partitioners: [String: Partitioner]

    package init(
        bootstrapServers: String, _ session: PostgresSession, sources: [SourceSchema] = []
    ) {
        self.bootstrapServers = bootstrapServers
        partitioners = Dictionary(
            sources.compactMap { source in source.label.map { ($0.topic, source.partitioner) } },
            uniquingKeysWith: { first, _ in first })
        self.session = session
    }

    deinit { _ = producer?.close(timeoutMillis: 0) }

    /// Sends what is due, or of these verdicts what waits at all; returns how many records the broker has acknowledged. Another's
    /// verdict is never sent before its time: who judged may still take it back.
    package func send(atOnce verdicts: [String]? = nil) throws -> Int {
        try session.run { connection in try connection.transaction { try send(connection, atOnce: verdicts) } }
    }

    private func send(_ connection: PostgresConnection, atOnce verdicts: [String]?) throws -> Int {
        let rows = try connection.query(
            """
            SELECT feedback_id, topic, encode(key, 'hex'), encode(value, 'hex') FROM label_outbox
            WHERE sent_at IS NULL AND cancelled_at IS NULL
                AND \(verdicts == nil ? "due_at <= now()" : "feedback_id = ANY($1)")
            ORDER BY due_at, number LIMIT \(Self.batch) FOR UPDATE SKIP LOCKED
            """, verdicts.map { [.array($0)] } ?? [])
        guard rows.count > 0 else { return 0 }
        let producer = try makeProducer()
        for row in 0..<rows.count {
            guard let topic = rows.text(row, 1), let key = Hexadecimal.bytes(rows.text(row, 2)),
                let value = Hexadecimal.bytes(rows.text(row, 3)), let count = try partitionCount(of: topic)
            else { continue }
            let home = EntityPlacement.partition(of: key, among: count, by: partitioners[topic] ?? .murmur2)
            _ = try producer.send(
                topic: topic, partition: home, key: key, value: value, timestampMillis: WallClock.nowMillis(),
                token: UInt64(row) + 1)
        }
        _ = producer.flush(timeoutMillis: Self.deliverMillis)
        let sent = producer.deliveries(waitingMillis: 0).filter(\.isAcknowledged)
            .compactMap { rows.text(Int($0.token) - 1, 0) }
        // What was not acknowledged yet must not be sent behind our back while the row is free again.
        if sent.count < rows.count {
            producer.purge()
            _ = producer.close(timeoutMillis: 1_000)
            self.producer = nil
        }
        guard !sent.isEmpty else { return 0 }
        try connection.query(
            "UPDATE label_outbox SET sent_at = now() WHERE feedback_id = ANY($1)", [.array(sent)])
        return sent.count
    }

    private func makeProducer() throws -> KafkaProducer {
        if let producer { return producer }
        var configuration = KafkaProducerConfiguration(bootstrapServers: bootstrapServers)
        configuration.clientID = "needletail-dashboard"
        configuration.deliveryTimeoutMillis = Int(Self.deliverMillis)
        configuration.queueKibibytes = 1_024
        let made = try KafkaProducer(configuration)
        producer = made
        return made
    }

    private func partitionCount(of topic: String) throws -> Int? {
        if let known = partitions[topic] { return known }
        let count = try KafkaAdmin(bootstrapServers: bootstrapServers, timeoutMillis: 2_000)
            .partitionCount(topic: topic)
        partitions[topic] = count
        return count
    }
}
