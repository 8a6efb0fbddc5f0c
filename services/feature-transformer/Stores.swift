import FeatureStore
import KafkaClient
import PostgresClient
import PostgresOfflineStore
import RedisOnlineStore

/// The connections of one thread, made when first needed and again after an error.
final class Stores {
    private let databaseURL: String
    private let redisURL: String
    private let applicationName: String
    private var openPostgres: PostgresOfflineStore?
    private var openRedis: RedisOnlineStore?

    init(databaseURL: String, redisURL: String, applicationName: String) {
        (self.databaseURL, self.redisURL, self.applicationName) = (databaseURL, redisURL, applicationName)
    }

    func postgres() throws -> PostgresOfflineStore {
        if let openPostgres, openPostgres.connection.isOpen { return openPostgres }
        let made = try PostgresOfflineStore(url: databaseURL, applicationName: applicationName)
        openPostgres = made
        return made
    }

    func redis() throws -> RedisOnlineStore {
        if let openRedis, openRedis.isOpen { return openRedis }
        let made = try RedisOnlineStore(url: redisURL)
        openRedis = made
        return made
    }

    /// Ends both connections: nothing read through them before may be relied on after.
    func close() {
        openPostgres?.connection.close()
        openRedis?.close()
        (openPostgres, openRedis) = (nil, nil)
    }
}
