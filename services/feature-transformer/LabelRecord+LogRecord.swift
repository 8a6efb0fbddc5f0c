import FeatureEngine
import Pipeline
import PostgresClient
import PostgresOfflineStore

/// Labels: kept as they arrive. The same label again is a repeat; another value for the same moment is refused.
extension LabelRecord: LogRecord {
    struct ID: Hashable {
        let eventID: ByteString
        let availableMillis: Int64
    }

    static var table: String { LabelTable.name }
    static var columns: [String] { LabelTable.columns }
    static var idColumns: [String] { ["event_id", "available_at"] }

    init(key: [UInt8], value: Span<UInt8>) throws(RecordError) { try self.init(value) }

    var id: ID { ID(eventID: eventID, availableMillis: availableMillis) }
    var fact: Bool { isFraud }
    var idHash: UInt64 { Self.hash(eventID.bytes, availableMillis) }

    static func idHash(of row: PostgresCopyRow) -> UInt64 { hash(row.bytes(0), row.millis(1)) }

    static func stored(_ records: [LabelRecord], in store: PostgresOfflineStore) throws -> [ID: Bool] {
        let ids = Set(records.map(\.eventID))
        var stored: [ID: Bool] = [:]
        for label in try LabelTable.labels(of: ids.map(\.description), on: store.connection) {
            stored[label.id] = label.isFraud
        }
        return stored
    }

    static func contradiction(of fact: Bool, to stored: Bool) -> String {
        "label: \(fact ? 1 : 0) contradicts the \(stored ? 1 : 0) that arrived before"
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
