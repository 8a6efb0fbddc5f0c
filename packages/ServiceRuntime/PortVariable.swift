/// A port that `make up` starts a server on. Moving the server by this variable, in the environment or in `.env`, moves the
/// default addresses of all commands along, so that a clone whose ports were moved never talks to another one's servers.
public struct PortVariable: Equatable, Sendable {
    /// The variable: `KAFKA_PORT`.
    public let name: String
    /// The port without it.
    public let initial: Int
    /// What listens there, as `.env.example` says it.
    public let help: String

    /// Every port, in the order of `.env.example`.
    public static let all: [PortVariable] = [kafka, redis, postgres, api, transform, produce, schedule]

    /// The embedded broker.
    public static let kafka = PortVariable("KAFKA_PORT", 19092, "Port of the Kafka broker that `make up` starts.")
    /// The online store.
    public static let redis = PortVariable("REDIS_PORT", 16379, "Port of the Redis that `make up` starts.")
    /// The offline store.
    public static let postgres = PortVariable("POSTGRES_PORT", 15432, "Port of the Postgres that `make up` starts.")
    /// The prediction API. `serve` declares this one as a setting too.
    public static let api = PortVariable("API_PORT", 8000, "Port of the prediction API.")
    /// Metrics and health of `transform`.
    public static let transform = PortVariable(
        "TRANSFORM_ADMIN_PORT", 9101, "Port of `transform`'s /metrics and /health under `make up`.")
    /// Metrics and health of `produce`.
    public static let produce = PortVariable(
        "PRODUCE_ADMIN_PORT", 9102, "Port of `produce`'s /metrics and /health under `make up`.")
    /// Metrics and health of `schedule`.
    public static let schedule = PortVariable(
        "SCHEDULE_ADMIN_PORT", 9103, "Port of `schedule`'s /metrics and /health under `make up`.")

    private init(_ name: String, _ initial: Int, _ help: String) {
        (self.name, self.initial, self.help) = (name, initial, help)
    }

    /// `text` with this port's number replaced by the one that the variables set.
    func moved(_ text: String, by variables: Settings.Variables) throws(CommandError) -> String {
        guard let (value, origin) = variables.value(name) else { return text }
        guard let port = Int(value), (1...65_535).contains(port) else {
            throw CommandError(.configuration, "\(origin): \"\(value)\" is not a whole number from 1 to 65535.")
        }
        return text.replacing(String(initial), with: String(port))
    }
}

/// A variable that only the scripts of `make up` read.
struct ScriptVariable: Sendable {
    let name: String
    let initial: String
    let help: String

    static let all = [
        ScriptVariable(
            name: "DATA", initial: "",
            help:
                "A CSV of your own, plain, .gz, .zst or .zip and in order of time, that `make up` replays; else it makes one."
        ),
        ScriptVariable(
            name: "NEEDLETAIL_ROWS", initial: "1000000", help: "How many transactions the first `make up` makes."),
        ScriptVariable(
            name: "PRODUCE_SPEED", initial: "500",
            help: "How many times faster than life `make up` replays what the first model was not trained on."),
    ]
}
