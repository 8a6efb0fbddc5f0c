import KafkaBroker
public import ServiceRuntime

extension BrokerConfiguration.Flush: SettingChoice {}

/// The embedded broker as a process.
public struct BrokerCommand: Command {
    /// How it is called.
    public static let name = "broker"
    /// What help says first.
    public static let summary = "A single-node Kafka broker for one machine; production runs real Apache Kafka."
    public static let example = "needletail broker --data var/kafka --port 19092"
    public static let settings: [any SettingProtocol] = [
        data, port, listen, advertise, partitions, autoCreate, flush, rebalanceDelay,
    ]
    /// What help says last.
    public static let details = """
        Prints `ready HOST:PORT` when clients may come. Not offered, and refused with Kafka's own errors: transactions,
        replicas, TLS and SASL, compaction, record times of appending.
        """

    static let data = Setting<String>(
        "data", default: "var/kafka", help: "Folder of the logs.", environment: "BROKER_DATA", placeholder: "DIR")
    static let port = Setting<Int>(
        "port", default: 19092, in: 0...65_535, help: "Port; 0 takes a free one.", environment: "BROKER_PORT"
    ).following(.kafka)
    static let listen = Setting<String>(
        "listen", default: "127.0.0.1", help: "Address to listen on.", environment: "BROKER_LISTEN", placeholder: "HOST"
    )
    static let advertise = Setting<String?>(
        "advertise", help: "Address that clients are told; the default is where it listens.",
        environment: "BROKER_ADVERTISE", placeholder: "HOST")
    static let partitions = Setting<Int>(
        "partitions", default: 1, in: 1...1_000, help: "Partitions of a topic that does not say.",
        environment: "BROKER_PARTITIONS")
    static let autoCreate = Setting<Bool>(
        "auto-create", default: true, help: "Whether asking for a topic makes it, as Kafka does by default.",
        environment: "BROKER_AUTO_CREATE")
    static let flush = Setting<BrokerConfiguration.Flush>(
        "flush", default: .background,
        help: "What producers wait for: background (records outlive a killed broker; consumers see them, a few "
            + "milliseconds later, when they outlive a power cut) or always (records outlive a power cut).",
        environment: "BROKER_FLUSH")
    static let rebalanceDelay = Setting<Int>(
        "rebalance-delay-ms", default: 50, in: 0...60_000,
        help: "How long a new group's first member waits for others, ms.", environment: "BROKER_REBALANCE_DELAY_MS")

    /// It runs until it is stopped.
    public static func hasEnd(_ settings: Settings) -> Bool { false }

    /// A command to be run once.
    public init() {}

    /// Serves until the program stops.
    public func run(_ settings: Settings, _ runtime: ServiceRuntime) async throws {
        var configuration = BrokerConfiguration(dataFolder: settings[Self.data])
        configuration.host = settings[Self.listen]
        configuration.port = settings[Self.port]
        configuration.advertisedHost = settings[Self.advertise]
        configuration.defaultPartitions = settings[Self.partitions]
        configuration.flush = settings[Self.flush]
        configuration.initialRebalanceDelayMillis = settings[Self.rebalanceDelay]
        configuration.createsTopicsAutomatically = settings[Self.autoCreate]
        try await runtime.run([("broker", BrokerService(configuration, log: runtime.log, runtime: runtime))])
    }
}
