internal import FraudModel
internal import JSON
internal import Observability
internal import PostgresOfflineStore
public import ServiceRuntime

/// Compares recent rows with what the champion was trained on.
public struct DriftCommand: Command {
    public static let name = "drift"
    public static let summary = "Compare recent rows with what the champion was trained on, and keep the report."
    public static let example = "needletail drift --days 14"
    /// More lines of help.
    public static let details = """
        Every feature and the score: population stability index (deciles of the training data, what lies below or above
        them, and frequent values by themselves; empty bins count as 0.0001) and the two-sample Kolmogorov-Smirnov test
        (p by Kolmogorov's limit, corrected for being many after Benjamini and Hochberg). Drifted is what has an index of
        at least 0.2 or a distance of at least 0.5 and, for a number, a corrected p below 0.01 or 10 points more or less
        missing. Under 500 recent rows nothing is decided.

        Exits with 0 whether or not there is drift, so that a schedule does not take it for a failure; with
        --fail-on-drift it exits with 75 when there is.
        """
    public static let settings: [any SettingProtocol] = [
        DriftCheck.days, TrainingContext.serviceName, failOnDrift, TrainCommand.json, .featureRepo, .databaseURL,
        .modelDirectory,
    ]

    static let failOnDrift = Setting<Bool>(
        "fail-on-drift", default: false, help: "Exit with 75 when something has drifted.", flagOnly: true)

    public init() {}

    /// Prints and stores the report.
    public func run(_ settings: Settings, _ runtime: ServiceRuntime) async throws {
        let context = try TrainingContext(settings)
        try await context.prepareDatabase(runtime)
        let check = DriftCheck(context: context, recentMillis: Int64(settings[DriftCheck.days] * 86_400_000))
        switch try await runtime.onThread("drift", { try check.run(runtime) }) {
        case .noChampion:
            throw CommandError(.configuration, "there is no champion yet: `needletail train --from-store` makes one.")
        case .otherDefinitions(let champion):
            throw CommandError(
                .configuration,
                "the champion, version \(champion.name), was trained on other definitions: \(TrainingContext.cure) make one for these."
            )
        case .report(let report, _):
            try runtime.print(
                settings[TrainCommand.json]
                    ? report.json.text(pretty: true) : TerminalText.visible(report.text, keepingNewlines: true))
            if report.isDrifted, settings[Self.failOnDrift] {
                throw CommandError(.temporaryFailure, "the data have drifted.")
            }
        }
    }
}
