public import ServiceRuntime
import FeatureStore
import Foundation
import JSON
import MLflow
import Observability
import PipelineRuntime
import RedisClient

/// `serve`: the prediction API.
public struct ServeCommand: Command {
    public static let name = "serve"
    public static let summary =
        "The prediction API: joins a transaction with its online features, scores and explains it."
    public static let example = "needletail serve --port 8000"
    /// More help.
    public static let details = """
        POST /api/v1/predict (or /predict)  one transaction: its score and why; ?explain=false leaves the why out
        POST /api/v1/predict/batch          up to 10,000, answered in order; ?explain=true adds the why;
                                            as application/x-ndjson a line each, answered while they are scored
        With ?top=5 the five strongest reasons, with ?explanation=object as an object.
        GET  /docs                          all of it, with a form to try it; /openapi.json, /postman.json, /requests.http
        GET  /api/v1/model, /api/v1/health, /health/live, /health/ready, /metrics
        Without Redis, or without its answer in time, it answers from the request alone with "degraded": true.
        """

    static let host = Setting<String>(
        "host", default: "127.0.0.1", help: "The address to listen on.", environment: "API_HOST", placeholder: "ADDRESS"
    )
    static let port = Setting<Int>(
        "port", default: 8000, in: 0...65_535, help: "The port to listen on; 0 takes a free one.",
        environment: "API_PORT",
        placeholder: "PORT")
    static let loops = Setting<Int>(
        "loops", default: 0, in: 0...256, help: "Event loops, each a thread; 0 is one for each core.",
        environment: "API_LOOPS")
    static let model = Setting<String?>(
        "model",
        help: "Serve this model directory, or MLflow's models:/NAME/VERSION or @ALIAS, and do not ask the registry.",
        environment: "API_MODEL", placeholder: "DIR|MODEL")
    static let service = Setting<String?>(
        "service", help: "Serve the champion of this feature service; without it, the one that changed last.",
        environment: "API_SERVICE", placeholder: "NAME")
    static let partitions = Setting<Int?>(
        "partitions", in: 1...10_000,
        help: "Partitions of the source's topic; without it Kafka is asked.", environment: "API_PARTITIONS")
    static let redisDeadline = Setting<Int>(
        "redis-deadline-millis", default: 20, in: 1...10_000,
        help: "How long a prediction waits for Redis before it goes on without.")
    static let connections = Setting<Int>(
        "max-connections", default: 4_096, in: 1...1_000_000, help: "Most open connections.",
        environment: "API_MAX_CONNECTIONS")
    static let keys = Setting<String?>(
        "api-keys",
        help: "Keys that clients must send as X-API-Key, separated by commas; without it everybody may ask.",
        secret: true, placeholder: "KEYS")
    static let origins = Setting<String?>(
        "allowed-origins",
        help: "Web origins whose pages may ask through a browser, separated by commas, or * for all; without it none.",
        environment: "API_ALLOWED_ORIGINS", placeholder: "ORIGINS")
    static let eventsMax = Setting<Int>(
        "max-retained-events", default: 50_000, in: 1...10_000_000,
        help: "Most retained events of one entity that a prediction evaluates; with more it is degraded.",
        environment: "API_MAX_RETAINED_EVENTS")
    static let featureAge = Setting<Int>(
        "max-feature-age-seconds", default: 30, in: 0...31_536_000,
        help: "Features that are known to be older make an answer degraded; 0 never does.")
    static let slow = Setting<Int>(
        "slow-request-millis", default: 1_000, in: 0...3_600_000,
        help: "Log requests that take at least so long, with their ids; 0 logs none.",
        environment: "API_SLOW_REQUEST_MILLIS")
    static let printed = Setting<PrintedDocument?>(
        "print", help: "Print a description of the API and its requests, and leave.", flagOnly: true)
    static let noLog = Setting<Bool>(
        "no-prediction-log", default: false, help: "Do not write predictions to the predictions topic.",
        environment: "API_NO_PREDICTION_LOG")

    public static let settings: [any SettingProtocol] =
        [
            host, port, loops, model, service, partitions, redisDeadline, connections, keys, origins, eventsMax,
            featureAge, slow, noLog, printed, .kafkaBootstrapServers, .redisURL,
            .databaseURL, .featureRepo, .modelDirectory, .allowEvictingRedis,
        ] + MLflowClient.settings

    /// It runs until it is stopped, unless it only prints.
    public static func hasEnd(_ settings: Settings) -> Bool { settings[printed] != nil }

    /// A command is made to be run once.
    public init() {}

    /// Serves until it is told to stop.
    public func run(_ settings: Settings, _ runtime: ServiceRuntime) async throws {
        let pipeline = try PipelineContext(settings)
        if let document = settings[Self.printed] {
            return try runtime.print(try Self.text(of: document, pipeline.repository, settings))
        }
        pipeline.announce(runtime)
        var configuration = PredictionConfiguration()
        configuration.host = settings[Self.host]
        configuration.port = settings[Self.port]
        let loops = settings[Self.loops]
        configuration.loops = loops > 0 ? loops : ProcessInfo.processInfo.activeProcessorCount
        configuration.redisDeadlineMillis = settings[Self.redisDeadline]
        configuration.kafkaBootstrapServers = pipeline.kafkaBootstrapServers
        configuration.logsPredictions = !settings[Self.noLog]
        configuration.partitionCount = settings[Self.partitions]
        configuration.databaseURL = pipeline.databaseURL
        do {
            configuration.gate = RequestGate(
                apiKeys: APIKeys(settings[Self.keys]), origins: try AllowedOrigins(settings[Self.origins]))
        } catch {
            throw CommandError(.configuration, "--allowed-origins: \(error).")
        }
        configuration.service = settings[Self.service]
        configuration.eventsMax = settings[Self.eventsMax]
        configuration.featureAgeSecondsMax = settings[Self.featureAge]
        configuration.allowsEviction = settings[.allowEvictingRedis]
        configuration.slowMillis = settings[Self.slow]
        configuration.connectionsMax = settings[Self.connections]
        do {
            configuration.redis = try RedisAddress(url: pipeline.redisURL)
        } catch {
            throw CommandError(.configuration, "\(error).")
        }
        let (fixed, featureService) = (settings[Self.model], settings[Self.service])
        let (databaseURL, folder) = (pipeline.databaseURL, settings[.modelDirectory])
        let tracked = try TrackedModel(fixed, settings)
        let memory = ServingMemory(modelsFolder: folder)
        let service = PredictionService(
            configuration, repository: pipeline.repository, runtime: runtime, memory: memory
        ) {
            if let tracked { return tracked.source(modelsFolder: folder, memory: memory) }
            if let fixed { return FixedModelSource(directory: fixed) }
            return RegistryModelSource(
                databaseURL: databaseURL, modelsFolder: folder, service: featureService, memory: memory)
        }
        try await runtime.run([("api", service)])
    }

    private static func text(
        of document: PrintedDocument, _ repository: FeatureRepository, _ settings: Settings
    ) throws(CommandError) -> String {
        let name = settings[service]
        let service = name.flatMap(repository.service(named:)) ?? repository.services.first
        if let name, service?.name != name {
            throw CommandError(.usage, "--service \(name): there is no such feature service.")
        }
        let documents = APIDocuments(
            service: service, needsKey: APIKeys(settings[keys]).areNeeded, nowMillis: WallClock.nowMillis())
        let collections = documents.collections(address: "http://\(settings[host]):\(settings[port])")
        return switch document {
        case .openapi: documents.openAPI.text(pretty: true)
        case .postman: collections.postman.text(pretty: true)
        case .http: collections.http
        }
    }
}

/// What `--print` prints.
enum PrintedDocument: String, SettingChoice {
    /// OpenAPI 3.1.
    case openapi
    /// A Postman collection, v2.1.
    case postman
    /// An .http file.
    case http
}
