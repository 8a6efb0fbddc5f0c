internal import FeatureEngine
internal import FeatureStore
internal import FraudModel
internal import Observability
internal import PipelineRuntime
internal import PostgresClient
internal import PostgresOfflineStore
internal import ServiceRuntime

/// What the commands of this folder share: the definitions, the service and where the stores are.
struct TrainingContext: Sendable {
    let pipeline: PipelineContext
    let service: FeatureService
    let modelsFolder: String
    /// The definitions' files as a model's folder keeps them.
    let definitions: [DefinitionFile]

    var repository: FeatureRepository { pipeline.repository }
    var databaseURL: String { pipeline.databaseURL }

    /// The service, when the definitions have several.
    static let serviceName = Setting<String?>(
        "service", help: "The feature service of the model, when the definitions have several.", flagOnly: true,
        placeholder: "NAME")

    init(_ settings: Settings) throws(CommandError) {
        pipeline = try PipelineContext(settings)
        service = try pipeline.service(named: settings[Self.serviceName])
        definitions = DefinitionFile.read(settings[.featureRepo as Setting<String>])
        modelsFolder = settings[.modelDirectory as Setting<String>]
    }

    /// What a message names as the way to a model of the present definitions.
    static let cure = "`needletail backfill --from-store --to-store`, then `needletail retrain`"

    /// Waits until Postgres answers, and brings its fixed tables up to date.
    func prepareDatabase(_ runtime: ServiceRuntime) async throws {
        pipeline.announce(runtime)
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
