internal import FeatureStore
internal import FraudModel
internal import JSON
internal import Observability
public import ServiceRuntime

/// The second of three stages: a model's folder from rows.
public struct TrainFitCommand: Command {
    /// The words that call it.
    public static let name = "train fit"
    public static let summary = "Stage 2 of train: fit a model on the rows of a file and write its folder."
    public static let example = "needletail train fit --depth 8"
    /// More lines of help.
    public static let details = """
        The folder is one that `score`, `models register` and `serve --model` take. Nothing is registered.
        """
    public static let settings: [any SettingProtocol] =
        [Stage.rows, output, TrainingSettings.file, TrainCommand.json, .featureRepo] + TrainingSettings.fit

    static let output = Setting<String>(
        "output", default: "var/stages/model", help: "The model's folder to write.", flagOnly: true, placeholder: "DIR")

    public init() {}

    /// Reads the rows, fits, writes.
    public func run(_ settings: Settings, _ runtime: ServiceRuntime) async throws {
        let definitions = DefinitionFile.read(settings[.featureRepo as Setting<String>])
        var run = try TrainingSettings.run(settings, definitions: definitions)
        run.output = settings[Self.output]
        let (final, path) = (run, settings[Stage.rows])
        let outcome = try await runtime.onThread("fit") {
            let set = try Stage.reading { () throws(ModelError) in try TrainingSet(file: path) }
            return try final.finish(final.train(set, runtime), set, registry: nil, runtime) { service, _ in
                TrainingSet(service)
            }
        }
        try runtime.print(settings[TrainCommand.json] ? outcome.json.text(pretty: true) : outcome.text)
    }
}
