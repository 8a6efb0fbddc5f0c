internal import FeatureStore
internal import JSON
internal import MLflow
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
        or when the champion was trained on other definitions; not where these very rows were tried already, nor while a
        promotion waits for a second person. A model that is not to serve is then not registered. One process at a time
        trains again, and every answer, the one to do nothing too, is a row of retrain_decisions and a line of the log. The
        rest is as in train --from-store.

        After the definitions have changed, backfill --from-store --to-store computes the features of the stored events
        anew; before that there is nothing to train on.
        """
    public static let settings: [any SettingProtocol] =
        [
            ifDrift, DriftCheck.days, TrainingContext.serviceName, TrainCommand.force, TrainingSettings.file,
            Promotion.margin, Promotion.approve, Promotion.by, TrainCommand.json, .featureRepo, .databaseURL,
            .modelDirectory,
        ] + TrainingSettings.fit + MLflowClient.settings

    static let ifDrift = Setting<Bool>(
        "if-drift", default: false, help: "Train only when the data have drifted.", flagOnly: true)

    public init() {}

    /// Checks, trains, registers.
    public func run(_ settings: Settings, _ runtime: ServiceRuntime) async throws {
        let context = try TrainingContext(settings)
        try await context.prepareDatabase(runtime)
        var run = try TrainingSettings.run(settings, definitions: context.definitions)
        try Promotion.apply(settings, to: &run)
        let check = DriftCheck(context: context, recentMillis: Int64(settings[DriftCheck.days] * 86_400_000))
        let (final, isConditional, printsJSON) = (run, settings[Self.ifDrift], settings[TrainCommand.json])
        let tracking = MLflowReport(settings)
        let text = try await runtime.onThread("retrain") {
            let source = try StoreRows(context)
            let retraining = Retraining(
                service: context.service.name, run: final, check: isConditional ? { try check.run(runtime) } : nil,
                rows: { try source.rows(runtime) },
                replayed: { service, wanted in try source.replayed(service, wanted: wanted, runtime) })
            switch try retraining.decide(context.registry(), runtime) {
            case .stayed(let reason):
                let verdict: JSONTree = ["verdict": "kept", "reason": .string(reason)]
                return printsJSON ? verdict.text(pretty: true) : reason
            case .trained(let outcome):
                tracking.send(outcome, command: "retrain", actor: final.actor, runtime)
                return printsJSON ? outcome.json.text(pretty: true) : outcome.text
            }
        }
        try runtime.print(text)
    }
}
