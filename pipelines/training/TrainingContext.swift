internal import FeatureEngine
internal import FeatureStore
internal import FraudModel
internal import Observability
internal import PostgresClient
internal import PostgresOfflineStore
internal import ServiceRuntime

/// What the commands of this folder share: the definitions, the service and where the stores are.
struct TrainingContext: Sendable {
    let repository: FeatureRepository
    let service: FeatureService
    let databaseURL: String
    let modelsFolder: String
    /// The definitions' files as a model's folder keeps them.
    let definitions: [DefinitionFile]

    /// The service, when the definitions have several.
    static let serviceName = Setting<String?>(
        "service", help: "The feature service of the model, when the definitions have several.", flagOnly: true,
        placeholder: "NAME")

    init(_ settings: Settings) throws(CommandError) {
        let folder = settings[.featureRepo as Setting<String>]
        do {
            repository = try FeatureRepository.load(directory: folder, environment: settings.environment)
        } catch { throw CommandError(.configuration, "\(error)") }
        definitions = DefinitionFile.read(folder)
        let names = repository.services.map(\.name).joined(separator: ", ")
        if let name = settings[Self.serviceName] {
            guard let service = repository.service(named: name) else {
                throw CommandError(.configuration, "there is no service \(name); the definitions have \(names).")
            }
            self.service = service
        } else {
            guard repository.services.count == 1, let only = repository.services.first else {
                throw CommandError(.usage, "--service says which of \(names) the model is for.")
            }
            service = only
        }
        let setting: Setting<String> = .databaseURL
        databaseURL = settings.isGiven(setting) ? settings[setting] : repository.offlineStoreURL ?? settings[setting]
        modelsFolder = settings[.modelDirectory as Setting<String>]
    }

    /// What a message names as the way to a model of the present definitions.
    static let cure = "`needletail backfill --from-store --to-store`, then `needletail retrain`"

    /// Waits until Postgres answers, and brings its fixed tables up to date.
    func prepareDatabase(_ runtime: ServiceRuntime) async throws {
        let url = databaseURL
        try await runtime.waiting(for: "Postgres") {
            try await runtime.onThread("migrate") { _ = try PostgresOfflineStore(url: url, limits: .bulk).migrate() }
        }
    }

    func connect() throws -> PostgresConnection {
        do {
            return try PostgresConnection(url: databaseURL, limits: .bulk)
        } catch {
            throw CommandError(.unavailable, "\(error). `make up` starts all servers.")
        }
    }

    /// Ends a command that was asked to stop before its work was done.
    static func requireGoingOn(_ runtime: ServiceRuntime) throws(CommandError) {
        guard !runtime.isStopping else {
            throw CommandError(.temporaryFailure, "stopped before the end: no model was registered or written.")
        }
    }

    func registry() throws -> ModelRegistry { ModelRegistry(try connect(), modelsFolder: modelsFolder) }

    /// A missing table is a step that was left out.
    static func explained(_ error: PostgresError) -> any Error {
        guard error.sqlState == "42P01" || error.sqlState == "42703" else { return error }
        return CommandError(
            .configuration,
            "the offline store lacks tables of these definitions (\(error)): run `needletail features apply`.")
    }
}
