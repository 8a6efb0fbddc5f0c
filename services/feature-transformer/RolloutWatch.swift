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
        var first: Int64?
        while true {
            // A database that is away is asked again.
            let looked: DefinitionRollout?? = try? await runtime.onThread("rollouts") {
                let store = try PostgresOfflineStore(url: databaseURL, applicationName: "needletail-transform")
                return try DefinitionLedger(store.connection, project: project).rollouts(limit: 1).first
            }
            if let looked {
                let newest = looked?.id ?? 0
                if let first, newest > first, let looked, looked.streamHash != streamHash {
                    throw CommandError(
                        .temporaryFailure,
                        "other definitions (\(looked.streamHash)) were rolled out: started again, transform takes them."
                    )
                }
                first = first ?? newest
            }
            guard await runtime.sleep(millis: Self.pauseMillis) else { return }
        }
    }
}
