import Observability
package import PostgresClient

/// One connection to Postgres, made when it is needed and kept as long as it stands. Only connecting is tried ever more seldom: a
/// server that answers may be asked the next thing at once, whatever came of this one. Confined to one thread.
package final class PostgresSession {
    private let connect: () throws -> PostgresConnection
    private var connection: PostgresConnection?
    private var retry = Retry()

    package init(_ connect: @escaping () throws -> PostgresConnection) { self.connect = connect }

    /// A session for reading to a screen: better no answer than a late one, and no statement that would be felt by others.
    convenience init(url: String) {
        self.init {
            var limits = PostgresLimits()
            (limits.connectSeconds, limits.silenceMillis) = (2, 2_000)
            let connection = try PostgresConnection(
                url: url, applicationName: "needletail-dashboard", limits: limits)
            try connection.execute("SET statement_timeout = '500ms'; SET lock_timeout = '400ms'")
            return connection
        }
    }

    /// What `body` makes of the connection. What it throws is thrown on; the connection goes only with an error that a new one cures.
    package func run<Value>(_ body: (PostgresConnection) throws -> Value) throws -> Value {
        let open = try connection ?? retry.run(nowNanos: WallClock.monotonicNanos, connect)
        connection = open
        do {
            return try body(open)
        } catch let error as PostgresError where error.needsNewSession {
            connection = nil
            throw error
        }
    }
}
