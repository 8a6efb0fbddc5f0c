internal import JSON
internal import Observability
public import ServiceRuntime

/// Trains again from the store, always or when the data have drifted.
public struct RetrainCommand: Command {
    public static let name = "retrain"
    public static let summary = "Train again from the offline store; the better model on the newest holdout serves."
    public static let example = "needletail retrain --if-drift"
    /// More lines of help.
    public static let details = """
        With --if-drift it first does what drift does, and trains only when something has drifted, when there is no champion,
        or when the champion was trained on other definitions. The rest is as in train --from-store.

        After the definitions have changed, backfill --from-store --to-store computes the features of the stored events
        anew; before that there is nothing to train on.
        """
    public static let settings: [any SettingProtocol] =
        [
            ifDrift, DriftCheck.days, TrainingContext.serviceName, TrainCommand.force, TrainingSettings.file,
            Promotion.margin, Promotion.approve, Promotion.by, TrainCommand.json, .featureRepo, .databaseURL,
            .modelDirectory,
        ] + TrainingSettings.fit

    static let ifDrift = Setting<Bool>(
        "if-drift", default: false, help: "Train only when the data have drifted.", flagOnly: true)

    public init() {}

    /// Checks, trains, registers.
    public func run(_ settings: Settings, _ runtime: ServiceRuntime) async throws {
        let context = try TrainingContext(settings)
        try await context.prepareDatabase(runtime)
        if settings[Self.ifDrift] {
            let check = DriftCheck(context: context, recentMillis: Int64(settings[DriftCheck.days] * 86_400_000))
            let outcome = try await runtime.onThread("drift") { try check.run(runtime) }
            if let text = outcome.reasonToStay {
                let verdict: JSONTree = ["verdict": "kept", "reason": .string(text)]
                try runtime.print(settings[TrainCommand.json] ? verdict.text(pretty: true) : text)
                return
            }
            runtime.log.info("training", ["reason": outcome.reasonToTrain])
        }
        var run = try TrainingSettings.run(settings, definitions: context.definitions)
        try Promotion.apply(settings, to: &run)
        let final = run
        let outcome = try await runtime.onThread("retrain") {
            try final.runFromStore(context, registers: true, runtime)
        }
        try runtime.print(settings[TrainCommand.json] ? outcome.json.text(pretty: true) : outcome.text)
    }
}
