import PostgresClient
import PostgresOfflineStore
import ServiceRuntime

/// Looks every two seconds whether other definitions were put to work, and ends the program then: whoever started it starts it
/// again, with them. What was in hand is finished; the new state is filled from the store, as after any other start.
struct RolloutWatch: Sendable {
    let databaseURL: String
    let project: String
    let streamHash: String
    var pauseMillis = 2_000

    /// Looks until the program stops, on a thread of its own and over one connection. Throws when other definitions were put to
    /// work since it began.
    func run(_ runtime: ServiceRuntime) throws {
        var connection: PostgresConnection?
        defer { connection?.close() }
        var first: Int64?
        repeat {
            let newest: DefinitionRollout?
            do {
                let open =
                    try connection
                    ?? PostgresConnection(
                        url: databaseURL, applicationName: "needletail-transform-rollouts",
                        limits: TransformGroup.limits)
                connection = open
                newest = try DefinitionLedger(open, project: project).rollouts(limit: 1).first
            } catch {
                // A database that is away is asked again.
                connection?.close()
                connection = nil
                continue
            }
            let number = newest?.id ?? 0
            if let first, number > first, let newest, newest.streamHash != streamHash {
                throw CommandError(
                    .temporaryFailure,
                    "other definitions (\(newest.streamHash)) were rolled out: started again, transform takes them.")
            }
            first = first ?? number
        } while runtime.pause(millis: pauseMillis)
    }
}
