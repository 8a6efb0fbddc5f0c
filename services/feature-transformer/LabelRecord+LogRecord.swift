import FeatureEngine
import Pipeline
import PostgresClient
import PostgresOfflineStore

/// Labels: kept as they arrive. The same label again is a repeat; another value for the same moment is refused.
/// People's verdicts are told apart by their own ids: two may be of one moment, and the later one counts.
extension LabelRecord: LogRecord {
    struct ID: Hashable {
        let eventID: ByteString
        let availableMillis: Int64
        let feedbackID: ByteString
    }

    static var table: String { LabelTable.name }
    static var columns: [String] { LabelTable.columns }
    static var idColumns: [String] { ["event_id", "available_at", "feedback_id"] }

    init(key _: [UInt8], value: Span<UInt8>, _ reader: RecordReader) throws(RecordError) {
        try self.init(value, reader)
    }

    private var feedbackID: ByteString { feedback?.id ?? "" }
    var id: ID { ID(eventID: eventID, availableMillis: availableMillis, feedbackID: feedbackID) }
    var fact: Bool { isFraud }
    var historyMillis: Int64 { eventMillis }
    static var dropsOld: Bool { false }
    var idHash: UInt64 { Self.hash(eventID.bytes, availableMillis, feedbackID.bytes) }

    static func idHash(of row: PostgresCopyRow) -> UInt64 { hash(row.bytes(0), row.millis(1), row.bytes(2)) }

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

    func add(at position: LogPosition, sharing _: NothingShared<LabelRecord>, to rows: PostgresCopyBuffer) {
        LabelTable.add(self, at: position, to: rows)
    }

    private static func hash(
        _ id: some Sequence<UInt8>, _ availableMillis: Int64, _ feedback: some Sequence<UInt8>
    ) -> UInt64 {
        var hash = FNV1a64()
        hash.combine(id)
        for shift in stride(from: Int64(0), to: 64, by: 8) {
            hash.combine(UInt8(truncatingIfNeeded: availableMillis >> shift))
        }
        hash.combine(feedback)
        return hash.value
    }
}
