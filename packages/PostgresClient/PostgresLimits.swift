/// How long a connection waits for its server before it is given up. Every limit is on silence, never on the whole of a statement:
/// a scan that goes on for an hour is fine, a packet that never comes is not.
public struct PostgresLimits: Sendable {
    /// To connect, seconds.
    public var connectSeconds = 5
    /// Without a byte in either direction while a statement runs, ms.
    public var silenceMillis = 60_000
    /// The same within a `copyOut`, ms: a scan may have to sort first, and sends its rows 8 kB at a time.
    public var scanSilenceMillis = 300_000
    /// The server ends a session that stays this long in a transaction without a statement, ms: what a vanished client had locked
    /// is free again.
    public var idleTransactionMillis = 60_000

    /// The limits above.
    public init() {}

    /// For work in bulk: one transaction may wait long for another connection's rows, and an index is built in silence.
    public static let bulk: PostgresLimits = {
        var limits = PostgresLimits()
        limits.silenceMillis = 3_600_000
        limits.scanSilenceMillis = 3_600_000
        limits.idleTransactionMillis = 3_600_000
        return limits
    }()
}
