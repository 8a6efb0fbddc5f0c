import FeatureStore
import FraudModel
import PostgresClient
import PostgresOfflineStore

/// Where a model is.
struct ModelLocation: Equatable, Sendable {
    let version: String
    let directory: String
}

/// Says which model is to be served. Asked on the watcher's thread only, so it may block.
protocol ModelSource: AnyObject {
    /// The model, or nil when there is none yet.
    func current() throws -> ModelLocation?
    /// The model of the last run, for as long as `current` does not answer.
    var remembered: ModelLocation? { get }
    /// A model was put into service.
    func remember(_ model: ModelLocation)
}

extension ModelSource {
    var remembered: ModelLocation? { nil }
    func remember(_ model: ModelLocation) {}
}

/// Always the same directory.
final class FixedModelSource: ModelSource {
    private let location: ModelLocation

    init(directory: String) {
        let name = directory.split(separator: "/").last.map(String.init) ?? directory
        location = ModelLocation(version: name, directory: directory)
    }

    func current() throws -> ModelLocation? { location }
}

/// The champion of the registry. The registry is asked over a connection of the watcher's thread, made anew when it breaks.
final class RegistryModelSource: ModelSource {
    private let databaseURL: String
    private let modelsFolder: String
    private let service: String?
    private let memory: ServingMemory
    private var registry: ModelRegistry?

    /// Without a service, the champion of the one whose champion changed last.
    init(databaseURL: String, modelsFolder: String, service: String?, memory: ServingMemory = ServingMemory()) {
        self.databaseURL = databaseURL
        self.modelsFolder = modelsFolder
        self.service = service
        self.memory = memory
    }

    var remembered: ModelLocation? { memory.champion(of: service) }

    func remember(_ model: ModelLocation) { memory.keep(champion: model, of: service) }

    func current() throws -> ModelLocation? {
        do {
            let registry =
                try self.registry
                ?? ModelRegistry(
                    PostgresConnection(url: databaseURL, applicationName: "needletail-serve"),
                    modelsFolder: modelsFolder)
            self.registry = registry
            guard let champion = try registry.champion(of: service) else { return nil }
            return ModelLocation(version: champion.name, directory: registry.directory(of: champion))
        } catch {
            registry = nil
            throw error
        }
    }
}
