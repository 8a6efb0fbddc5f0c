import FeatureEngine
public import Pipeline
public import PostgresClient

/// The table of labels.
public enum LabelTable {
    /// The table's name.
    public static let name = "labels"
    /// The columns of `add`, in order.
    public static let columns = [
        "event_id", "available_at", "label", "event_timestamp", "_topic", "_partition", "_offset",
    ]

    /// Appends one label to a COPY of the table.
    public static func add(_ label: LabelRecord, at position: LogPosition, to rows: PostgresCopyBuffer) {
        rows.beginRow(columns: 7)
        rows.add(bytes: label.eventID.bytes)
        rows.add(millis: label.availableMillis)
        rows.add(Int16(label.isFraud ? 1 : 0))
        rows.add(millis: label.eventMillis)
        rows.add(position.topic)
        rows.add(position.partition)
        rows.add(position.offset)
    }

    /// The stored labels of these events.
    public static func labels(of eventIDs: [String], on connection: PostgresConnection) throws -> [LabelRecord] {
        guard !eventIDs.isEmpty else { return [] }
        let result = try connection.query(
            """
            SELECT event_id, label, (extract(epoch FROM event_timestamp) * 1000)::bigint,
            (extract(epoch FROM available_at) * 1000)::bigint FROM labels WHERE event_id = ANY($1)
            """, [.array(eventIDs)])
        return (0..<result.count).map { row in
            LabelRecord(
                eventID: ByteString(result.text(row, 0) ?? ""), isFraud: result.integer(row, 1) == 1,
                eventMillis: result.integer(row, 2) ?? 0, availableMillis: result.integer(row, 3) ?? 0)
        }
    }
}
