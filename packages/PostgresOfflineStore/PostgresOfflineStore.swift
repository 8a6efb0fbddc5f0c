public import FeatureEngine
import Pipeline
public import PostgresClient

/// History in Postgres: events as they were received, feature rows as they were computed, labels and positions. One
/// connection, one thread.
public final class PostgresOfflineStore {
    /// The connection everything goes through.
    public let connection: PostgresConnection
    /// Stored events that scans passed over, because their key or id breaks the rule for those (an older version stored blank and
    /// longer ones): nobody can ask for them any more.
    private var unusable = UnusableEvents()

    /// Works on a connection.
    public init(_ connection: PostgresConnection) { self.connection = connection }

    /// Connects.
    public convenience init(
        url: String, applicationName: String = "needletail", limits: PostgresLimits = .init()
    ) throws(PostgresError) {
        self.init(try PostgresConnection(url: url, applicationName: applicationName, limits: limits))
    }

    /// What the scans since the last call passed over, for whoever scanned to say.
    public func takeUnusable() -> UnusableEvents {
        defer { unusable = UnusableEvents() }
        return unusable
    }

    /// Makes the tables of sources and views, and adds the columns that are new in those that exist. Nothing is ever
    /// dropped, and a column that exists with another type is refused.
    public func createTables(sources: [SourceSchema], views: [StreamView]) throws {
        try connection.transaction {
            try connection.execute("SELECT pg_advisory_xact_lock(\(Migration.lock))")
            for source in sources { try make(EventTable(source).definition) }
            for view in views { try make(FeatureTable(view).definition) }
        }
    }

    /// Fills a row from a scan; nil for an event whose key or id is none any more.
    func read(_ stored: PostgresCopyRow, of table: EventTable, into row: inout SourceRow) throws -> LogPosition? {
        let position = table.position(of: stored)
        do { try table.read(stored, into: &row) } catch let error as FieldError where table.isKey(error.field) {
            unusable.add(position, error)
            return nil
        }
        return position
    }

    private func make(_ table: TableDefinition) throws {
        let existing = try connection.query(
            """
            SELECT a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_attribute a
            WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped
            """, [.text(PostgresQuoting.identifier(table.name))])
        guard existing.count > 0 else {
            for statement in table.statements { try connection.execute(statement) }
            return
        }
        var types: [String: String] = [:]
        for row in 0..<existing.count { types[existing.text(row, 0) ?? ""] = existing.text(row, 1) }
        for column in table.columns {
            if let type = types[column.name] {
                guard type == column.type else {
                    throw TableMismatch(table: table.name, column: column.name, found: type, wanted: column.type)
                }
            } else {
                // Rows from before the definition have no value, so the new column may be NULL.
                try connection.execute(
                    "ALTER TABLE \(PostgresQuoting.identifier(table.name)) ADD COLUMN \(PostgresQuoting.identifier(column.name)) \(column.type)"
                )
            }
        }
    }
}

/// A table that was made from another definition.
public struct TableMismatch: Error, CustomStringConvertible {
    /// The table.
    public let table: String
    /// Its column.
    public let column: String
    let found: String
    let wanted: String

    /// One sentence, with what to do.
    public var description: String {
        "table \"\(table)\" has column \"\(column)\" as \(found), but the definition says \(wanted): rename the table or undo the change"
    }
}
