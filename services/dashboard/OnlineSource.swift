import FeatureStore
import Observability
import RedisClient
import RedisOnlineStore

/// The source of online state: one connection to Redis that only reads. Confined to one thread.
final class OnlineSource {
    private let url: String
    private var connection: RedisConnection?
    private var retry = Retry()

    init(url: String) { self.url = url }

    func ping() throws { _ = try run { _, connection in try connection.command("PING") } }

    /// A server that answers, if only with an error, keeps its connection.
    private func run<Value>(_ body: (RedisOnlineStore, RedisConnection) throws -> Value) throws -> Value {
        let open =
            try connection
            ?? retry.run(nowNanos: WallClock.monotonicNanos) {
                try RedisConnection(RedisAddress(url: url), connectTimeoutMillis: 1_000, commandTimeoutMillis: 1_000)
            }
        connection = open
        defer { if !open.isOpen { connection = nil } }
        return try body(RedisOnlineStore(open), open)
    }

    /// An entity's state in the views of a feed; `partitions` is the topic's count.
    func states(of entity: String, in feed: ViewFeed, _ repository: FeatureRepository, partitions: Int) throws
        -> OnlineStates
    {
        try run { store, _ in try store.states(of: entity, in: feed, repository, partitions: partitions) }
    }
}
