/// What a broker is told at its start.
public struct BrokerConfiguration: Sendable, Equatable {
    /// What a producer's acknowledgement says. Consumers see only what is on the disk whatever is chosen, so nothing that
    /// was read, and acted upon, is lost by a power cut.
    public enum Flush: String, Sendable, CaseIterable {
        /// The record is in the system's hands: a killed process loses nothing. It is on the disk, and may be read, a few
        /// milliseconds later when a consumer waits, else within a second; a power cut before loses it.
        case background
        /// The record is on the disk.
        case always
    }

    /// The folder that holds everything; made if need be.
    public var dataFolder: String
    /// Where to listen; port 0 is any free one.
    public var host = "127.0.0.1", port = 0
    /// The address that clients are told; nil is where it listens.
    public var advertisedHost: String?
    /// Partitions of a topic that does not say.
    public var defaultPartitions = 1
    /// Whether asking for a topic makes it, as Kafka does by default.
    public var createsTopicsAutomatically = true
    /// When records are synchronised.
    public var flush = Flush.background
    /// How long a new group's first member waits for others (Kafka: 3000).
    public var initialRebalanceDelayMillis = 50
    /// How often old segments are looked for, and the disk is synchronised.
    public var retentionCheckMillis = 30_000, flushIntervalMillis = 1_000
    /// How long positions outlive the last member of their group.
    public var offsetRetentionMillis: Int64 = 604_800_000
    /// A connection without a request for this long is closed, as Kafka's `connections.max.idle.ms`.
    public var idleConnectionMillis: Int64 = 600_000
    /// Most connections at once; more are closed as they come.
    public var maxConnections = 4_000

    /// Most bytes of requests that are still arriving, over all connections; a client that would exceed it is cut off.
    public var maxUnfinishedBytes = 512 << 20

    /// A broker on `dataFolder`, on any free port of the loopback interface.
    public init(dataFolder: String) { self.dataFolder = dataFolder }
}
