public import FeatureEngine
public import Pipeline
public import PostgresClient

/// The table of predictions.
public enum PredictionTable {
    /// The table's name.
    public static let name = "predictions"
    /// The columns of `add`, in order.
    public static let columns = [
        "prediction_id", "transaction_id", "entity", "created_at", "event_timestamp", "service", "model_version",
        "definition_hash", "probability", "threshold", "is_alert", "degraded", "latency_micros", "request", "vector",
        "features_as_of", "_topic", "_partition", "_offset",
    ]

    /// Appends one prediction to a COPY of the table.
    public static func add(_ prediction: PredictionRecord, at position: LogPosition, to rows: PostgresCopyBuffer) {
        rows.beginRow(columns: columns.count)
        rows.add(bytes: prediction.predictionID.bytes)
        rows.add(bytes: prediction.transactionID.bytes)
        rows.add(bytes: prediction.entity.bytes)
        rows.add(millis: prediction.createdMillis)
        rows.add(millis: prediction.eventMillis)
        rows.add(prediction.service)
        rows.add(prediction.modelVersion)
        rows.add(prediction.definitionHash)
        rows.add(prediction.probability)
        rows.add(prediction.threshold)
        rows.add(prediction.isFraud)
        rows.add(prediction.isDegraded)
        rows.add(prediction.latencyMicros)
        rows.add(jsonb: prediction.request[...])
        rows.add(jsonb: prediction.vector[...])
        rows.add(jsonb: prediction.featuresAsOf[...])
        rows.add(position.topic)
        rows.add(position.partition)
        rows.add(position.offset)
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
