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

    /// Positions in their order, with carries between the four words they are compared by.
    static let positions: [(UInt64, Int64)] = [
        (1, 0), (1, 1), (1, 255), (1, 256), (1, 0x7FFF_FFFF), (1, 0x8000_0000), (1, 0xFFFF_FFFF), (1, 0x1_0000_0000),
        (1, Watermark.end - 1), (2, 0), (2, 9), (0xFFFF_FFFF, 3), (0x1_0000_0000, 2), (0x1FFF_FFFF_FFFF_FFFF, 1),
    ]

    /// What no owner wrote: each must give way to the first write.
    static let damaged: [[UInt8]] = [
        [], [0x78], Array(repeating: 0, count: 16), Array(repeating: 0xFF, count: 16),
        Array(repeating: 0xFF, count: 32),
        Array(repeating: 0xFF, count: 36), Array(repeating: 0xFF, count: 64),
        [0x80] + Array(repeating: 0, count: 60), Array(repeating: 0, count: 8) + Array(repeating: 0xFF, count: 52),
        Array(repeating: 0x20, count: 31), Array(repeating: 0x20, count: 33), [0x20] + Array(repeating: 0, count: 31),
    ]

    @Test(arguments: damaged)
    func `a damaged value gives way to the first write`(bytes: [UInt8]) throws {
        let key = "\(name) damaged"
        func damage() throws {
            var command = RedisPipeline()
            command.begin(arguments: 3)
            command.add("SET")
            command.add(key)
            command.add(bytes)
            _ = try redis.run(&command)
        }
        try damage()
        #expect(try store.write([(key, blob(1, 0, "new"))]) == .accepted)
        #expect(try stored(key) == blob(1, 0, "new"))
        try damage()
        let planted = Watermark(generation: 2, nextOffset: 0, target: 9)
        #expect(try store.plant(key, planted) == .accepted)
        #expect(try store.read(watermarkKey: key, blobKeys: []).0 == planted)
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

    @Test func `a blob that cannot be read is removed, unless it was written again`() throws {
        let key = "\(name) unreadable"
        let damaged = blob(0x1FFF_FFFF_FFFF_FFFE, 9, "high position, wrong checksum")
        #expect(try store.write([(key, damaged)]) == .accepted)
        #expect(try store.write([(key, blob(2, 0, "rebuilt"))]) == .overtaken)
        try store.discard([(key, damaged)])
        #expect(try store.write([(key, blob(2, 0, "rebuilt"))]) == .accepted)
        try store.discard([(key, damaged)])
        #expect(try stored(key) == blob(2, 0, "rebuilt"))
    }

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
