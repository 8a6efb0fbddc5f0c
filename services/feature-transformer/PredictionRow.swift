import FeatureEngine
import Pipeline
import PostgresClient
import PostgresOfflineStore

/// The API's answers: stored once each, as they were given.
struct PredictionRow: LogRecord {
    static var table: String { PredictionTable.name }
    static var columns: [String] { PredictionTable.columns }
    static var idColumns: [String] { ["prediction_id"] }

    private let record: PredictionRecord
    /// Nil for one that keeps the long form.
    private let compact: CompactPrediction?

    init(key: [UInt8], value: Span<UInt8>, _ reader: RecordReader) throws(RecordError) {
        self.init(try PredictionRecord(key: key, value: value, reader), reader)
    }

    /// A row of an answer that was read.
    init(_ record: PredictionRecord, _ reader: RecordReader = RecordReader()) {
        self.record = record
        compact = CompactPrediction(record, reader.parser)
    }

    var id: ByteString { record.predictionID }
    var fact: Bool { true }
    var historyMillis: Int64 { record.createdMillis }
    /// Nobody waits for an answer that was deleted once; stored again it would only be deleted again.
    static var dropsOld: Bool { true }
    var idHash: UInt64 { FNV1a64.hash(record.predictionID.bytes) }

    static func idHash(of row: PostgresCopyRow) -> UInt64 { FNV1a64.hash(row.bytes(0)) }

    static func stored(_ records: [PredictionRow], in store: PostgresOfflineStore) throws -> [ByteString: Bool] {
        let ids = Set(records.map(\.id))
        let stored = try store.stored(ids, table: table, column: "prediction_id")
        return Dictionary(uniqueKeysWithValues: stored.map { ($0, true) })
    }

    static func contradiction(of fact: Bool, to stored: Bool) -> String { "" }

    func add(at position: LogPosition, sharing kinds: Kinds, to rows: PostgresCopyBuffer) {
        PredictionTable.add(record, compact, kinds.known, at: position, to: rows)
    }

    /// What answers have in common, stored once a kind.
    struct Kinds: SharedFacts {
        fileprivate var known = PredictionKinds()

        mutating func learn(_ row: PredictionRow, stores: Stores) throws {
            guard let compact = row.compact, known.lacks(compact) else { return }
            try known.learn(compact, in: stores.postgres())
        }
    }
}
