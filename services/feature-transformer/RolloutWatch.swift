import PostgresOfflineStore
import ServiceRuntime

/// Looks every two seconds whether other definitions were put to work, and ends the program then: whoever started it starts it
/// again, with them. What was in hand is finished; the new state is filled from the store, as after any other start.
struct RolloutWatch: Sendable {
    static let pauseMillis = 2_000

    let databaseURL: String
    let project: String
    let streamHash: String

    /// Looks until the program stops. Throws when other definitions were put to work since it began.
    func run(_ runtime: ServiceRuntime) async throws {
        var store: PostgresOfflineStore?
        var first: Int64?
        while true {
            let open = store
            let looked = try? await runtime.onThread("rollouts") { () -> (PostgresOfflineStore, DefinitionRollout?) in
                let store = try open ?? PostgresOfflineStore(url: databaseURL, applicationName: "needletail-transform")
                return (store, try DefinitionLedger(store.connection, project: project).rollouts(limit: 1).first)
            }
            // A database that is away is asked again, over a new connection.
            store = looked?.0
            if let looked {
                let newest = looked.1?.id ?? 0
                if let first, newest > first, let rollout = looked.1, rollout.streamHash != streamHash {
                    throw CommandError(
                        .temporaryFailure,
                        "other definitions (\(rollout.streamHash)) were rolled out: started again, transform takes them."
                    )
                }
                first = first ?? newest
            }
            guard await runtime.sleep(millis: Self.pauseMillis) else { return }
        }
    }
}
