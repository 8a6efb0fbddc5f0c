import FeatureEngine
import Pipeline
import PostgresClient
import PostgresOfflineStore

/// The API's answers: stored once each, as they were given.
extension PredictionRecord: LogRecord {
    static var table: String { PredictionTable.name }
    static var columns: [String] { PredictionTable.columns }
    static var idColumns: [String] { ["prediction_id"] }

    var id: ByteString { predictionID }
    var fact: Bool { true }
    var historyMillis: Int64 { createdMillis }
    /// Nobody waits for an answer that was deleted once; stored again it would only be deleted again.
    static var dropsOld: Bool { true }
    var idHash: UInt64 { FNV1a64.hash(predictionID.bytes) }

    static func idHash(of row: PostgresCopyRow) -> UInt64 { FNV1a64.hash(row.bytes(0)) }

    static func stored(_ records: [PredictionRecord], in store: PostgresOfflineStore) throws -> [ByteString: Bool] {
        let ids = Set(records.map(\.id))
        let stored = try store.stored(ids, table: table, column: "prediction_id")
        return Dictionary(uniqueKeysWithValues: stored.map { ($0, true) })
    }

    static func contradiction(of fact: Bool, to stored: Bool) -> String { "" }

    func add(at position: LogPosition, to rows: PostgresCopyBuffer) {
        PredictionTable.add(self, at: position, to: rows)
    }
}
