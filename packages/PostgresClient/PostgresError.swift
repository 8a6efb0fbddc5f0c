/// Why Postgres did not do what was asked.
public enum PostgresError: Error, Hashable, Sendable, CustomStringConvertible {
    /// No connection: the server is away or starting (wait and try again), or refuses us for the reason given.
    case connect(reason: String)
    /// The connection broke, and with it the transaction in hand. The connection is finished: make another.
    case connectionLost(reason: String)
    /// The server refused a statement. The connection is good again after a rollback.
    case server(sqlState: String, message: String)
    /// What came back is not of the shape that was asked for.
    case unexpectedResult(String)

    /// The five letters of SQL's error codes, where the server gave one.
    public var sqlState: String? {
        if case .server(let state, _) = self { state } else { nil }
    }

    /// Whether this is a unique violation.
    public var isUniqueViolation: Bool { sqlState == "23505" }

    /// Whether what is missing is the server's, not the record's: the same statement may succeed later, so it is tried again and no
    /// record is blamed. Everything else is some record's doing, and a batch is halved until that record is found.
    ///
    /// Why the list is of this kind: docs/design.md, When a record cannot be stored.
    ///
    /// No state at all (the connection), and the classes 08 connection, 25 transaction state (25006: read-only now), 28 and 42
    /// (rights, or a table that is not there: no value causes either), 3D and 3F (no such database or schema), 40 rollback, 53
    /// resources, 55 not in the needed state (locked), 57 operator (shutdown, cancelled), 58 the system, XX internal.
    public var isServerInNeed: Bool {
        guard let sqlState else { return true }
        return Self.serverClasses.contains { sqlState.hasPrefix($0) }
    }

    /// Whether a new session may cure it: the connection is gone, or was told to go, or stands at a server that became read-only. A
    /// statement that was cancelled (57014), as by `statement_timeout`, leaves its session as good as it was.
    public var needsNewSession: Bool {
        guard let sqlState else { return true }
        return ["08", "25", "28", "57P", "58", "XX"].contains { sqlState.hasPrefix($0) }
    }

    private static let serverClasses = ["08", "25", "28", "3D", "3F", "40", "42", "53", "55", "57", "58", "XX"]

    public var description: String {
        switch self {
        case .connect(let reason): "cannot connect to Postgres: \(reason)"
        case .connectionLost(let reason): "the connection to Postgres was lost: \(reason)"
        case .server(let state, let message): "Postgres refused a statement (\(state)): \(message)"
        case .unexpectedResult(let text): "Postgres gave an unexpected result: \(text)"
        }
    }
}
