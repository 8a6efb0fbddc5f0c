public import PostgresClient

/// One label as it arrived.
public struct Label: Hashable, Sendable {
    /// The event it belongs to.
    public var eventID: String
    /// 0 or 1.
    public var label: Int
    /// The event's time, ms.
    public var eventMillis: Int64
    /// When it became known, in event time, ms.
    public var availableMillis: Int64

    /// Describes a label.
    public init(eventID: String, label: Int, eventMillis: Int64, availableMillis: Int64) {
        (self.eventID, self.label, self.eventMillis, self.availableMillis) = (
            eventID, label, eventMillis, availableMillis
        )
    }
}

/// The table of labels.
public enum LabelTable {
    /// The table's name.
    public static let name = "labels"
    /// The columns of `add`, in order.
    public static let columns = [
        "event_id", "available_at", "label", "event_timestamp", "_topic", "_partition", "_offset",
    ]

    /// Appends one label to a COPY of the table.
    public static func add(_ label: Label, at position: LogPosition, to rows: PostgresCopyBuffer) {
        rows.beginRow(columns: 7)
        rows.add(label.eventID)
        rows.add(millis: label.availableMillis)
        rows.add(Int16(label.label))
        rows.add(millis: label.eventMillis)
        rows.add(position.topic)
        rows.add(position.partition)
        rows.add(position.offset)
    }

    /// The stored labels of these events.
    public static func labels(of eventIDs: [String], on connection: PostgresConnection) throws -> [Label] {
        guard !eventIDs.isEmpty else { return [] }
        let result = try connection.query(
            """
            SELECT event_id, label, (extract(epoch FROM event_timestamp) * 1000)::bigint,
            (extract(epoch FROM available_at) * 1000)::bigint FROM labels WHERE event_id = ANY($1)
            """, [.array(eventIDs)])
        return (0..<result.count).map { row in
            Label(
                eventID: result.text(row, 0) ?? "", label: Int(result.integer(row, 1) ?? 0),
                eventMillis: result.integer(row, 2) ?? 0, availableMillis: result.integer(row, 3) ?? 0)
        }
    }
}
