public import FeatureEngine
public import Pipeline
public import PostgresClient

/// The rows behind the view `predictions`.
public enum PredictionTable {
    /// The table's name.
    public static let name = "prediction_rows"
    private static let fixed = [
        "prediction_id", "transaction_id", "entity", "created_at", "event_timestamp", "probability", "is_alert",
        "degraded", "latency_micros", "_topic", "_partition", "_offset",
    ]
    private static let short = ["kind", "request_values", "features", "positions"]
    private static let long = [
        "service", "model_version", "definition_hash", "threshold", "request", "vector", "features_as_of",
    ]
    /// The columns of `add`, in order.
    public static let columns = fixed + short + long

    /// Appends one prediction to a COPY of the table: in the short form where there is one and its kind is known.
    public static func add(
        _ prediction: PredictionRecord, _ compact: CompactPrediction?, _ kinds: PredictionKinds,
        at position: LogPosition, to rows: PostgresCopyBuffer
    ) {
        rows.beginRow(columns: columns.count)
        rows.add(bytes: prediction.predictionID.bytes)
        rows.add(bytes: prediction.transactionID.bytes)
        rows.add(bytes: prediction.entity.bytes)
        rows.add(millis: prediction.createdMillis)
        rows.add(millis: prediction.eventMillis)
        rows.add(prediction.probability)
        rows.add(prediction.isFraud)
        rows.add(prediction.isDegraded)
        rows.add(prediction.latencyMicros)
        rows.add(position.topic)
        rows.add(position.partition)
        rows.add(position.offset)
        if let compact, let kind = kinds.number(of: compact) {
            rows.add(kind)
            rows.add(bytes: compact.requestValues)
            rows.add(bytes: compact.features)
            rows.add(bytes: compact.positions)
            for _ in long { rows.addNull() }
        } else {
            for _ in short { rows.addNull() }
            rows.add(prediction.service)
            rows.add(prediction.modelVersion)
            rows.add(prediction.definitionHash)
            rows.add(prediction.threshold)
            rows.add(jsonb: prediction.request[...])
            rows.add(jsonb: prediction.vector[...])
            rows.add(jsonb: prediction.featuresAsOf[...])
        }
    }
}

extension PostgresOfflineStore {
    /// Which of these ids the table has. `column` is its unique text column.
    public func stored(_ ids: Set<ByteString>, table: String, column: String) throws -> Set<ByteString> {
        guard !ids.isEmpty else { return [] }
        let name = quoted(column)
        let result = try connection.query(
            "SELECT \(name) FROM \(quoted(table)) WHERE \(name) = ANY($1)", [.array(ids.map(\.description))])
        return Set((0..<result.count).compactMap { result.text($0, 0).map { ByteString($0) } })
    }

    /// Columns of every row of one partition of a table, or of the one at an offset: for the filter of known ids.
    public func scanPartition(
        table: String, columns: [String], topic: String, partition: Int32, offset: Int64? = nil,
        _ body: (PostgresCopyRow) throws -> Void
    ) throws {
        try connection.copyOut(
            """
            SELECT \(columns.map(quoted).joined(separator: ", ")) FROM \(quoted(table))
            WHERE _topic = \(PostgresQuoting.literal(topic)) AND _partition = \(partition)\(offset.map { " AND _offset = \($0)" } ?? "")
            """, body)
    }
}
