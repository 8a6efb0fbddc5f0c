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

    /// The stored events of one partition with offsets in the range, in log order.
    public func scanEvents(
        _ source: SourceSchema, topic: String, partition: Int32, offsets: Range<Int64>, limit: Int? = nil,
        _ body: (SourceRow, LogPosition) throws -> Void
    ) throws {
        let place = "e._topic = \(PostgresQuoting.literal(topic)) AND e._partition = \(partition)"
        let range = "e._offset >= \(offsets.lowerBound) AND e._offset < \(offsets.upperBound)"
        try scan(source, where: "\(place) AND \(range)", order: .log, limit: limit, body)
    }

    /// The stored events of some entities of one partition before an offset, in log order. `keys` are values of the key field.
    public func scanEvents(
        _ source: SourceSchema, topic: String, partition: Int32, before offset: Int64, keys: [ByteString],
        _ body: (SourceRow, LogPosition) throws -> Void
    ) throws {
        guard !keys.isEmpty else { return }
        let place =
            "e._topic = \(PostgresQuoting.literal(topic)) AND e._partition = \(partition) AND e._offset < \(offset)"
        let list = keys.map { PostgresQuoting.literal($0.description) }.joined(separator: ", ")
        let key = quoted(source.fields[source.keyIndex].name)
        try scan(source, where: "\(place) AND e.\(key)::text IN (\(list))", order: .log, body)
    }

    /// For every stored event of one partition: its id, the text of its key, and its offset, in no order.
    public func scanIDs(
        _ source: SourceSchema, topic: String, partition: Int32,
        _ body: (_ id: ArraySlice<UInt8>, _ key: ArraySlice<UInt8>, _ offset: Int64) throws -> Void
    ) throws {
        let id = quoted(source.fields[source.eventIDIndex].name)
        let key = quoted(source.fields[source.keyIndex].name)
        try connection.copyOut(
            """
            SELECT \(id), \(key)::text, _offset FROM \(quoted(source.name))
            WHERE _topic = \(PostgresQuoting.literal(topic)) AND _partition = \(partition)
            """
        ) { row in try body(row.bytes(0), row.bytes(1), row.integer(2)) }
    }

    /// The stored events of one entity, in log order.
    public func scanEvents(of entity: String, in view: StreamView, _ body: (SourceRow, LogPosition) throws -> Void)
        throws
    {
        let key = quoted(view.source.fields[view.joinKeyIndex].name)
        try scan(view.source, where: "e.\(key)::text = \(PostgresQuoting.literal(entity))", order: .log, body)
    }

    private func scan(
        _ source: SourceSchema, where condition: String, order: ScanOrder, limit: Int? = nil,
        _ body: (SourceRow, LogPosition) throws -> Void
    ) throws {
        let table = EventTable(source)
        let key =
            order == .log ? "e._topic, e._partition, e._offset" : "e.event_timestamp, e._topic, e._partition, e._offset"
        var row = SourceRow(source)
        let limited = limit.map { " LIMIT \($0)" } ?? ""
        let sql =
            "SELECT \(table.selection(alias: "e")) FROM \(quoted(source.name)) e WHERE \(condition) ORDER BY \(key)\(limited)"
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
        let tables = views.map { FeatureTable($0) }
        var selection = events.selection(alias: "e")
        var joins = ""
        for (index, table) in tables.enumerated() where !table.view.features.isEmpty {
            selection += ", " + table.selection(alias: "f\(index)")
            joins += " JOIN \(quoted(table.view.name)) f\(index) ON f\(index).event_id = e.\(events.idColumn)"
            joins += " AND f\(index).definition_hash = \(PostgresQuoting.literal(definitionHash))"
        }
        let from = fromMillis.map { " WHERE e.event_timestamp >= to_timestamp(\($0) / 1000.0)" } ?? ""
        let sql = """
            SELECT \(selection), l.label FROM \(quoted(source.name)) e\(joins)
            LEFT JOIN (\(arrivedLabels(of: source))) l ON l.event_id = e.\(events.idColumn)\(from)
            ORDER BY e.event_timestamp, e._topic, e._partition, e._offset
            """
        var row = SourceRow(source)
        var vectors = views.map { FeatureVector(count: $0.features.count) }
        // Tables that were just filled have no statistics: where few rows are expected, nested loops would read one for each of
        // the other, for minutes.
        try connection.execute("SET enable_nestloop = off")
        defer { _ = try? connection.execute("RESET enable_nestloop") }
        try connection.copyOut(sql) { stored in
            guard let position = try read(stored, of: events, into: &row) else { return }
            var column = source.fields.count + 3
            for (index, table) in tables.enumerated() {
                table.read(stored, from: column, into: &vectors[index])
                column += table.view.features.count
            }
            try body(row, vectors, stored.isNull(column) ? nil : Int(stored.integer(column)), position)
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
