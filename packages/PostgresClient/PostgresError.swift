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

    /// One sentence.
    public var description: String {
        switch self {
        case .connect(let reason): "cannot connect to Postgres: \(reason)"
        case .connectionLost(let reason): "the connection to Postgres was lost: \(reason)"
        case .server(let state, let message): "Postgres refused a statement (\(state)): \(message)"
        case .unexpectedResult(let text): "Postgres gave an unexpected result: \(text)"
        }
    }
}
