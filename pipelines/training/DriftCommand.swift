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
        missing. Under 500 recent rows nothing is decided. Where labels have arrived the model's average precision is
        measured beside that of its holdout, with frauds counted as frequent as there; from 50 frauds on, one that is
        clearly 0.02 lower has drifted too.

        --inject request_features__amt*3, or FEATURE=missing, changes the recent rows first, to see what it would say; such
        a report is not kept. --html writes it as a page.

        Exits with 0 whether or not there is drift, so that a schedule does not take it for a failure; with
        --fail-on-drift it exits with 75 when there is.
        """
    public static let settings: [any SettingProtocol] = [
        DriftCheck.days, TrainingContext.serviceName, failOnDrift, inject, html, TrainCommand.json, .featureRepo,
        .databaseURL, .modelDirectory,
    ]

    static let failOnDrift = Setting<Bool>(
        "fail-on-drift", default: false, help: "Exit with 75 when something has drifted.", flagOnly: true)
    static let inject = Setting<String?>(
        "inject", help: "Changes of the recent rows to try, separated by commas: FEATURE*FACTOR or FEATURE=missing.",
        flagOnly: true, placeholder: "CHANGES")
    static let html = Setting<String?>("html", help: "Write a page too.", flagOnly: true, placeholder: "FILE")

    public init() {}

    /// Prints and stores the report.
    public func run(_ settings: Settings, _ runtime: ServiceRuntime) async throws {
        let context = try TrainingContext(settings)
        try await context.prepareDatabase(runtime)
        let injections = try (settings[Self.inject] ?? "").split(separator: ",").map { text throws(CommandError) in
            guard let injection = DriftInjection(String(text)) else {
                throw CommandError(.usage, "--inject \(text) is neither FEATURE*FACTOR nor FEATURE=missing.")
            }
            return injection
        }
        let check = DriftCheck(
            context: context, recentMillis: Int64(settings[DriftCheck.days] * 86_400_000), injections: injections)
        let outcome = try await runtime.onThread("drift") { try check.run(runtime) }
        switch outcome {
        case .noChampion:
            throw CommandError(.configuration, "there is no champion yet: `needletail train --from-store` makes one.")
        case .otherDefinitions(let champion):
            throw CommandError(
                .configuration,
                "the champion, version \(champion.name), was trained on other definitions: \(TrainingContext.cure) make one for these."
            )
        case .report(let report, _):
            if let path = settings[Self.html] { try DriftPage(report).write(to: path) }
            try runtime.print(
                settings[TrainCommand.json]
                    ? report.json.text(pretty: true) : TerminalText.visible(report.text, keepingNewlines: true))
            if report.isDrifted, settings[Self.failOnDrift] {
                throw CommandError(.temporaryFailure, "\(outcome.reasonToTrain).")
            }
        }
    }
}
