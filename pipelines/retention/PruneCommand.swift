internal import Observability
internal import PipelineRuntime
internal import PostgresClient
internal import PostgresOfflineStore
public import ServiceRuntime

/// `needletail prune`: deletes what nobody keeps for ever.
public struct PruneCommand: Command {
    public static let name = "prune"
    /// What it is for.
    public static let summary = "Delete predictions, dead letters and history that are older than they are to be kept."
    /// Keeps ninety days of answers.
    public static let example = "needletail prune --prediction-retention-days 90"
    /// What it does not delete, and why it may run beside everything else.
    public static let details = """
        Rows go in small transactions, so nobody waits; what is deleted of a partition is counted in its partition_state.

        Events go with their features and labels, by event time: what is older than the newest event of its source by
        --event-retention-days, which must be more than the longest window, two days of disorder and the labels' delay. What
        comes later than that is a dead letter: it may be a repeat of what was deleted. Such features cannot be computed again.
        """
    /// The tables' ages, and where they are.
    public static let settings: [any SettingProtocol] = [
        predictionDays, deadLetterDays, eventDays, .databaseURL, .featureRepo,
    ]

    static let predictionDays = Setting<Int>(
        "prediction-retention-days", default: 90, in: 0...36_500,
        help: "How long answers of the API are kept in Postgres; 0 is for ever.")
    static let deadLetterDays = Setting<Int>(
        "dead-letter-retention-days", default: 90, in: 0...36_500,
        help: "How long refused records are kept in Postgres; 0 is for ever.")
    static let eventDays = Setting<Int>(
        "event-retention-days", default: 0, in: 0...36_500,
        help: "How long events are kept in Postgres with their features and labels, in event time; 0 is for ever.")
    /// Rows of one transaction: some ten milliseconds.
    static let batchRows = 2_000

    /// A command to be run once.
    public init() {}

    /// Deletes batch after batch until nothing is old, or the program is asked to stop.
    public func run(_ settings: Settings, _ runtime: ServiceRuntime) async throws {
        let pipeline = try PipelineContext(settings)
        pipeline.announce(runtime)
        let url = pipeline.databaseURL
        let ages: [(table: PrunedTable, days: Int)] = [
            (.predictions, settings[Self.predictionDays]), (.deadLetters, settings[Self.deadLetterDays]),
        ]
        let now = WallClock.nowMillis()
        let (repository, days) = (pipeline.repository, settings[Self.eventDays])
        if days > 0 { try HistoryRetention.check(days: days, repository) }
        try await runtime.waiting(for: "Postgres") {
            try await runtime.onThread("prune") {
                let store = try PostgresOfflineStore(url: url, applicationName: "needletail-prune", limits: .bulk)
                try store.migrate()
                for (table, days) in ages where days > 0 {
                    let rows = try Self.prune(table, olderThanMillis: now - Int64(days) * 86_400_000, store, runtime)
                    try Self.say(table.rawValue, rows, days, store, runtime)
                }
                guard days > 0 else { return }
                try HistoryRetention(store, repository, days: days, runtime: runtime).run { table, rows in
                    try Self.say(table, rows, days, store, runtime)
                }
            }
        }
    }

    private static func say(
        _ table: String, _ rows: Int, _ days: Int, _ store: PostgresOfflineStore, _ runtime: ServiceRuntime
    ) throws {
        let bytes = try store.size(ofTable: table)
        runtime.log.info(
            "pruned", ["table": table, "rows": rows, "older_than_days": days, "table_bytes": bytes])
    }

    private static func prune(
        _ table: PrunedTable, olderThanMillis moment: Int64, _ store: PostgresOfflineStore, _ runtime: ServiceRuntime
    ) throws -> Int {
        var total = 0
        while !runtime.isStopping {
            let rows = try store.prune(table, olderThanMillis: moment, limit: batchRows)
            total += rows
            if rows < batchRows { break }
        }
        return total
    }
}
