import FeatureEngine
import FeatureStore
import RedisClient
import RedisOnlineStore
import TestSupport
import Testing

@Suite struct RedisOnlineStoreTests {
    private let redis: RedisConnection
    private let store: RedisOnlineStore
    private let name: String

    init() throws {
        redis = try RedisConnection(RedisAddress(url: TestServers.redis().url))
        store = try RedisOnlineStore(url: TestServers.redis().url)
        name = "store-test-\(UInt64.random(in: 0..<UInt64.max))"
    }

    /// 16 bytes of position, the rest of a header, then anything.
    private func blob(_ generation: UInt64, _ offset: Int64, _ rest: String) -> [UInt8] {
        var position = Watermark(generation: generation, nextOffset: 0).bytes.prefix(8)
        position += Watermark(generation: UInt64(bitPattern: offset), nextOffset: 0).bytes.prefix(8)
        return position + Array(repeating: 0, count: EntityState.headerSize - 16) + Array(rest.utf8)
    }

    private func stored(_ key: String) throws -> [UInt8]? {
        let (_, blobs) = try store.read(watermarkKey: "\(name) none", blobKeys: [key])
        return blobs[0]
    }

    @Test func `a key of another type gives way to the first write`() throws {
        let key = "\(name) list"
        let planted = Watermark(generation: 1, nextOffset: 0, target: 3)
        try redis.command("RPUSH", key, "not a string")
        #expect(try store.read(watermarkKey: key, blobKeys: [key]).0 == nil)
        #expect(try store.move(key, from: planted, to: planted.moved(to: 3, newestMillis: 5)) == .overtaken)
        #expect(try store.write([(key, blob(1, 1, "a"))]) == .accepted)
        #expect(try stored(key) == blob(1, 1, "a"))
        try redis.command("DEL", key)
        try redis.command("SADD", key, "not a string")
        #expect(try store.plant(key, planted) == .accepted)
        #expect(try store.read(watermarkKey: key, blobKeys: []).0 == planted)
        try redis.command("DEL", key)
        try redis.command("HSET", key, "a", "b")
        try store.discard([(key, [])])
        #expect(try redis.command("EXISTS", key) == .integer(0))
    }

    @Test func `forgotten scripts are loaded again within the same call`() throws {
        let key = "\(name) scripts"
        #expect(try store.write([(key, blob(1, 1, "a"))]) == .accepted)
        try redis.command("SCRIPT", "FLUSH")
        #expect(try store.write([(key, blob(1, 2, "b")), ("\(key) 2", blob(1, 2, "b"))]) == .accepted)
        #expect(try stored(key) == blob(1, 2, "b"))
        #expect(try stored("\(key) 2") == blob(1, 2, "b"))
    }

    @Test func `a server that evicts is warned about`() throws {
        let server = try RedisServer()
        try server.start()
        defer { server.kill() }
        let store = try RedisOnlineStore(url: server.url)
        #expect(try store.evictionWarning() == nil)
        try RedisConnection(RedisAddress(url: server.url)).command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        #expect(try store.evictionWarning()?.contains("allkeys-lru") == true)
    }
}
