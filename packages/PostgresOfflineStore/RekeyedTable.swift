import FeatureEngine
public import PostgresClient

/// The places of events in topics that hold them by another key than their source's topic.
public enum RekeyedTable {
    /// The table's name.
    public static let name = "rekeyed_events"
    /// The columns of `add`, in order.
    public static let columns = ["_topic", "event_id", "_partition", "_offset"]

    /// Appends one event's place to a COPY of the table.
    public static func add(
        _ eventID: ArraySlice<UInt8>, topic: [UInt8], partition: Int32, offset: Int64, to rows: PostgresCopyBuffer
    ) {
        rows.beginRow(columns: columns.count)
        rows.add(bytes: topic)
        rows.add(bytes: eventID)
        rows.add(partition)
        rows.add(offset)
    }
}
