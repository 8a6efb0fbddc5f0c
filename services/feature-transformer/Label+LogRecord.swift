import FeatureEngine
import PostgresClient
import PostgresOfflineStore

/// Labels: kept as they arrive. The same label again is a repeat; another value for the same moment is refused.
extension Label: LogRecord {
    struct ID: Hashable {
        let eventID: ByteString
        let availableMillis: Int64
    }

    static var table: String { LabelTable.name }
    static var columns: [String] { LabelTable.columns }
    static var idColumns: [String] { ["event_id", "available_at"] }

    init(key: [UInt8], value: Span<UInt8>) throws(RecordError) {
        let fields = try RecordFields(value)
        let label = try fields.integer("label")
        guard label == 0 || label == 1 else { throw RecordError("label: is neither 0 nor 1") }
        self.init(
            eventID: try fields.id("event_id"), label: Int(label), eventMillis: try fields.millis("event_timestamp"),
            availableMillis: try fields.millis("available_at"))
    }

    var id: ID { ID(eventID: ByteString(eventID), availableMillis: availableMillis) }
    var fact: Int { label }
    var idHash: UInt64 { Self.hash(eventID.utf8, availableMillis) }

    static func idHash(of row: PostgresCopyRow) -> UInt64 { hash(row.bytes(0), row.millis(1)) }

    static func stored(_ records: [Label], in store: PostgresOfflineStore) throws -> [ID: Int] {
        let ids = Set(records.map { ByteString($0.eventID) })
        var stored: [ID: Int] = [:]
        for label in try LabelTable.labels(of: ids.map(\.description), on: store.connection) {
            stored[label.id] = label.label
        }
        return stored
    }

    static func contradiction(of fact: Int, to stored: Int) -> String {
        "label: \(fact) contradicts the \(stored) that arrived before"
    }

    func add(at position: LogPosition, to rows: PostgresCopyBuffer) { LabelTable.add(self, at: position, to: rows) }

    private static func hash(_ id: some Sequence<UInt8>, _ availableMillis: Int64) -> UInt64 {
        var hash = FNV1a64()
        hash.combine(id)
        for shift in stride(from: Int64(0), to: 64, by: 8) {
            hash.combine(UInt8(truncatingIfNeeded: availableMillis >> shift))
        }
        return hash.value
    }
}
