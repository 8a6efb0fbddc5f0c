import FeatureEngine
import FeatureStore
import RedisClient
import RedisOnlineStore
import TestSupport
import Testing

/// One suite for every online store: what memory does by the book, Redis must do in its scripts.
@Suite struct OnlineStoreTests {
    enum Kind: CaseIterable { case memory, redis }

    /// A store, and a way to put raw bytes where its values lie.
    private struct Place {
        let store: any OnlineStore
        let put: (String, [UInt8]) throws -> Void
        let name = "store-test-\(UInt64.random(in: 0..<UInt64.max))"

        init(_ kind: Kind) throws {
            switch kind {
            case .memory:
                let memory = MemoryOnlineStore()
                store = memory
                put = { memory.values[ByteString($0)] = $1 }
            case .redis:
                let connection = try RedisConnection(RedisAddress(url: TestServers.redis().url))
                store = RedisOnlineStore(connection)
                put = { key, bytes in
                    var command = RedisPipeline()
                    command.begin(arguments: 3)
                    command.add("SET")
                    command.add(key)
                    command.add(bytes)
                    _ = try connection.run(&command)
                }
            }
        }

        func stored(_ key: String) throws -> [UInt8]? {
            try store.read(watermarkKey: "\(name) none", blobKeys: [key]).1[0]
        }
    }

    /// 16 bytes of position, the rest of a header, then anything.
    private func blob(_ generation: UInt64, _ offset: Int64, _ rest: String) -> [UInt8] {
        var position = Watermark(generation: generation, nextOffset: 0).bytes.prefix(8)
        position += Watermark(generation: UInt64(bitPattern: offset), nextOffset: 0).bytes.prefix(8)
        return position + Array(repeating: 0, count: EntityState.headerSize - 16) + Array(rest.utf8)
    }

    /// Positions in their order, with carries between the four words they are compared by.
    static let positions: [(UInt64, Int64)] = [
        (1, 0), (1, 1), (1, 255), (1, 256), (1, 0x7FFF_FFFF), (1, 0x8000_0000), (1, 0xFFFF_FFFF), (1, 0x1_0000_0000),
        (1, Watermark.end - 1), (2, 0), (2, 9), (0xFFFF_FFFF, 3), (0x1_0000_0000, 2), (0x1FFF_FFFF_FFFF_FFFF, 1),
    ]

    @Test(arguments: Kind.allCases)
    func `a blob is written over an older position only`(kind: Kind) throws {
        let place = try Place(kind)
        for ((older, newer), number) in zip(zip(Self.positions, Self.positions.dropFirst()), 0...) {
            let key = "\(place.name) \(number)"
            #expect(try place.store.write([(key, blob(older.0, older.1, "old"))]) == .accepted)
            #expect(try place.store.write([(key, blob(newer.0, newer.1, "new"))]) == .accepted, "\(older) < \(newer)")
            #expect(try place.stored(key) == blob(newer.0, newer.1, "new"))
            #expect(try place.store.write([(key, blob(older.0, older.1, "late"))]) == .overtaken, "\(older) < \(newer)")
            // The same position is the same state: written already, by an attempt whose answer got lost.
            #expect(try place.store.write([(key, blob(newer.0, newer.1, "new"))]) == .accepted)
            #expect(try place.stored(key) == blob(newer.0, newer.1, "new"))
        }
    }

    @Test(arguments: Kind.allCases)
    func `one refused blob of many is told, and the others are stored`(kind: Kind) throws {
        let place = try Place(kind)
        #expect(try place.store.write([("\(place.name) b", blob(2, 0, "newer"))]) == .accepted)
        let writes = ["a", "b", "c"].map { (key: "\(place.name) \($0)", blob: blob(1, 5, $0)) }
        #expect(try place.store.write(writes) == .overtaken)
        #expect(try place.stored("\(place.name) a") == blob(1, 5, "a"))
        #expect(try place.stored("\(place.name) b") == blob(2, 0, "newer"))
        #expect(try place.stored("\(place.name) c") == blob(1, 5, "c"))
    }

    @Test(arguments: Kind.allCases)
    func `a watermark moves only from exactly where it was left`(kind: Kind) throws {
        let place = try Place(kind)
        let (key, store) = ("\(place.name) wm", place.store)
        func mark(_ generation: UInt64, _ next: Int64, _ target: Int64 = 0, _ newest: Int64 = -1) -> Watermark {
            Watermark(generation: generation, nextOffset: next, target: target, newestMillis: newest)
        }
        #expect(try store.move(key, from: mark(1, 0), to: mark(1, 5)) == .overtaken, "there is none")
        #expect(try store.plant(key, mark(1, 0, 9)) == .accepted)
        #expect(try store.plant(key, mark(1, 0, 9)) == .overtaken, "of this generation there is one")
        #expect(try store.move(key, from: mark(1, 0), to: mark(1, 5, 9)) == .overtaken, "another target")
        #expect(try store.move(key, from: mark(1, 0, 9, 7), to: mark(1, 5, 9)) == .overtaken, "another time")
        #expect(try store.move(key, from: mark(1, 0, 9), to: mark(1, 5, 9, 7)) == .accepted)
        #expect(try store.move(key, from: mark(1, 0, 9), to: mark(1, 5, 9, 7)) == .accepted, "it is there already")
        #expect(try store.move(key, from: mark(1, 0, 9), to: mark(1, 7, 9)) == .overtaken)
        #expect(try store.plant(key, mark(0x1_0000_0001, 0)) == .accepted)
        #expect(try store.plant(key, mark(2, 0)) == .overtaken, "an older generation")
        #expect(try store.move(key, from: mark(1, 5, 9, 7), to: mark(1, 9, 9)) == .overtaken)
        #expect(try store.read(watermarkKey: key, blobKeys: []).0 == mark(0x1_0000_0001, 0))
    }

    /// What no owner wrote: each must give way to the first write.
    static let damaged: [[UInt8]] = [
        [], [0x78], Array(repeating: 0, count: 16), Array(repeating: 0xFF, count: 16),
        Array(repeating: 0xFF, count: 32),
        Array(repeating: 0xFF, count: 36), Array(repeating: 0xFF, count: 64), [0x80] + Array(repeating: 0, count: 60),
        Array(repeating: 0, count: 8) + Array(repeating: 0xFF, count: 52), Array(repeating: 0x20, count: 31),
        Array(repeating: 0x20, count: 32), Array(repeating: 0x20, count: 33), [0x20] + Array(repeating: 0, count: 31),
        // A generation and positions that could be: only the checksum says that they are not.
        Array(Watermark(generation: 900, nextOffset: 7, target: 9).bytes.prefix(32)),
        Array(Watermark(generation: 900, nextOffset: 7, target: 9).bytes.prefix(35) + [0]),
        Array(Watermark(generation: 900, nextOffset: 7, target: 9).bytes.prefix(32))
            + Array(Watermark(generation: 900, nextOffset: 8, target: 9).bytes.suffix(4)),
    ]

    @Test(arguments: Kind.allCases, damaged)
    func `a damaged value gives way to the first write`(kind: Kind, bytes: [UInt8]) throws {
        let place = try Place(kind)
        let key = "\(place.name) damaged"
        try place.put(key, bytes)
        #expect(try place.store.write([(key, blob(1, 0, "new"))]) == .accepted)
        #expect(try place.stored(key) == blob(1, 0, "new"))
        try place.put(key, bytes)
        #expect(try place.store.read(watermarkKey: key, blobKeys: []).0 == nil)
        let planted = Watermark(generation: 2, nextOffset: 0, target: 9)
        #expect(try place.store.plant(key, planted) == .accepted)
        #expect(try place.store.read(watermarkKey: key, blobKeys: []).0 == planted)
    }

    @Test(arguments: Kind.allCases)
    func `a blob that cannot be read is removed, unless it was written again`(kind: Kind) throws {
        let place = try Place(kind)
        let (key, store) = ("\(place.name) unreadable", place.store)
        let damaged = blob(0x1FFF_FFFF_FFFF_FFFE, 9, "high position, wrong checksum")
        #expect(try store.write([(key, damaged)]) == .accepted)
        #expect(try store.write([(key, blob(2, 0, "rebuilt"))]) == .overtaken)
        try store.discard([(key, damaged)])
        #expect(try place.stored(key) == nil)
        #expect(try store.write([(key, blob(2, 0, "rebuilt"))]) == .accepted)
        try store.discard([(key, damaged)])
        #expect(try place.stored(key) == blob(2, 0, "rebuilt"))
    }

    @Test(arguments: Kind.allCases)
    func `the moment a partition was alive is a heartbeat, the newest`(kind: Kind) throws {
        let place = try Place(kind)
        let key = OnlineKeys.alive(watermarkKey: place.name)
        for millis in [Int64(7), 0x0102_0304_0506_0708] { try place.store.noteAlive(key, millis: millis) }
        let bytes = try #require(try place.stored(key))
        #expect(bytes.prefix(8) == [1, 2, 3, 4, 5, 6, 7, 8] && bytes.count == Heartbeat.size)
        #expect(Heartbeat(bytes: bytes.span)?.millis == 0x0102_0304_0506_0708)
    }

    @Test(arguments: Kind.allCases)
    func `which entities there are is kept by their owner and asked by anybody`(kind: Kind) throws {
        let place = try Place(kind)
        let (mark, key, store) = ("\(place.name) wm", OnlineKeys.known(watermarkKey: "\(place.name) wm"), place.store)
        let cards = (0..<3_000).map { ByteString("card \($0)") }
        func answer(_ card: ByteString) throws -> KnownEntities.Answer { try store.known(card.bytes.span, key: key) }
        var known = KnownEntities(room: 2_000)
        let bits = cards[..<10].flatMap { known.insert($0) ?? [] }
        let owned = Watermark(generation: 1, nextOffset: 0)
        #expect(try answer(cards[0]) == .absent)
        #expect(try store.add(bits, to: key, byteCount: known.byteCount) == .overtaken, "there is none yet")
        #expect(try store.replace(known, key: key, watermarkKey: mark, under: owned) == .overtaken, "not the owner")
        #expect(try store.plant(mark, owned) == .accepted)
        #expect(try store.replace(known, key: key, watermarkKey: mark, under: owned) == .accepted)
        for card in cards[..<10] { #expect(try answer(card) == .known) }
        #expect(try answer(cards[2_999]) == .new)

        let more = cards[10..<2_000].flatMap { known.insert($0) ?? [] }
        #expect(more.count > 4_000, "more than one call of the script")
        #expect(try store.add(more, to: key, byteCount: known.byteCount) == .accepted)
        for card in cards[..<2_000] { #expect(try answer(card) == .known) }
        #expect(try cards[2_000...].filter { try answer($0) == .known }.count < 50)
        #expect(try store.read(watermarkKey: mark, blobKeys: [key]).1[0] == known.bytes, "the bits make the whole")

        #expect(try store.add([0], to: key, byteCount: known.byteCount * 2) == .overtaken, "of another size")
        let moved = owned.moved(to: 5, newestMillis: 1)
        #expect(try store.move(mark, from: owned, to: moved) == .accepted)
        #expect(try store.replace(KnownEntities(), key: key, watermarkKey: mark, under: owned) == .overtaken)
        for bytes in [[], [1], Array(repeating: UInt8.max, count: 12), Array(repeating: 1, count: 24)] as [[UInt8]] {
            try place.put(key, bytes)
            #expect(try answer(cards[0]) == .absent, "\(bytes.count) bytes are no filter")
        }
    }
}
