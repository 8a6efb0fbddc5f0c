import Pipeline
import PostgresClient
import PostgresOfflineStore

/// Asks Postgres how far back the history of each topic reaches. Belongs to one thread, and may block it.
///
/// What was deleted is still in the online state until that is built anew, so a horizon that is a moment old costs nothing.
final class HistoryWatch {
    private let databaseURL: String
    private let topics: [String]
    private var store: PostgresOfflineStore?
    private var known: [String: HistoryHorizon] = [:]

    init(databaseURL: String, topics: [String]) { (self.databaseURL, self.topics) = (databaseURL, topics) }

    /// The horizons that are others than when it looked last, as far as the database answered.
    func look() -> [String: HistoryHorizon] {
        var changed: [String: HistoryHorizon] = [:]
        do {
            let store = try store ?? connect()
            self.store = store
            for topic in topics {
                let horizon = try store.horizon(ofTopic: topic)
                if known.updateValue(horizon, forKey: topic) != horizon { changed[topic] = horizon }
            }
        } catch {
            // Whoever lacks the database says so; here what was known last stays true.
            close()
        }
        // Also what was read before the database went away: it is known now, and would not be told again.
        return changed
    }

    private func connect() throws(PostgresError) -> PostgresOfflineStore {
        var limits = PostgresLimits()
        (limits.connectSeconds, limits.silenceMillis) = (2, 2_000)
        return try PostgresOfflineStore(
            url: databaseURL, applicationName: "needletail-serve-history", limits: limits)
    }

    func close() {
        store?.connection.close()
        store = nil
    }
}
