import FeatureEngine
import TestSupport
import Testing

@Suite struct ByteStringTests {
    @Test func `texts that Swift takes for equal are two by their bytes`() {
        let (composed, decomposed) = ("caf\u{E9}", "cafe\u{301}")
        #expect(composed == decomposed)
        #expect(ByteString(composed) != ByteString(decomposed))
        #expect(Set([ByteString(composed), ByteString(decomposed)]).count == 2)
        #expect(ByteString(composed).bytes == [0x63, 0x61, 0x66, 0xC3, 0xA9])
        #expect("\(ByteString(decomposed))" == decomposed)
        #expect(ByteString(Array(decomposed.utf8)) == ByteString(decomposed))
        #expect(ByteString(copying: Array(composed.utf8).span) == ByteString(composed))
    }

    @Test(arguments: [UInt64(1), 2, 3])
    func `order and equality are those of the byte lists`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let lists = (0..<60).map { _ in
            (0..<Int.random(in: 0...3, using: &random)).map { _ in UInt8.random(in: 0x7E...0x81, using: &random) }
        }
        for left in lists {
            for right in lists {
                let (a, b) = (ByteString(left), ByteString(right))
                #expect((a == b) == (left == right), "seed \(seed)")
                #expect((a < b) == left.lexicographicallyPrecedes(right), "seed \(seed)")
                if a == b { #expect(a.hashValue == b.hashValue, "seed \(seed)") }
            }
        }
    }
}
