import Foundation
import MLflow
import ServiceRuntime

/// A model that an MLflow server keeps, as `--model` names it.
struct TrackedModel: Sendable {
    private let text: String
    private let model: MLflowModel
    private let client: MLflowClient

    /// Nil where the text is no such name. Without the server's address it cannot be found.
    init?(_ text: String?, _ settings: Settings) throws(CommandError) {
        guard let text, let model = MLflowModel(text) else { return nil }
        let client: MLflowClient?
        do throws(MLflowError) { client = try MLflowClient(settings) } catch {
            throw CommandError(.configuration, "\(error).")
        }
        guard let client else {
            throw CommandError(
                .usage, "\(text) needs \(MLflowClient.trackingURI.environmentName ?? ""): where MLflow is.")
        }
        (self.text, self.model, self.client) = (text, model, client)
    }

    func source(modelsFolder: String, memory: ServingMemory) -> any ModelSource {
        MLflowModelSource(model, client, folder: modelsFolder + "/mlflow", text, memory)
    }
}

/// The version that a name stands for, fetched into a folder beside the models. The server is asked every ten seconds; while it does
/// not answer, what was fetched stays, over a start too.
final class MLflowModelSource: ModelSource {
    private let model: MLflowModel
    private let client: MLflowClient
    private let folder: String
    private let name: String
    private let memory: ServingMemory
    private var known: ModelLocation?
    private var askAgain = Date.distantPast

    init(_ model: MLflowModel, _ client: MLflowClient, folder: String, _ name: String, _ memory: ServingMemory) {
        self.model = model
        self.client = client
        self.folder = folder
        (self.name, self.memory) = (name, memory)
    }

    // No service has a name with a slash.
    var remembered: ModelLocation? { memory.champion(of: name) }

    func remember(_ model: ModelLocation) { memory.keep(champion: model, of: name) }

    func current() throws -> ModelLocation? {
        guard Date() >= askAgain else { return known }
        askAgain = Date(timeIntervalSinceNow: 10)
        let (version, store) = try model.resolve(by: client)
        // The store's path is the run's: what was fetched of it never changes.
        let directory = folder + "/" + store.replacing("/", with: "-")
        if !FileManager.default.fileExists(atPath: directory) {
            try MLflowModel.fetch(store, to: directory, by: client)
        }
        let location = ModelLocation(version: version, directory: directory)
        known = location
        return location
    }
}
