internal import Foundation
internal import FraudModel
internal import Observability
public import ServiceRuntime

/// The third of three stages: figures and pictures of a model.
public struct TrainEvaluateCommand: Command {
    /// The words that call it.
    public static let name = "train evaluate"
    public static let summary =
        "Stage 3 of train: measure a model on the rows it has not seen, as JSON, SVG and one page."
    public static let example = "needletail train evaluate --output metrics"
    /// More lines of help.
    public static let details = """
        Writes metrics.json, the curves (pr, roc, calibration, importance, by_day, confusion) as JSON and as SVG, and
        report.html with all of it: a page without scripts that loads nothing. The rows are those of the file that are newer
        than all that the model was fitted or stopped on.
        """
    public static let settings: [any SettingProtocol] = [Stage.rows, model, output]

    static let model = Setting<String>(
        "model", default: "var/stages/model", help: "The model's folder.", flagOnly: true, placeholder: "DIR")
    static let output = Setting<String>(
        "output", default: "metrics", help: "The folder to write.", flagOnly: true, placeholder: "DIR")

    public init() {}

    /// Measures and writes.
    public func run(_ settings: Settings, _ runtime: ServiceRuntime) async throws {
        let (rows, folder, output) = (settings[Stage.rows], settings[Self.model], settings[Self.output])
        let evaluation = try await runtime.onThread("evaluate") {
            let evaluation = try Stage.reading { () throws(ModelError) in
                let model = try ScoringModel.load(directory: folder)
                let set = try TrainingSet(file: rows)
                let known = [model.card?.fit, model.card?.stopping].compactMap { $0?.toMillis }.max() ?? .min
                let unseen = (0..<set.count).filter { set.timesMillis[$0] > known }
                guard !unseen.isEmpty else {
                    throw .mismatch("\(rows) holds no row newer than all that the model was made from")
                }
                return try ModelEvaluation(model, set, rows: unseen)
            }
            try TrainingContext.requireGoingOn(runtime)
            try Self.write(evaluation.files, to: output)
            return evaluation
        }
        try runtime.print(
            Figures.left("", 13) + Figures.metricsHeading + "\n" + Figures.line("holdout", evaluation.metrics)
                + "\nwritten to \(output), report.html among it")
    }

    private static func write(_ files: [(path: String, text: String)], to folder: String) throws(CommandError) {
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            for (path, text) in files {
                try Data(text.utf8).write(to: URL(fileURLWithPath: folder + "/" + path), options: .atomic)
            }
        } catch {
            throw CommandError(.cannotCreate, "cannot write \(folder): \(error.localizedDescription).")
        }
    }
}
