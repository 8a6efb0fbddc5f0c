public import FeatureEngine
import FeatureStore
import Pipeline
public import PostgresClient

/// The table of one source: its declared columns, the event time, and the place in the log.
public struct EventTable: Sendable {
    /// Its events.
    public let source: SourceSchema

    /// The table of a source.
    public init(_ source: SourceSchema) { self.source = source }

    var idColumn: String { quoted(source.fields[source.eventIDIndex].name) }

    var definition: TableDefinition {
        var columns = source.fields.map {
            TableDefinition.Column($0.name, $0.type.columnType, isRequired: !$0.isOptional)
        }
        columns += [
            .init("event_timestamp", "timestamp with time zone"), .init("_topic", "text"),
            .init("_partition", "integer"),
            .init("_offset", "bigint"),
        ]
        return TableDefinition(
            name: source.name, columns: columns, primaryKey: source.fields[source.eventIDIndex].name,
            indexes: [
                ("position", true, ["_topic", "_partition", "_offset"]),
                ("event_timestamp", false, ["event_timestamp"]),
            ])
    }

    // MARK: Writing

    /// The columns of `add`, in order.
    public var columns: [String] { definition.columns.map(\.name) }

    /// Appends one event to a COPY of this table.
    public func add(_ row: SourceRow, topic: [UInt8], partition: Int32, offset: Int64, to rows: PostgresCopyBuffer) {
        rows.beginRow(columns: source.fields.count + 4)
        for index in source.fields.indices {
            guard row.isPresent(index) else {
                rows.addNull()
                continue
            }
            guard let bits = row.bits(index) else {
                rows.add(bytes: row.bytes(index))
                continue
            }
            switch source.fields[index].type {
            case .string: rows.addNull()  // Text has no bits.
            case .integer: rows.add(bits)
            case .double: rows.add(Double(bitPattern: UInt64(bitPattern: bits)))
            case .decimal(let places): rows.add(minorUnits: bits, places: places)
            case .boolean: rows.add(bits != 0)
            }
        }
        rows.add(millis: row.eventTimeMillis)
        rows.add(bytes: topic)
        rows.add(partition)
        rows.add(offset)
    }

    // MARK: Reading

    /// The columns `read` expects, from a table called `e` and one that has the places, which may be the same: an SQL list.
    func selection(place: String = "e") -> String {
        let fields = source.fields.map { "e.\(quoted($0.name))" }
        return (fields + ["_topic", "_partition", "_offset"].map { "\(place).\($0)" }).joined(separator: ", ")
    }

    /// The source's events, called `e`, with the table of their places on a feed's topic, as SQL. By another key that is `p`, whose
    /// columns are NULL for an event that is not on that topic yet.
    func placed(on feed: ViewFeed) -> (from: String, place: String) {
        guard feed.isRekeyed else { return ("\(quoted(source.name)) e", "e") }
        let topic = PostgresQuoting.literal(feed.topic)
        return (
            "\(quoted(source.name)) e LEFT JOIN \(RekeyedTable.name) p ON p.event_id = e.\(idColumn) AND p._topic = \(topic)",
            "p"
        )
    }

    /// The event's place, of a result of `selection`.
    func position(of stored: PostgresCopyRow) -> LogPosition {
        let next = source.fields.count
        return LogPosition(
            topic: stored.text(next) ?? "", partition: Int32(truncatingIfNeeded: stored.integer(next + 1)),
            offset: stored.integer(next + 2))
    }

    /// Whether a field says whose event it is, or which.
    func isKey(_ field: String) -> Bool {
        source.index(of: field).map(source.isName) ?? false
    }

    /// Fills a row from a result of `selection`. What was stored was valid, so an error here means that the table is not of this
    /// definition, or that a key was stored before there was a rule for it.
    func read(_ stored: PostgresCopyRow, into row: inout SourceRow) throws {
        row.reset()
        for index in source.fields.indices { try set(index, of: &row, from: stored, column: index) }
        try row.finish()
    }

    /// Sets one field of a row from a column of a result; NULL leaves it missing.
    func set(_ index: Int, of row: inout SourceRow, from stored: PostgresCopyRow, column: Int) throws {
        guard !stored.isNull(column) else { return }
        let field = source.fields[index]
        switch field.type {
        case .string: try row.set(index, text: stored.bytes(column).span)
        case .integer: try row.set(index, bits: stored.integer(column))
        case .double: try row.set(index, bits: Int64(bitPattern: stored.double(column).bitPattern))
        case .decimal(let places):
            guard let units = stored.minorUnits(column, places: places) else {
                throw FieldError(field.name, "is stored with more than \(places) decimals")
            }
            try row.set(index, bits: units)
        case .boolean: try row.set(index, bits: stored.boolean(column) ? 1 : 0)
        }
    }
}
