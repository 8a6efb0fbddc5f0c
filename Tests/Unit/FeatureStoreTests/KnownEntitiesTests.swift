import FeatureEngine
import FeatureStore
import TestSupport
import Testing

@Suite struct KnownEntitiesTests {
    private func entity(_ number: Int) -> ByteString { ByteString("card-\(number)") }

    @Test func `an entity that was inserted is known, whatever came after it`() {
        var known = KnownEntities(room: 1_000)
        for number in 0..<5_000 {
            let bits = known.insert(entity(number))
            #expect(bits.map { $0.count == 4 && Set($0.map { $0 / 64 }).count == 1 } ?? true, "one word")
            #expect(bits.map { $0.allSatisfy { (0..<known.byteCount * 8).contains($0) } } ?? true)
            #expect(known.contains(entity(number)))
        }
        for number in 0..<5_000 {
            #expect(known.contains(entity(number)))
            #expect(known.insert(entity(number)) == nil, "nothing to write for one that is known")
        }
        #expect(known.isFull)
    }

    /// The promise of the header comment, in bits an entity and share of unknown ones that seem known.
    @Test(arguments: [(65_536, 16.0, 0.006), (33_000, 31.7, 0.001)])
    func `costs 16 to 32 bits an entity and rarely errs`(entities: Int, bits: Double, most: Double) {
        var known = KnownEntities(room: entities)
        for number in 0..<entities { _ = known.insert(entity(number)) }
        let each = Double(known.byteCount * 8) / Double(entities)
        #expect(abs(each - bits) < 0.2)
        let wrong = (0..<200_000).filter { known.contains(entity(1_000_000 + $0)) }.count
        #expect(Double(wrong) / 200_000 < most, "\(wrong) of 200,000 at \(each) bits")
        #expect(wrong > 0, "the measurement measures something")
    }

    @Test(arguments: [0, 1, 63, 64, 65, 4_096, 4_097, 1_000_000])
    func `its size is a power of two and has the room that was asked for`(room: Int) {
        let known = KnownEntities(room: room)
        #expect(known.byteCount.nonzeroBitCount == 1)
        #expect(known.byteCount * 8 >= room * 16)
        #expect(known.byteCount <= max(128, room * 4))
        #expect(!known.isFull)
        #expect(known.bytes == Array(repeating: 0, count: known.byteCount))
    }

    @Test func `bits set one by one make the same bytes as the whole`() {
        var known = KnownEntities(room: 100)
        var bytes = known.bytes
        for number in 0..<100 {
            for bit in known.insert(entity(number)) ?? [] { bytes[bit / 8] |= 0x80 >> UInt8(bit % 8) }
        }
        #expect(bytes == known.bytes)
    }

    @Test func `an answer that is no word says nothing`() {
        let key = entity(1).bytes
        #expect(KnownEntities.answer(nil, of: key.span) == .absent)
        for count in [0, 1, 7, 9, 16] {
            #expect(KnownEntities.answer(Array(repeating: UInt8.max, count: count).span, of: key.span) == .absent)
        }
        #expect(KnownEntities.answer(Array(repeating: UInt8.max, count: 8).span, of: key.span) == .known)
        #expect(KnownEntities.answer(Array(repeating: UInt8(0), count: 8).span, of: key.span) == .new)
    }

    @Test func `canonically equivalent keys are two entities`() {
        var known = KnownEntities(room: 10_000)
        _ = known.insert(ByteString("caf\u{e9}"))
        #expect(!known.contains(ByteString("cafe\u{301}")))
    }
}
