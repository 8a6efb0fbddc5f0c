public import FeatureEngine
public import FeatureStore
public import PostgresClient

/// Entities and moments in a table of this connection's own: the left side of a point-in-time join.
///
///     (card, t) rows ──COPY──▶ moments ┐                       ┌ event at position 3
///                                      ├─ one sort by (key, v) ┤ event at position 7
///     stored events of those cards ────┘                       └ moment t, v = 7      ──▶ F(card, t, 7)
///
/// Postgres sorts, on disk where it must, and gives one entity after the other: what reads the steps holds one entity's state,
/// however many moments and events there are. The table goes with the connection, which does nothing else.
public final class MomentTable {
    /// What a scan comes to next.
    public enum Step {
        /// An event of the entity, at its position; of its fields only the event time and those that views aggregate are set.
        case event(SourceRow, position: Int64)
        /// A moment by the number of its row, ms UTC: every event of the entity up to v came before.
        case moment(row: Int64, atMillis: Int64, v: Int64)
    }

    private let store: PostgresOfflineStore
    private let source: SourceSchema
    private let keyIndexes: [Int]
    private let hasEventIDs: Bool
    private let rows = PostgresCopyBuffer(capacity: 1 << 20)
    private var pending = 0

    private var columns: [String] { ["n", "t", "v", "id"] + keyIndexes.indices.map { "k\($0)" } }

    /// Makes the table. `keyIndexes` are the fields of the source that entities go by, one a feed of the views.
    public init(
        _ store: PostgresOfflineStore, source: SourceSchema, keyIndexes: [Int], hasEventIDs: Bool
    ) throws {
        (self.store, self.source, self.keyIndexes, self.hasEventIDs) = (store, source, keyIndexes, hasEventIDs)
        // Few rows are expected of tables without statistics, and nested loops would read one for each of the other, for minutes.
        try store.connection.execute("SET enable_nestloop = off; SET work_mem = '64MB'")
        let keys = keyIndexes.indices.map { ", k\($0) text COLLATE \"C\"" }.joined()
        try store.connection.execute(
            "CREATE TEMPORARY TABLE _moments (n bigint, t timestamptz, v bigint, id text\(keys))")
    }

    /// Whether the events of a source were ever stored.
    public static func hasEvents(of source: SourceSchema, _ store: PostgresOfflineStore) throws -> Bool {
        try store.connection.query("SELECT to_regclass($1) IS NOT NULL", [.text(quoted(source.name))]).boolean(0, 0)
            == true
    }

    /// Adds a row: the entity's key in each feed, the moment, and the event that is meant, where one is, or v, where it is known.
    public func add(
        row: Int64, keys: [ByteString], atMillis: Int64, eventID: ByteString? = nil, v: Int64? = nil
    ) throws(PostgresError) {
        rows.beginRow(columns: 4 + keys.count)
        rows.add(row)
        rows.add(millis: atMillis)
        if let v { rows.add(v) } else { rows.addNull() }
        if let eventID { rows.add(bytes: eventID.bytes) } else { rows.addNull() }
        for key in keys { rows.add(bytes: key.bytes) }
        pending += 1
        if pending == 10_000 { try flush() }
    }

    /// Ends the adding.
    public func finish() throws(PostgresError) {
        try flush()
        try store.connection.execute("ANALYZE _moments")
    }

    private func flush() throws(PostgresError) {
        guard pending > 0 else { return }
        try store.connection.copyIn(table: "_moments", columns: columns, rows: rows)
        rows.removeAll()
        pending = 0
    }

    // MARK: Reading

    /// Goes over the events and moments of one feed's entities: by key, then position on the feed's topic. v of a moment, where it
    /// was not given, is the position before the event that is meant, or before the first of the entity's events at this very
    /// moment; where there is none, the highest position of its events before the moment; −1 for an entity that had none. Events
    /// that are not on the feed's topic yet come behind those that are, by event time: the order they are brought there in.
    public func scan(_ feed: ViewFeed, _ body: (_ key: ArraySlice<UInt8>, _ step: Step) throws -> Void) throws {
        let table = EventTable(source)
        let fields = fields(of: feed)
        var row = SourceRow(source)
        var (key, place): (ArraySlice<UInt8>, ArraySlice<UInt8>) = ([], [])
        var partition: Int64 = -1
        try store.connection.copyOut(sql(feed, fields)) { stored in
            guard stored.integer(2) == 0 else {
                return try body(
                    stored.bytes(0),
                    .moment(row: stored.integer(4), atMillis: stored.millis(3), v: stored.integer(1)))
            }
            if key != stored.bytes(0) {
                (key, place, partition) = (stored.bytes(0), stored.bytes(5), stored.integer(6))
            } else if !stored.isNull(5), place != stored.bytes(5) || partition != stored.integer(6) {
                throw DividedEntity(
                    field: source.fields[feed.keyIndex].name, key: ByteString(key),
                    partitions: [(ByteString(place), partition), (ByteString(stored.bytes(5)), stored.integer(6))])
            }
            row.reset()
            for (column, field) in fields.enumerated() {
                try table.set(field, of: &row, from: stored, column: 7 + column)
            }
            try body(stored.bytes(0), .event(row, position: stored.integer(1)))
        }
    }

    /// Of each row whose event has a label that has arrived, the label: whether it is a fraud. A label is known only from its delay
    /// after the event on, and what the newest stored event does not know yet is no label.
    public func scanLabels(_ body: (_ row: Int64, _ isFraud: Bool) throws -> Void) throws {
        try store.connection.copyOut(
            "SELECT m.n, l.label FROM _moments m JOIN (\(store.arrivedLabels(of: source))) l ON l.event_id = m.id"
        ) { stored in try body(stored.integer(0), stored.integer(1) == 1) }
    }

    private func fields(of feed: ViewFeed) -> [Int] {
        var fields = [source.eventTimeIndex]
        for field in feed.views.flatMap(\.features).compactMap(\.field) where !fields.contains(field) {
            fields.append(field)
        }
        return fields
    }

    private func sql(_ feed: ViewFeed, _ fields: [Int]) -> String {
        guard let number = keyIndexes.firstIndex(of: feed.keyIndex) else {
            preconditionFailure("a feed of another key")
        }
        let table = EventTable(source)
        let key = quoted(source.fields[feed.keyIndex].name)
        let (from, place) = table.placed(on: feed)
        let position =
            feed.isRekeyed
            ? """
            coalesce(p._offset, \(Int64(1) << 62) + row_number() OVER (
                ORDER BY e.event_timestamp, e._topic, e._partition, e._offset))
            """ : "e._offset"
        let id = hasEventIDs ? ", e.\(table.idColumn) AS id" : ""
        let values = fields.enumerated().map { ", e.\(quoted(source.fields[$1].name)) AS c\($0)" }.joined()
        let names = fields.indices.map { ", c\($0)" }.joined()
        let nulls = fields.map { ", NULL::\(source.fields[$0].type.columnType)" }.joined()
        let meant =
            hasEventIDs
            ? """
            , coalesce(m.v, o.p - 1) AS own FROM _moments m LEFT JOIN events o
            ON o.id = m.id AND o.k = m.k\(number) AND o.t = m.t
            """ : ", m.v AS own FROM _moments m"
        return """
            WITH events AS MATERIALIZED (
                SELECT e.\(key)::text COLLATE "C" AS k, \(position) AS p, e.event_timestamp AS t,
                    \(place)._topic AS topic, \(place)._partition AS part\(id)\(values)
                FROM \(from) WHERE e.\(key)::text IN (SELECT k\(number) FROM _moments)),
            marks AS (
                SELECT k, t, 0 AS kind, p, NULL::bigint AS n, NULL::bigint AS own FROM events
                UNION ALL
                SELECT m.k\(number), m.t, 1, NULL, m.n\(meant)),
            placed AS (
                SELECT k, t, kind, n, coalesce(own, min(p) OVER (PARTITION BY k, t) - 1, max(p) OVER (
                    PARTITION BY k ORDER BY t, kind DESC ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW), -1) AS v
                FROM marks)
            SELECT k, p, 0 AS kind, t, NULL::bigint AS n, topic, part\(names) FROM events
            UNION ALL
            SELECT k, v, 1, t, n, NULL, NULL\(nulls) FROM placed WHERE kind = 1
            ORDER BY 1, 2, 3, 4, 5
            """
    }
}

/// An entity whose events lie in two partitions: the topic's partition count was changed, and their order is lost.
public struct DividedEntity: Error, CustomStringConvertible {
    let field: String
    let key: ByteString
    let partitions: [(topic: ByteString, partition: Int64)]

    /// Which entity, where its events lie, and how that came.
    public var description: String {
        let places = partitions.map { "\($0.topic)/\($0.partition)" }.joined(separator: " and ")
        return
            "\(field) \(key) has events in two partitions, \(places): the topic's partition count was changed, and their order is lost"
    }
}
