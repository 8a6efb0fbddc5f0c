import FeatureStore
import Observability
import PipelineRuntime
import RedisClient
public import ServiceRuntime

/// `needletail feature-server`: online features over HTTP, as Feast's clients ask for them.
public struct FeatureServerCommand: Command {
    /// How it is called.
    public static let name = "feature-server"
    public static let summary = "Serve online features over HTTP, as `feast serve` does."
    public static let example = "needletail feature-server --port 6566"
    /// More lines of help.
    public static let details = """
        POST /get-online-features takes what Feast's server takes: features (view:feature) or feature_service, and entities, a list
        a column. Feast's SDK reads from it with online_store: {type: remote, path: http://HOST:PORT}. Features are evaluated now;
        a column event_timestamp (ISO 8601, or ms since 1970) gives each row a moment of its own. What a service takes from the
        request are columns of entities too.

        A value is PRESENT; NULL_VALUE or NOT_FOUND (an entity without events) where there is none; INVALID where the entity's
        state is not certain now. Features come from the log alone, so /push, /write-to-online-store and /materialize say 501.
        GET /health and GET /metrics are there too. It asks nobody for a key: let it listen on loopback, or behind something that does.
        """
    public static let settings: [any SettingProtocol] = [
        host, port, partitions, Setting<String>.featureRepo, Setting<String>.redisURL,
        Setting<String>.kafkaBootstrapServers,
    ]

    static let host = Setting<String>(
        "host", default: "127.0.0.1", help: "The address to listen on.", environment: "FEATURE_SERVER_HOST",
        placeholder: "ADDRESS")
    static let port = Setting<Int>(
        "port", default: 6566, in: 0...65_535, help: "The port to listen on; 0 takes a free one.",
        environment: "FEATURE_SERVER_PORT", placeholder: "PORT")
    static let partitions = Setting<Int?>(
        "partitions", in: 1...10_000, help: "Partitions of the topics; Kafka is asked unless given.", flagOnly: true)

    /// It runs until it is stopped.
    public static func hasEnd(_ settings: Settings) -> Bool { false }

    public init() {}

    /// Serves until it is told to stop.
    public func run(_ settings: Settings, _ runtime: ServiceRuntime) async throws {
        let pipeline = try PipelineContext(settings)
        pipeline.announce(runtime)
        let address: RedisAddress
        do { address = try RedisAddress(url: pipeline.redisURL) } catch {
            throw CommandError(.configuration, "\(error).")
        }
        var partitions: [String: Int] = [:]
        for feed in pipeline.repository.feeds where !feed.views.isEmpty {
            partitions[feed.topic] = try await FeaturesGetOnlineCommand.partitionCount(
                feed.topic, pipeline, settings[Self.partitions], runtime)
        }
        let server = FeatureServer(
            pipeline.repository, redis: address, partitions: partitions, host: settings[Self.host],
            port: settings[Self.port], runtime: runtime)
        try await runtime.run([("feature-server", server)])
    }
}
