public import FeatureEngine
public import FeatureStore
public import Pipeline
import PostgresClient

/// Which entities are looked at, and from when on.
public struct EntitySample: Sendable {
    /// The share of the entities, 1 for all.
    public let share: Double
    /// Which of them: the same number is the same entities.
    public let seed: Int64
    /// The event time from which on rows count, ms UTC; nil for all.
    public let sinceMillis: Int64?

    /// Describes a sample.
    public init(share: Double = 1, seed: Int64 = 0, sinceMillis: Int64? = nil) {
        (self.share, self.seed, self.sinceMillis) = (share, seed, sinceMillis)
    }

    /// Whether the text of `key` is one of them, as SQL.
    func condition(_ key: String) -> String {
        guard share < 1 else { return "true" }
        return "(hashtextextended(\(key)::text, \(seed)) & 1048575) < \(Int64(max(0, share) * 1_048_576))"
    }

    var since: String { sinceMillis.map { "to_timestamp(\($0) / 1000.0)" } ?? "'-infinity'::timestamptz" }
}

/// What is stored of one event in one view.
public struct StoredFeatures: Sendable {
    /// v: the position before the event.
    public let position: LogPosition
    /// The definitions it was computed under.
    public let definitionHash: String
    /// The features.
    public let vector: FeatureVector
}

/// A stored event, and what is stored of it in each view of its feed.
public struct StoredEvent: Sendable {
    /// The event; of its fields only the key, the id, the event time and those that views aggregate are set.
    public let row: SourceRow
    /// Its place in the log.
    public let position: LogPosition
    /// Whether its rows count.
    public let isDue: Bool
    /// Its rows, nil where there is none.
    public let features: [StoredFeatures?]
}

/// Stored rows beside the events they were computed from.
extension PostgresOfflineStore {
    /// Every stored event of the sampled entities of a feed that has one that counts: entity after entity, in the order of the
    /// feed's log. Events that are not on its topic yet are left out: the stream has not computed their rows.
    public func scanStoredRows(
        _ feed: ViewFeed, _ sample: EntitySample, _ body: (StoredEvent) throws -> Void
    ) throws {
        let source = feed.source
        let table = EventTable(source)
        let fields = fields(of: feed)
        let key = "e.\(quoted(source.fields[feed.keyIndex].name))"
        let tables = feed.views.map { FeatureTable($0) }
        var selection = fields.map { "e.\(quoted(source.fields[$0].name))" }
        let (from, place) = table.placed(on: feed)
        selection += ["_topic", "_partition", "_offset"].map { "\(place).\($0)" }
        selection.append("e.event_timestamp >= \(sample.since)")
        var joins = ""
        for (index, table) in tables.enumerated() {
            selection += ["_topic", "_partition", "v", "definition_hash"].map { "f\(index).\($0)" }
            if !table.view.features.isEmpty { selection.append(table.selection(alias: "f\(index)")) }
            joins +=
                " LEFT JOIN \(quoted(table.view.name)) f\(index) ON f\(index).event_id = e.\(EventTable(source).idColumn)"
        }
        let name = quoted(source.name)
        let keyName = quoted(source.fields[feed.keyIndex].name)
        let due =
            sample.sinceMillis == nil
            ? "" : " AND \(key) IN (SELECT \(keyName) FROM \(name) WHERE event_timestamp >= \(sample.since))"
        var row = SourceRow(source)
        try connection.execute("SET enable_nestloop = off; SET work_mem = '64MB'")
        defer { _ = try? connection.execute("RESET enable_nestloop; RESET work_mem") }
        try connection.copyOut(
            """
            SELECT \(selection.joined(separator: ", ")) FROM \(from)\(joins)
            WHERE \(place)._offset IS NOT NULL AND \(sample.condition(key))\(due)
            ORDER BY \(key)::text COLLATE "C", \(place)._topic, \(place)._partition, \(place)._offset
            """
        ) { stored in
            row.reset()
            do {
                for (column, field) in fields.enumerated() {
                    try table.set(field, of: &row, from: stored, column: column)
                }
            } catch let error as FieldError where table.isKey(error.field) {
                return  // Of a key that is none any more: in no window, and nobody can ask for it.
            }
            var column = fields.count + 4
            var features: [StoredFeatures?] = []
            for table in tables {
                features.append(Self.features(stored, of: table, at: column))
                column += 4 + table.view.features.count
            }
            try body(
                StoredEvent(
                    row: row, position: Self.position(stored, at: fields.count),
                    isDue: stored.boolean(fields.count + 3), features: features))
        }
    }

    /// Rows of a view without the event they were computed from: the event's id and place.
    public func scanOrphans(
        _ view: StreamView, _ body: (_ eventID: String, _ position: LogPosition) throws -> Void
    ) throws {
        try connection.copyOut(
            """
            SELECT f.event_id, f._topic, f._partition, f.v + 1 FROM \(quoted(view.name)) f WHERE NOT EXISTS
            (SELECT FROM \(quoted(view.source.name)) e WHERE e.\(EventTable(view.source).idColumn) = f.event_id)
            """
        ) { stored in try body(stored.text(0) ?? "", Self.position(stored, at: 1)) }
    }

    /// Whether a view has rows of these definitions.
    public func hasRows(of view: StreamView, definitionHash: String) throws -> Bool {
        try connection.query(
            "SELECT EXISTS (SELECT FROM \(quoted(view.name)) WHERE definition_hash = $1)", [.text(definitionHash)]
        ).boolean(0, 0) == true
    }

    /// Of each partition of a topic whose rows are in `table`: the records read, and those that are accounted for as rows, dead
    /// letters, repeats, gaps or deleted by age. Within a `snapshot` of one moment.
    public func totals(
        ofTopic topic: String, table: String
    ) throws -> [(partition: Int64, read: Int64, found: Int64)] {
        let result = try connection.query(
            """
            SELECT s.partition, s.next_offset, s.duplicates + s.gaps + s.removed
                + (SELECT count(*) FROM dead_letters d WHERE d._topic = s.topic AND d._partition = s.partition)
                + (SELECT count(*) FROM \(quoted(table)) t WHERE t._topic = s.topic AND t._partition = s.partition)
            FROM partition_state s WHERE s.topic = $1 ORDER BY s.partition
            """, [.text(topic)])
        return (0..<result.count).map { row in
            (result.integer(row, 0) ?? 0, result.integer(row, 1) ?? 0, result.integer(row, 2) ?? 0)
        }
    }

    private func fields(of feed: ViewFeed) -> [Int] {
        var fields: [Int] = []
        let aggregated = feed.views.flatMap(\.features).compactMap(\.field)
        for field in [feed.source.eventTimeIndex, feed.source.eventIDIndex, feed.keyIndex] + aggregated
        where !fields.contains(field) {
            fields.append(field)
        }
        return fields
    }

    private static func position(_ stored: PostgresCopyRow, at column: Int) -> LogPosition {
        LogPosition(
            topic: stored.text(column) ?? "", partition: Int32(truncatingIfNeeded: stored.integer(column + 1)),
            offset: stored.integer(column + 2))
    }

    private static func features(_ stored: PostgresCopyRow, of table: FeatureTable, at column: Int) -> StoredFeatures? {
        guard !stored.isNull(column) else { return nil }
        var vector = FeatureVector(count: table.view.features.count)
        table.read(stored, from: column + 4, into: &vector)
        return StoredFeatures(
            position: position(stored, at: column), definitionHash: stored.text(column + 3) ?? "", vector: vector)
    }
}
