import FeatureEngine
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

    /// 16 bytes of position, then anything.
    private func blob(_ generation: UInt64, _ offset: Int64, _ rest: String) -> [UInt8] {
        Watermark(generation: generation, nextOffset: offset).bytes + Array(rest.utf8)
    }

    private func stored(_ key: String) throws -> [UInt8]? {
        let (_, blobs) = try store.read(watermarkKey: "\(name) none", blobKeys: [key])
        return blobs[0]
    }

    /// Positions in their order, with carries between the four words they are compared by.
    static let positions: [(UInt64, Int64)] = [
        (1, 0), (1, 1), (1, 255), (1, 256), (1, 0x7FFF_FFFF), (1, 0x8000_0000), (1, 0xFFFF_FFFF), (1, 0x1_0000_0000),
        (1, .max), (2, 0), (2, 9), (0xFFFF_FFFF, 3), (0x1_0000_0000, 2), (0x8000_0000_0000_0000, 1),
    ]

    @Test func `a blob is written over an older position only`() throws {
        for (older, newer) in zip(Self.positions, Self.positions.dropFirst()) {
            let key = "\(name) blob"
            try redis.command("DEL", key)
            #expect(try store.write([(key, blob(older.0, older.1, "old"))]) == .accepted)
            #expect(try store.write([(key, blob(newer.0, newer.1, "new"))]) == .accepted, "\(older) < \(newer)")
            #expect(try stored(key) == blob(newer.0, newer.1, "new"))
            #expect(try store.write([(key, blob(older.0, older.1, "late"))]) == .overtaken, "\(older) < \(newer)")
            // The same position is the same state: written already, by an attempt whose answer got lost.
            #expect(try store.write([(key, blob(newer.0, newer.1, "new"))]) == .accepted)
            #expect(try stored(key) == blob(newer.0, newer.1, "new"))
        }
    }

    @Test func `a watermark moves only from where it was left`() throws {
        let key = "\(name) wm"
        func mark(_ generation: UInt64, _ next: Int64) -> Watermark {
            Watermark(generation: generation, nextOffset: next)
        }
        #expect(try store.move(key, from: mark(1, 0), to: mark(1, 5)) == .overtaken, "there is none")
        #expect(try store.plant(key, mark(1, 0)) == .accepted)
        #expect(try store.plant(key, mark(1, 0)) == .overtaken, "of this generation there is one")
        #expect(try store.move(key, from: mark(1, 0), to: mark(1, 5)) == .accepted)
        #expect(try store.move(key, from: mark(1, 0), to: mark(1, 5)) == .accepted, "it is there already")
        #expect(try store.move(key, from: mark(1, 0), to: mark(1, 7)) == .overtaken)
        #expect(try store.plant(key, mark(0x1_0000_0001, 0)) == .accepted)
        #expect(try store.plant(key, mark(2, 0)) == .overtaken, "an older generation")
        #expect(try store.move(key, from: mark(1, 5), to: mark(1, 9)) == .overtaken)
        #expect(try store.read(watermarkKey: key, blobKeys: []).0 == mark(0x1_0000_0001, 0))
    }

    @Test func `forgotten scripts are loaded again within the same call`() throws {
        let key = "\(name) scripts"
        #expect(try store.write([(key, blob(1, 1, "a"))]) == .accepted)
        try redis.command("SCRIPT", "FLUSH")
        #expect(try store.write([(key, blob(1, 2, "b")), ("\(key) 2", blob(1, 2, "b"))]) == .accepted)
        #expect(try stored(key) == blob(1, 2, "b"))
        #expect(try stored("\(key) 2") == blob(1, 2, "b"))
    }

    @Test func `an error reply is never a missing value`() throws {
        let key = "\(name) list"
        try redis.command("RPUSH", key, "not a string")
        #expect(throws: RedisError.self) { try store.write([(key, blob(1, 1, "a"))]) }
        #expect(throws: RedisError.self) { try store.plant(key, Watermark(generation: 1, nextOffset: 0)) }
        try redis.command("DEL", key)
        #expect(try stored(key) == nil)
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
