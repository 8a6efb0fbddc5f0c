import FeatureEngine
import PostgresClient
import PostgresOfflineStore

/// The API's answers: stored once each, as they were given.
extension PredictionRecord: LogRecord {
    static var table: String { PredictionTable.name }
    static var columns: [String] { PredictionTable.columns }
    static var idColumns: [String] { ["prediction_id"] }

    init(key: [UInt8], value: Span<UInt8>) throws(RecordError) {
        let fields = try RecordFields(value)
        self.init()
        predictionID = try fields.id("prediction_id")
        transactionID = try fields.id("transaction_id", mayBeEmpty: true)
        createdMillis = try fields.millis("created_at")
        eventMillis = try fields.millis("event_timestamp")
        service = try fields.text("service")
        modelVersion = try fields.text("model_version")
        definitionHash = try fields.text("definition_hash")
        probability = try fields.double("probability")
        threshold = try fields.double("threshold")
        isFraud = try fields.boolean("is_fraud")
        isDegraded = try fields.boolean("degraded")
        latencyMicros = try fields.integer("latency_micros")
        request = try fields.json("request", isArray: false)
        vector = try fields.json("vector", isArray: true)
        featuresAsOf = try fields.json("features_as_of", isArray: false)
        // The key of a request without one is empty.
        if !key.isEmpty, let problem = KeyRule.problem(key.span) { throw RecordError("the key \(problem)") }
        entity = String(decoding: key, as: UTF8.self)
    }

    var id: ByteString { ByteString(predictionID) }
    var fact: Bool { true }
    var idHash: UInt64 { FNV1a64.hash(predictionID.utf8) }

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
