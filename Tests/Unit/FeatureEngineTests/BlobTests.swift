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
}
