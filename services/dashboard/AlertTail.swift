import FeatureEngine
import FeatureStore
import JSON
import KafkaClient

/// Follows the predictions topic from a little before its end and picks out the frauds. Confined to one thread.
final class AlertTail {
    private static let topic = PipelineTopics.predictions
    /// How far before the end it begins, records per partition: so that a new dashboard is not empty.
    private static let history: Int64 = 5_000
    private static let batchRecords = 2_000

    private let consumer: KafkaConsumer
    private let columns: AlertColumns
    private var assigned: Set<KafkaPartition> = []

    init(bootstrapServers: String, repository: FeatureRepository) throws {
        var configuration = KafkaConsumerConfiguration(
            bootstrapServers: bootstrapServers, group: "needletail-dashboard")
        configuration.offsetReset = .latest
        configuration.fetchWaitMillis = 20
        consumer = try KafkaConsumer(configuration)
        columns = AlertColumns(repository)
    }

    deinit { consumer.close() }

    /// The alerts that have arrived since the call before, oldest first.
    func next() throws -> [Alert] {
        try assignNewPartitions()
        var alerts: [Alert] = []
        guard !assigned.isEmpty else { return [] }
        while true {
            let batch = try consumer.nextBatch(max: Self.batchRecords, timeoutMillis: alerts.isEmpty ? 50 : 0)
            for index in 0..<batch.count {
                guard let record = try? JSONTree.parse(batch.value(at: index)) else { continue }
                if let alert = columns.alert(record) { alerts.append(alert) }
            }
            if batch.count < Self.batchRecords { break }
        }
        return Array(alerts.sorted { $0.eventTimeMillis < $1.eventTimeMillis }.suffix(DashboardModel.keptAlerts))
    }

    /// The end of a partition's log, or nil when the broker does not say.
    func end(of partition: KafkaPartition) -> Int64? {
        (try? consumer.watermarks(of: partition, timeoutMillis: 1_000))?.high
    }

    private func assignNewPartitions() throws {
        // The topic may come later than the dashboard, and more partitions later still.
        var partition = Int32(assigned.count)
        while true {
            let candidate = KafkaPartition(Self.topic, partition)
            guard let ends = try? consumer.watermarks(of: candidate, timeoutMillis: 1_000) else { break }
            try consumer.assign(candidate, offset: max(ends.low, ends.high - Self.history))
            assigned.insert(candidate)
            partition += 1
        }
        if assigned.isEmpty { try consumer.waitUntilReachable(timeoutMillis: 1_000) }
    }
}

/// Which of a source's fields an alert shows: its key, its first decimal, and the first two strings that are none of key, id
/// and time.
private struct AlertColumns {
    private let key: String, amount: String?, texts: [String]

    init(_ repository: FeatureRepository) {
        let schema = repository.services.first?.source ?? repository.sources.first
        let fields = schema?.fields ?? []
        key = schema.map { $0.fields[$0.keyIndex].name } ?? ""
        amount = fields.first { if case .decimal = $0.type { true } else { false } }?.name
        let taken = schema.map { [$0.keyIndex, $0.eventIDIndex, $0.eventTimeIndex] } ?? []
        texts = fields.enumerated().filter { $0.element.type == .string && !taken.contains($0.offset) }.map(
            \.element.name)
    }

    func alert(_ record: JSONTree) -> Alert? {
        guard record["is_fraud"] == .bool(true), let request = record["request"] else { return nil }
        func text(_ name: String?) -> String {
            guard let name else { return "" }
            return switch request[name] {
            case .string(let text), .number(let text): text
            default: ""
            }
        }
        guard case .string(let id)? = record["transaction_id"], case .number(let time)? = record["event_timestamp"],
            case .number(let probability)? = record["probability"], case .string(let version)? = record["model_version"]
        else { return nil }
        return Alert(
            transactionID: id, entity: text(key), eventTimeMillis: Int64(time) ?? 0, merchant: text(texts.first),
            category: text(texts.dropFirst().first), amount: text(amount), probability: Double(probability) ?? .nan,
            modelVersion: version, isDegraded: record["degraded"] == .bool(true))
    }
}
