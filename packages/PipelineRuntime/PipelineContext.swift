public import FeatureEngine
public import FeatureStore
import Observability
public import ServiceRuntime

/// What a command works on: the definitions, and the servers. One rule for every command says where a server is:
///
///     the flag  >  the variable  >  .env  >  `online_store:`/`offline_store:` of feature_store.yaml  >  the default
///
/// so that what `transform` writes is what `train` reads, however the address was given.
public struct PipelineContext: Sendable {
    /// The definitions.
    public let repository: FeatureRepository
    /// The offline store, Postgres.
    public let databaseURL: String
    /// The online store, Redis.
    public let redisURL: String
    /// Kafka.
    public let kafkaBootstrapServers: String
    private let others: [(server: String, address: String, from: String)]

    /// Reads the definitions and finds the servers. Throws the sentence of the first mistake.
    public init(_ settings: Settings) throws(CommandError) {
        do {
            repository = try FeatureRepository.load(
                directory: settings[.featureRepo as Setting<String>], environment: settings.environment)
        } catch {
            throw CommandError(.configuration, error.description)
        }
        var others: [(server: String, address: String, from: String)] = []
        func address(_ server: String, _ setting: Setting<String>, _ file: String?) -> String {
            guard settings.declares(setting) else { return file ?? setting.defaultText ?? "" }
            let isGiven = settings.isGiven(setting)
            // Without a setting its value is the default, which follows the port that `make up` was given.
            let address = isGiven ? settings[setting] : file ?? settings[setting]
            if isGiven ? address != setting.defaultText : address != settings[setting] {
                let origin = isGiven ? setting.environmentName ?? setting.name : "feature_store.yaml"
                others.append((server, Self.withoutPassword(address), origin))
            }
            return address
        }
        databaseURL = address("Postgres", .databaseURL, repository.offlineStoreURL)
        redisURL = address("Redis", .redisURL, repository.onlineStoreURL)
        kafkaBootstrapServers = address("Kafka", .kafkaBootstrapServers, nil)
        self.others = others
    }

    /// Says on standard error which servers are others than the defaults, and which setting or file named them.
    public func announce(_ runtime: ServiceRuntime) {
        for other in others {
            runtime.log.info(
                "not the default server", ["server": other.server, "address": other.address, "from": other.from])
        }
    }

    /// The source of a name, or the only one there is. Throws the sentence that says what to choose from.
    public func source(named name: String?, flag: String = "--source") throws(CommandError) -> SourceSchema {
        try Self.choose(name, "source", among: repository.sources, by: \.name, flag)
    }

    /// The service of a name, or the only one there is. Throws the sentence that says what to choose from.
    public func service(named name: String?, flag: String = "--service") throws(CommandError) -> FeatureService {
        try Self.choose(name, "service", among: repository.services, by: \.name, flag)
    }

    private static func choose<Item>(
        _ name: String?, _ kind: String, among items: [Item], by itemName: (Item) -> String, _ flag: String
    ) throws(CommandError) -> Item {
        let names = items.map(itemName).joined(separator: ", ")
        if let name {
            guard let item = items.first(where: { itemName($0) == name }) else {
                throw CommandError(.configuration, "there is no \(kind) \(name); the definitions have \(names).")
            }
            return item
        }
        guard items.count == 1, let only = items.first else {
            throw CommandError(.usage, "\(flag) says which of \(names) is meant.")
        }
        return only
    }

    /// An address as it may be printed.
    static func withoutPassword(_ address: String) -> String {
        guard let at = address.lastIndex(of: "@"), let scheme = address.firstRange(of: "://") else { return address }
        let user = address[scheme.upperBound..<at].split(separator: ":", omittingEmptySubsequences: false).first ?? ""
        return "\(address[..<scheme.upperBound])\(user)\(address[at...])"
    }
}
