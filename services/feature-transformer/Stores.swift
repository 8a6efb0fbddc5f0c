import FeatureStore
import KafkaClient
import PostgresClient
import PostgresOfflineStore
import RedisOnlineStore
import StreamRecovery

/// The connections of one thread, made when first needed and again after an error.
final class Stores {
    private let databaseURL: String
    private let redisURL: String
    private let applicationName: String
    private var openPostgres: PostgresOfflineStore?
    private var openRedis: RedisOnlineStore?
    private let given: (any OnlineStore)?

    /// `online` stands in for Redis, in tests.
    init(databaseURL: String, redisURL: String, applicationName: String, online: (any OnlineStore)? = nil) {
        (self.databaseURL, self.redisURL, self.applicationName) = (databaseURL, redisURL, applicationName)
        given = online
    }

    func postgres() throws -> PostgresOfflineStore {
        if let openPostgres, openPostgres.connection.isOpen { return openPostgres }
        let made = try PostgresOfflineStore(url: databaseURL, applicationName: applicationName)
        openPostgres = made
        return made
    }

    /// Where the online state lies: asked once a step, not once an entity.
    func online() throws -> any OnlineStore {
        if let given { return given }
        if let openRedis, openRedis.isOpen { return openRedis }
        let made = try RedisOnlineStore(url: redisURL)
        openRedis = made
        return made
    }

    /// Ends connections: nothing read through them before may be relied on after.
    func close(_ servers: Set<StreamServer> = Set(StreamServer.allCases)) {
        if servers.contains(.postgres) {
            openPostgres?.connection.close()
            openPostgres = nil
        }
        if servers.contains(.redis) {
            openRedis?.close()
            openRedis = nil
        }
    }
}
