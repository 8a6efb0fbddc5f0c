import Foundation
import JSON

/// Writes a model as a directory in MLflow's format, which `mlflow.pyfunc.load_model` and `mlflow models serve` read, with
/// `needletail.json` beside it.
public enum ModelDirectory {
    /// Writes the files; each is replaced whole, `needletail.json` last. Missing folders are made.
    public static func write(model: [UInt8], card: ModelCard, to path: String) throws(ModelError) {
        let files: [(String, [UInt8])] = [
            ("model.json", model),
            ("MLmodel", Array(description(card).utf8)),
            ("requirements.txt", Array("mlflow\nxgboost>=1.7.4\n".utf8)),
            ("needletail.json", card.json.bytes(pretty: false) + [0x0A]),
        ]
        do {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            for (name, bytes) in files {
                try Data(bytes).write(to: URL(fileURLWithPath: path).appendingPathComponent(name), options: .atomic)
            }
        } catch {
            throw .unwritable(path, error.localizedDescription)
        }
    }

    /// MLmodel: YAML, written by hand because all of it is fixed but the names. It states no time of making and no run, so that the
    /// same training makes the same bytes.
    static func description(_ card: ModelCard) -> String {
        let inputs = JSONTree.array(
            card.features.map { ["type": "double", "name": .string($0.name), "required": true] })
        // A single-quoted YAML string doubles its quotes and knows no other escape.
        let quoted = String(
            decoding: inputs.text().utf8.flatMap { $0 == UInt8(ascii: "'") ? [$0, $0] : [$0] }, as: UTF8.self)
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
