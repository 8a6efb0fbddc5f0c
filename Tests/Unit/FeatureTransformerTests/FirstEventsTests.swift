import FeatureEngine
import TestSupport
import Testing

@testable import FeatureTransformer

@Suite struct FirstEventsTests {
    @Test(arguments: [UInt64(1), 2]) func `agrees with a dictionary`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var first = FirstEvents()
        var naive: [UInt64: Int64] = [:]
        for _ in 0..<20_000 {
            let hash = UInt64.random(in: 0..<5_000, using: &random) &* 0x1_0000_0001
            let position = Int64.random(in: 0..<1_000_000, using: &random)
            first.note(hash, at: position)
            naive[hash == 0 ? 1 : hash] = min(naive[hash == 0 ? 1 : hash] ?? .max, position)
        }
        #expect(first.count == naive.count)
        #expect(naive.allSatisfy { first[$0.key] == $0.value })
        #expect(first[0xFFFF_0000_0000_0001] == nil)
    }
}
