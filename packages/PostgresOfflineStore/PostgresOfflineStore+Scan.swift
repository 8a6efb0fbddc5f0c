public import FeatureEngine
public import Pipeline
import PostgresClient

/// The order of a scan.
public enum ScanOrder: Sendable {
    /// Partition after partition, by offset: the order the stream saw.
    case log
    /// By event time, then place in the log.
    case eventTime
}

extension PostgresOfflineStore {
    /// Every stored event of a source. The row is reused: copy what must outlive the call.
    public func scanEvents(
        _ source: SourceSchema, order: ScanOrder = .log, _ body: (SourceRow, LogPosition) throws -> Void
    ) throws {
        try scan(source, where: "true", order: order, body)
    }

    /// The stored events of one entity, in log order.
    public func scanEvents(of entity: String, in view: StreamView, _ body: (SourceRow, LogPosition) throws -> Void)
        throws
    {
        let key = quoted(view.source.fields[view.joinKeyIndex].name)
        try scan(view.source, where: "e.\(key)::text = \(PostgresQuoting.literal(entity))", order: .log, body)
    }

    private func scan(
        _ source: SourceSchema, where condition: String, order: ScanOrder,
        _ body: (SourceRow, LogPosition) throws -> Void
    ) throws {
        let table = EventTable(source)
        let key =
            order == .log ? "e._topic, e._partition, e._offset" : "e.event_timestamp, e._topic, e._partition, e._offset"
        try scan(
            table, "SELECT \(table.selection()) FROM \(quoted(source.name)) e WHERE \(condition) ORDER BY \(key)", body)
    }

    /// What a statement gives that selects the columns of `EventTable.selection`.
    func scan(_ table: EventTable, _ sql: String, _ body: (SourceRow, LogPosition) throws -> Void) throws {
        var row = SourceRow(table.source)
        try connection.copyOut(sql) { stored in
            if let position = try read(stored, of: table, into: &row) { try body(row, position) }
        }
    }

    /// The newest event time of a source, ms UTC; nil without events. The newest thousandth of the events, two at least, are left
    /// out: one event with a wrong time would make everything older seem long past. Of up to two events it is the oldest.
    public func newestEventMillis(of source: SourceSchema) throws -> Int64? {
        try connection.execute(
            "SELECT (extract(epoch FROM \(newestEvent(of: source))) * 1000)::bigint"
        ).integer(0, 0)
    }

    private func newestEvent(of source: SourceSchema) -> String {
        let table = quoted(source.name)
        return """
            (SELECT event_timestamp FROM \(table) ORDER BY event_timestamp DESC LIMIT 1 OFFSET
             (SELECT least(greatest(2, count(*) / 1000), greatest(count(*) - 1, 0)) FROM \(table)))
            """
    }

    /// SQL of (event_id, label): of each event the label that holds, where one had arrived at the newest event's time.
    func arrivedLabels(of source: SourceSchema) -> String {
        """
        SELECT DISTINCT ON (event_id) event_id, label FROM labels g
        WHERE available_at <= \(newestEvent(of: source)) AND retracts = ''
        AND NOT (feedback_id <> '' AND EXISTS (SELECT FROM labels r WHERE r.retracts = g.feedback_id
                                                AND r.retracts <> ''))
        ORDER BY event_id, available_at DESC, _offset DESC
        """
    }

    /// How many events of a source are stored.
    public func eventCount(of source: SourceSchema) throws -> Int {
        Int(try connection.execute("SELECT count(*) FROM \(quoted(source.name))").integer(0, 0) ?? 0)
    }

    /// Every event that has features of these views under the present definitions, by event time: the event, one vector a
    /// view, and its label where one had arrived at `newestEventMillis`: a label that will be known later teaches nothing yet.
    public func scanTrainingRows(
        source: SourceSchema, views: [StreamView], definitionHash: String, fromMillis: Int64? = nil,
        _ body: (_ row: SourceRow, _ vectors: [FeatureVector], _ label: Int?, _ position: LogPosition) throws -> Void
    ) throws {
        let events = EventTable(source)
        let hash = PostgresQuoting.literal(definitionHash)
        let from = fromMillis.map { " WHERE e.event_timestamp >= to_timestamp(\($0) / 1000.0)" } ?? ""
        let labels = "LEFT JOIN (\(arrivedLabels(of: source))) l ON l.event_id = e.\(events.idColumn)\(from)"
        try join(
            events, views, in: views.map(\.name), matching: "definition_hash = \(hash)", also: ", l.label", labels,
            order: "e.event_timestamp, e._topic, e._partition, e._offset"
        ) { row, vectors, stored, next, position in
            try body(row, vectors, stored.isNull(next) ? nil : Int(stored.integer(next)), position)
        }
    }

    /// Every event that has a row in each of these tables, which hold the views' features: the event and one vector a view, in the
    /// order of the source's log.
    public func scanRows(
        _ source: SourceSchema, _ views: [StreamView], in tables: [String],
        _ body: (SourceRow, [FeatureVector]) throws -> Void
    ) throws {
        try join(
            EventTable(source), views, in: tables, matching: nil, also: "", "",
            order: "e._topic, e._partition, e._offset"
        ) { row, vectors, _, _, _ in try body(row, vectors) }
    }

    /// Events joined with the rows of their views; what else is selected begins at `next`.
    private func join(
        _ events: EventTable, _ views: [StreamView], in names: [String], matching condition: String?,
        also more: String, _ moreTables: String, order: String,
        _ body: (SourceRow, [FeatureVector], _ stored: PostgresCopyRow, _ next: Int, LogPosition) throws -> Void
    ) throws {
        let tables = views.map { FeatureTable($0) }
        var selection = events.selection()
        var joins = ""
        for (index, table) in tables.enumerated() where !table.view.features.isEmpty {
            selection += ", " + table.selection(alias: "f\(index)")
            joins += " JOIN \(quoted(names[index])) f\(index) ON f\(index).event_id = e.\(events.idColumn)"
            joins += condition.map { " AND f\(index).\($0)" } ?? ""
        }
        let sql =
            "SELECT \(selection)\(more) FROM \(quoted(events.source.name)) e\(joins) \(moreTables) ORDER BY \(order)"
        var row = SourceRow(events.source)
        var vectors = views.map { FeatureVector(count: $0.features.count) }
        // Tables that were just filled have no statistics: where few rows are expected, nested loops would read one for each of
        // the other, for minutes.
        try connection.execute("SET enable_nestloop = off")
        defer { _ = try? connection.execute("RESET enable_nestloop") }
        try connection.copyOut(sql) { stored in
            guard let position = try read(stored, of: events, into: &row) else { return }
            var column = events.source.fields.count + 3
            for (index, table) in tables.enumerated() {
                table.read(stored, from: column, into: &vectors[index])
                column += table.view.features.count
            }
            try body(row, vectors, stored, column, position)
        }
    }

    /// The stored feature rows of one view in log order, as (event id, v, vector): for comparing with another computation.
    public func scanFeatures(
        _ view: StreamView, _ body: (_ eventID: String, _ position: LogPosition, _ vector: FeatureVector) throws -> Void
    ) throws {
        let table = FeatureTable(view)
        var vector = FeatureVector(count: view.features.count)
        let sql = """
            SELECT f.event_id, f._topic, f._partition, f.v, \(table.selection(alias: "f")) FROM \(quoted(view.name)) f
            ORDER BY f._topic, f._partition, f.v
            """
        try connection.copyOut(sql) { stored in
            table.read(stored, from: 4, into: &vector)
            let position = LogPosition(
                topic: stored.text(1) ?? "", partition: Int32(truncatingIfNeeded: stored.integer(2)),
                offset: stored.integer(3))
            try body(stored.text(0) ?? "", position, vector)
        }
    }
}
