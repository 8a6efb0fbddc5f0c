import FeatureStore
import FraudModel
import Glibc
import Observability
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
    private var registry: ModelRegistry?

    /// Without a service, the champion of the one whose champion changed last.
    init(databaseURL: String, modelsFolder: String, service: String?) {
        self.databaseURL = databaseURL
        self.modelsFolder = modelsFolder
        self.service = service
    }

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

/// Asks once a second which model is to be served, loads a new one, and hands it over. A model that cannot be served, or a
/// registry that does not answer, never takes a good model out of service.
final class ModelWatcher {
    enum Outcome: Sendable {
        case load(ServedModel)
        /// There is no model, for this reason.
        case none(String)
    }

    private let source: any ModelSource
    private let repository: FeatureRepository
    private let log: Log
    private let deliver: (Outcome) -> Void
    private var loaded: ModelLocation?
    private var refused: ModelLocation?
    private var isServing = false
    private var lastReason = ""

    init(
        _ source: any ModelSource, _ repository: FeatureRepository, log: Log, deliver: @escaping (Outcome) -> Void
    ) {
        self.source = source
        self.repository = repository
        self.log = log
        self.deliver = deliver
    }

    /// Looks once. A refused model is not read again until another one, or a new file in its place, is named.
    func look() {
        let location: ModelLocation?
        do {
            location = try source.current()
        } catch {
            return complain("the model registry does not answer: \(error)")
        }
        guard let location else { return complain("no model is registered yet: train one") }
        guard location != loaded, location != refused else { return }
        do {
            let scoring = try ScoringModel.load(directory: location.directory, version: location.version)
            let served = try ServedModel(scoring, repository)
            loaded = location
            refused = nil
            isServing = true
            lastReason = ""
            deliver(.load(served))
            log.info(
                "model in service",
                ["model.version": location.version, "model.service": served.service.name, "path": location.directory])
        } catch {
            refused = location
            complain("\(error)")
        }
    }

    private func complain(_ reason: String) {
        guard reason != lastReason else { return }
        lastReason = reason
        log.warning(isServing ? "model not replaced" : "no model to serve", ["reason": reason])
        if !isServing { deliver(.none(reason)) }
    }

    /// Looks every second until told to stop.
    func run(until isStopping: () -> Bool) {
        while !isStopping() {
            look()
            for _ in 0..<10 where !isStopping() { usleep(100_000) }
        }
    }
}
