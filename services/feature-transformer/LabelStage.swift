import FeatureEngine
import KafkaClient
import PostgresClient
import PostgresOfflineStore

/// Labels: kept as they arrive. The same label again is a repeat; another value for the same moment is refused.
final class LabelStage: Stage {
    private let partition: KafkaPartition
    private let copyRows = PostgresCopyBuffer()
    private var filter = IDFilter()
    private var labels: [Label] = []
    private var offsets: [Int64] = []
    private var suspects: [Int] = []
    private var isCareful = false

    init(_ partition: KafkaPartition) { self.partition = partition }

    func forget() { filter = IDFilter() }

    func loadIDs(_ ledger: PartitionLedger, stores: Stores) throws -> Int64 {
        filter = IDFilter()
        var count: Int64 = 0
        try stores.postgres().scanPartition(
            table: LabelTable.name, columns: ["event_id", "available_at"], topic: ledger.topic,
            partition: ledger.partition
        ) { row in
            _ = filter.insert(Self.hash(row.bytes(0), row.millis(1)))
            count += 1
        }
        return count
    }

    func begin(isCareful: Bool) {
        self.isCareful = isCareful
        labels.removeAll(keepingCapacity: true)
        offsets.removeAll(keepingCapacity: true)
        suspects.removeAll(keepingCapacity: true)
    }

    func take(_ index: Int, of batch: KafkaBatch) -> String? {
        guard batch.hasValue(at: index) else { return "the record has no value" }
        let label: Label
        do throws(RecordError) {
            label = try batch.withValue(at: index) { (bytes) throws(RecordError) in try Self.decode(bytes) }
        } catch {
            return error.reason
        }
        if !filter.insert(Self.hash(Array(label.eventID.utf8)[...], label.availableMillis)) || isCareful {
            suspects.append(labels.count)
        }
        labels.append(label)
        offsets.append(batch.offset(at: index))
        return nil
    }

    static func decode(_ bytes: Span<UInt8>) throws(RecordError) -> Label {
        let fields = try RecordFields(bytes)
        let value = try fields.integer("label")
        guard value == 0 || value == 1 else { throw RecordError("label: is neither 0 nor 1") }
        return Label(
            eventID: try fields.text("event_id"), label: Int(value), eventMillis: try fields.millis("event_timestamp"),
            availableMillis: try fields.millis("available_at"))
    }

    func prepare(_ state: PartitionState, ledger: PartitionLedger, stores: Stores) throws -> Prepared {
        var prepared = Prepared()
        var known: [Key: Int] = [:]
        if !suspects.isEmpty {
            let ids = Set(suspects.map { labels[$0].eventID })
            for label in try LabelTable.labels(of: Array(ids), on: stores.postgres().connection) {
                known[Key(label)] = label.label
            }
        }
        let suspected = Set(suspects.map { Key(labels[$0]) })
        copyRows.removeAll()
        for (index, label) in labels.enumerated() {
            let key = Key(label)
            if let value = known[key] {
                if value == label.label {
                    prepared.duplicates += 1
                } else {
                    prepared.refused.append(
                        (index, "label: \(label.label) contradicts the \(value) that arrived before"))
                }
                continue
            }
            if suspected.contains(key) { known[key] = label.label }
            prepared.rows += 1
            LabelTable.add(
                label,
                at: LogPosition(topic: partition.topic, partition: partition.partition, offset: offsets[index]),
                to: copyRows)
        }
        return prepared
    }

    func copy(on connection: PostgresConnection) throws {
        try connection.copyIn(table: LabelTable.name, columns: LabelTable.columns, rows: copyRows)
    }

    private struct Key: Hashable {
        let eventID: String
        let availableMillis: Int64
        init(_ label: Label) { (eventID, availableMillis) = (label.eventID, label.availableMillis) }
    }

    private static func hash(_ id: ArraySlice<UInt8>, _ availableMillis: Int64) -> UInt64 {
        var hash = FNV1a64()
        hash.combine(id)
        for shift in stride(from: Int64(0), to: 64, by: 8) {
            hash.combine(UInt8(truncatingIfNeeded: availableMillis >> shift))
        }
        return hash.value
    }
}
