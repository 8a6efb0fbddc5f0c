import FeatureEngine
import TestSupport
import Testing

@testable import FeatureTransformer

@Suite struct IDFilterTests {
    @Test(arguments: [UInt64(1), 2, 3])
    func `knows exactly the hashes it was given`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var filter = IDFilter()
        var known: Set<UInt64> = []
        for _ in 0..<20_000 {
            // Few different values, zero among them, and neighbours that fall into the same slots.
            let hash = random.next() % 12_000 << (random.next() % 2 == 0 ? 0 : 40)
            let isNew = known.insert(hash == 0 ? 1 : hash).inserted
            #expect(filter.insert(hash) == isNew)
        }
        #expect(filter.count == known.count)
    }

    @Test func `the checksum is the one of zlib`() {
        var crc = CRC32()
        crc.combine(Array("12345".utf8).span)
        crc.combine(Array("6789".utf8).span)
        #expect(crc.value == 0xCBF4_3926)
    }
}
