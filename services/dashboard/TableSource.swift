import Observability
import PostgresClient

/// The source of positions and of the champion: one connection to Postgres. Confined to one thread.
final class TableSource {
    /// The registry changes a few times a day, and a drift report is long: it is not read each second.
    private static let registryNanos: UInt64 = 5_000_000_000

    private let session: PostgresSession
    private var registry: (service: String?, champion: Champion?, nanos: UInt64)?

    init(url: String) { session = PostgresSession(url: url) }

    func stored(service: String?) throws -> (positions: [StoredPosition], champion: Champion?) {
        do {
            return try session.run { try read($0, service) }
        } catch {
            registry = nil
            throw error
        }
    }

    private func read(_ connection: PostgresConnection, _ service: String?) throws -> (
        positions: [StoredPosition], champion: Champion?
    ) {
        do {
            return (try DashboardQueries.positions(connection), try champion(of: service, connection))
        } catch let error as PostgresError where error.sqlState == "42P01" {
            return ([], nil)  // A database without our tables answers, and what it says is that there is nothing yet.
        }
    }

    private func champion(of service: String?, _ connection: PostgresConnection) throws -> Champion? {
        let now = WallClock.monotonicNanos()
        if let registry, registry.service == service, now - registry.nanos < Self.registryNanos {
            return registry.champion
        }
        let champion = try DashboardQueries.champion(of: service, connection)
        registry = (service, champion, now)
        return champion
    }
}
