import FeatureEngine
import TestSupport
import Testing

@Suite struct BlobTests {
    static let view = Rows.everything(windows: [Rows.hour, Rows.day])

    static func state(events: Int, seed: UInt64 = 1) throws -> EntityState {
        var random = SeededRandom(seed: seed)
        var state = EntityState(view, generation: 7)
        var time: Int64 = 1_546_300_800_000
        for index in 0..<events {
            time += Int64.random(in: 0...1_000_000, using: &random)
            let row = try Rows.row(
                "\(index)", at: time - (index % 5 == 0 ? 700_000 : 0),
                amt: "\(Int.random(in: -10...9_999_999, using: &random)).07",
                shop: "Ärger & Söhne \(index % 3)", lat: "\(Double.random(in: -90...90, using: &random))",
                points: "\(Int64.random(in: .min...(.max), using: &random) | 1)")
            _ = state.insert(row, offset: Int64(index) * 3)
        }
        return state
    }

    static func load(_ blob: [UInt8], into state: inout EntityState) throws { try state.load(blob: blob.span) }

    /// Why a blob is refused, or nil.
    static func refusal(of blob: [UInt8]) -> BlobError? {
        var state = EntityState(view)
        do throws(BlobError) {
            try state.load(blob: blob.span)
            return nil
        } catch {
            return error
        }
    }

    @Test(arguments: [0, 1, 2, 5, 60, 500])
    func `a blob reads back to the same state`(events: Int) throws {
        let state = try Self.state(events: events)
        var blob: [UInt8] = []
        state.encode(into: &blob)
        let copy = try EntityState(Self.view, blob: blob.span)
        #expect(copy.generation == 7)
        #expect(copy.offset == state.offset)
        #expect(copy.count == state.count)
        let position = try #require(EntityState.position(ofBlob: blob))
        #expect(position.generation == 7)
        #expect(position.offset == state.offset)
        for step in 0..<50 {
            let time = (state.newestMillis ?? 0) - Int64(step) * 500_000 + 1
            #expect(Rows.evaluate(copy, at: time).isIdentical(to: Rows.evaluate(state, at: time)))
        }
        var again: [UInt8] = []
        copy.encode(into: &again)
        #expect(again == blob)
    }

    @Test func `a reused state forgets what it held`() throws {
        var blob: [UInt8] = []
        try Self.state(events: 3, seed: 5).encode(into: &blob)
        var state = try Self.state(events: 40)
        try state.load(blob: blob.span)
        var again: [UInt8] = []
        state.encode(into: &again)
        #expect(again == blob)
        #expect(throws: BlobError.truncated) { try Self.load([], into: &state) }
        #expect(state.count == 0)
        #expect(state.offset == -1)
    }

    @Test(arguments: [0, 1, 4])
    func `every truncation and every added byte is refused`(events: Int) throws {
        var blob: [UInt8] = []
        try Self.state(events: events).encode(into: &blob)
        for length in 0..<blob.count {
            let cut = Array(blob.prefix(length))
            #expect(Self.refusal(of: cut) != nil, "cut to \(length) bytes")
        }
        for extra in [UInt8(0), 1, 255] {
            let long = blob + [extra]
            #expect(Self.refusal(of: long) != nil)
        }
    }

    @Test(arguments: [0, 1, 4])
    func `every flipped bit is refused`(events: Int) throws {
        var blob: [UInt8] = []
        try Self.state(events: events).encode(into: &blob)
        for bit in 0..<blob.count * 8 {
            var flipped = blob
            flipped[bit / 8] ^= 1 << (bit % 8)
            #expect(Self.refusal(of: flipped) != nil, "bit \(bit)")
        }
    }

    @Test func `another format is named`() throws {
        var blob: [UInt8] = []
        try Self.state(events: 2).encode(into: &blob)
        blob[16] = 9
        #expect(Self.refusal(of: blob) == .unknownFormat(9))
    }

    @Test func `a blob of other columns is refused or reads to a valid state`() throws {
        var blob: [UInt8] = []
        try Self.state(events: 5).encode(into: &blob)
        // Keys carry the definitions' hash, so this cannot happen; if it does, nothing traps.
        let other = Rows.view([(.last, "shop", nil), (.min, "lat", Rows.day)])
        if let state = try? EntityState(other, blob: blob.span) { #expect(state.count <= 5) }
    }

    /// The checksum as the format defines it, so that damage can be hidden from it.
    private static func sealed(_ blob: [UInt8]) -> [UInt8] {
        var hash = 0xcbf2_9ce4_8422_2325 ^ UInt64(blob.count)
        func word(_ place: Int) -> UInt64 { blob[place..<place + 8].reduce(0) { $0 << 8 | UInt64($1) } }
        func take(_ word: UInt64) {
            hash = (hash ^ word) &* 0x0000_0100_0000_01b3
            hash ^= hash >> 32
        }
        for place in [0, 8, 16] { take(word(place)) }
        take(word(21) & 0xFF_FFFF_FFFF)
        var place = EntityState.headerSize
        while place + 8 <= blob.count {
            take(word(place))
            place += 8
        }
        take(blob[place...].reduce(0) { $0 << 8 | UInt64($1) })
        var result = blob
        for byte in 0..<8 { result[29 + byte] = UInt8(truncatingIfNeeded: hash >> UInt64(56 - 8 * byte)) }
        return result
    }

    /// A writer that is broken or hostile can seal what it likes: reading never traps, and what is taken can be used.
    @Test(arguments: [0, 1, 4])
    func `sealed damage is refused or is a state to work on`(events: Int) throws {
        var blob: [UInt8] = []
        try Self.state(events: events).encode(into: &blob)
        #expect(Self.sealed(blob) == blob)
        let row = try Rows.row("late", at: 1_700_000_000_000)
        var taken = 0
        func use(_ bytes: [UInt8]) {
            guard var state = try? EntityState(Self.view, blob: bytes.span) else { return }
            taken += 1
            _ = Rows.evaluate(state, at: 1_700_000_000_000, current: row)
            _ = state.insert(row, offset: 1 << 61)
            var again: [UInt8] = []
            state.encode(into: &again)
        }
        for index in 0..<blob.count where !(29..<37).contains(index) {
            for value: UInt8 in [0, 1, 0x7F, 0x80, 0xFE, 0xFF, blob[index] ^ 1, blob[index] ^ 0x80] {
                var damaged = blob
                damaged[index] = value
                use(Self.sealed(damaged))
            }
        }
        for length in EntityState.headerSize...blob.count { use(Self.sealed(Array(blob.prefix(length)))) }
        #expect(taken > 0)
        // A position that no log reaches, and a time that no event has.
        for (place, bytes) in [(0, [UInt8](repeating: 0xFF, count: 8)), (0, [0x40, 0, 0, 0, 0, 0, 0, 0]), (8, [0x40])] {
            var damaged = blob
            damaged.replaceSubrange(place..<place + bytes.count, with: bytes)
            #expect(Self.refusal(of: Self.sealed(damaged)) == .corrupt)
        }
    }
}
