import Foundation
import JSON

/// Writes a model as a directory in MLflow's format, which `mlflow.pyfunc.load_model` and `mlflow models serve` read, with
/// `needletail.json` beside it.
public enum ModelDirectory {
    /// Writes the files; each is replaced whole, `needletail.json` last. Missing folders are made. `more` are files beside the
    /// model's own, by their paths below its folder.
    public static func write(
        model: [UInt8], card: ModelCard, more: [(path: String, text: String)] = [], to path: String
    ) throws(ModelError) {
        let files: [(String, [UInt8])] =
            more.map { ($0.path, Array($0.text.utf8)) } + [
                ("model.json", model),
                ("MLmodel", Array(description(card).utf8)),
                ("requirements.txt", Array("mlflow\nxgboost>=1.7.4\n".utf8)),
                ("needletail.json", card.json.bytes(pretty: false) + [0x0A]),
            ]
        do {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            for (name, bytes) in files {
                let file = URL(fileURLWithPath: path).appendingPathComponent(name)
                try FileManager.default.createDirectory(
                    at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
                try Data(bytes).write(to: file, options: .atomic)
            }
        } catch {
            throw .unwritable(path, error.localizedDescription)
        }
    }

    /// Writes a new folder of a models folder, complete under another name first: a reader never finds half a model there.
    public static func install(
        model: [UInt8], card: ModelCard, more: [(path: String, text: String)] = [], as folder: String,
        in modelsFolder: String
    ) throws(ModelError) {
        let (path, partial) = ("\(modelsFolder)/\(folder)", "\(modelsFolder)/.\(folder).partial")
        try? FileManager.default.removeItem(atPath: partial)
        try write(model: model, card: card, more: more, to: partial)
        do {
            try FileManager.default.moveItem(atPath: partial, toPath: path)
        } catch {
            throw .unwritable(path, error.localizedDescription)
        }
    }

    /// MLmodel: YAML, written by hand because all of it is fixed but the names. It states no time of making and no run, so that the
    /// same training makes the same bytes.
    static func description(_ card: ModelCard) -> String {
        let inputs = JSONTree.array(
            card.features.map { ["type": "double", "name": .string($0.name), "required": true] })
        // A single-quoted YAML string doubles its quotes and knows no other escape. By bytes: with a combining mark behind it a
        // quote is another `Character`.
        let quote = UInt8(ascii: "'")
        let quoted = String(decoding: inputs.bytes().flatMap { $0 == quote ? [quote, quote] : [$0] }, as: UTF8.self)
        return """
            artifact_path: model
            flavors:
              python_function:
                data: model.json
                loader_module: mlflow.xgboost
              xgboost:
                data: model.json
                model_class: xgboost.core.Booster
                model_format: json
                xgb_version: 1.7.4
            signature:
              inputs: '\(quoted)'
              outputs: '[{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1]}}]'

            """
    }
}
