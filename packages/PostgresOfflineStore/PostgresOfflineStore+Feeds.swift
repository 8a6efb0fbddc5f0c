public import FeatureEngine
public import FeatureStore
public import Pipeline
import PostgresClient

/// The stored events as a feed's topic has them. Those of the source's own topic lie where their table says; by another key their
/// places are in `rekeyed_events`.
extension PostgresOfflineStore {
    /// The stored events of one partition with offsets in the range, in log order.
    public func scanEvents(
        _ feed: ViewFeed, partition: Int32, offsets: Range<Int64>, limit: Int? = nil,
        _ body: (SourceRow, LogPosition) throws -> Void
    ) throws {
        let query = FeedQuery(feed)
        let range = "\(query.place)._offset >= \(offsets.lowerBound) AND \(query.place)._offset < \(offsets.upperBound)"
        let limited = limit.map { " LIMIT \($0)" } ?? ""
        try scan(
            query.table,
            "SELECT \(query.selection) FROM \(query.from) WHERE \(query.isIn(partition)) AND \(range) "
                + "ORDER BY \(query.place)._offset\(limited)", body)
    }

    /// The stored events of some entities of one partition before an offset, in log order. `keys` are values of the feed's key.
    public func scanEvents(
        _ feed: ViewFeed, partition: Int32, before offset: Int64, keys: [ByteString],
        _ body: (SourceRow, LogPosition) throws -> Void
    ) throws {
        guard !keys.isEmpty else { return }
        let query = FeedQuery(feed)
        try scan(
            query.table,
            "SELECT \(query.selection) FROM \(query.from) WHERE \(query.isIn(partition)) "
                + "AND \(query.place)._offset < \(offset) AND \(query.key)::text IN (\(Self.list(keys))) "
                + "ORDER BY \(query.place)._offset", body)
    }

    /// For every stored event of one partition: its id, the text of its key, and its offset, in no order.
    public func scanIDs(
        _ feed: ViewFeed, partition: Int32,
        _ body: (_ id: ArraySlice<UInt8>, _ key: ArraySlice<UInt8>, _ offset: Int64) throws -> Void
    ) throws {
        let query = FeedQuery(feed)
        try connection.copyOut(
            """
            SELECT \(query.id), \(query.key)::text, \(query.place)._offset FROM \(query.from)
            WHERE \(query.isIn(partition))
            """
        ) { row in try body(row.bytes(0), row.bytes(1), row.integer(2)) }
    }

    /// Every stored event of a feed's source in the order of the feed's log. An event that is not on the feed's topic yet has no
    /// place; these come last, by event time, which is the order they are brought there in.
    public func scanEvents(_ feed: ViewFeed, _ body: (SourceRow, LogPosition?) throws -> Void) throws {
        guard feed.isRekeyed else { return try scanEvents(feed.source, order: .log) { try body($0, $1) } }
        let query = FeedQuery(feed)
        var row = SourceRow(feed.source)
        let sql = """
            SELECT \(query.selection) FROM \(query.from)
            ORDER BY p._partition NULLS LAST, p._offset, e.event_timestamp, e._topic, e._partition, e._offset
            """
        try connection.copyOut(sql) { stored in
            let isPlaced = !stored.isNull(feed.source.fields.count)
            guard let position = try read(stored, of: query.table, into: &row) else { return }
            try body(row, isPlaced ? position : nil)
        }
    }

    /// The stored events of these ids, with their places on the source's own topic.
    public func scanEvents(
        _ source: SourceSchema, ids: [ByteString], _ body: (SourceRow, LogPosition) throws -> Void
    ) throws {
        guard !ids.isEmpty else { return }
        let table = EventTable(source)
        try scan(
            table,
            "SELECT \(table.selection()) FROM \(quoted(source.name)) e WHERE e.\(table.idColumn) IN (\(Self.list(ids)))",
            body)
    }

    /// Of these events, those that have a place on a feed's topic.
    public func rekeyed(_ ids: Set<ByteString>, topic: String) throws -> Set<ByteString> {
        guard !ids.isEmpty else { return [] }
        let result = try connection.query(
            "SELECT event_id FROM \(RekeyedTable.name) WHERE _topic = $1 AND event_id = ANY($2)",
            [.text(topic), .array(ids.map(\.description))])
        return Set((0..<result.count).compactMap { result.text($0, 0).map { ByteString($0) } })
    }

    /// Stored events that have no place on a feed's topic: at most `limit`, by event time. Of each partition of the source's topic
    /// those from a position on, and before `before`.
    public func scanMissing(
        on feed: ViewFeed, in ranges: [(before: LogPosition, from: Int64)], limit: Int,
        _ body: (SourceRow, LogPosition) throws -> Void
    ) throws {
        let ranges = ranges.filter { $0.from < $0.before.offset }
        guard !ranges.isEmpty else { return }
        let query = FeedQuery(feed)
        let parts = ranges.map { before, from in
            "(e._topic = \(PostgresQuoting.literal(before.topic)) AND e._partition = \(before.partition) "
                + "AND e._offset >= \(from) AND e._offset < \(before.offset))"
        }
        try scan(
            query.table,
            """
            SELECT \(query.table.selection()) FROM \(quoted(feed.source.name)) e
            WHERE (\(parts.joined(separator: " OR ")))
            AND NOT EXISTS (SELECT FROM \(RekeyedTable.name) p WHERE p._topic = \(query.topic) AND p.event_id = \(query.id))
            ORDER BY e.event_timestamp, e._topic, e._partition, e._offset LIMIT \(limit)
            """, body)
    }

    static func list(_ texts: [ByteString]) -> String {
        texts.map { PostgresQuoting.literal($0.description) }.joined(separator: ", ")
    }
}

/// The parts of a statement over a feed's events.
private struct FeedQuery {
    let table: EventTable
    /// The table that has the places.
    let place: String
    let id: String
    let key: String
    let topic: String
    let from: String

    init(_ feed: ViewFeed) {
        table = EventTable(feed.source)
        id = "e.\(table.idColumn)"
        key = "e.\(quoted(feed.source.fields[feed.keyIndex].name))"
        topic = PostgresQuoting.literal(feed.topic)
        (from, place) = table.placed(on: feed)
    }

    var selection: String { table.selection(place: place) }

    func isIn(_ partition: Int32) -> String { "\(place)._topic = \(topic) AND \(place)._partition = \(partition)" }
}
