import TestSupport
import Testing

@testable import FeatureTransformer

@Suite struct UnreadableWatchTests {
    @Test(arguments: [UInt64(1), 2, 3]) func `finds the end of what cannot be read, in few looks`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for _ in 0..<200 {
            let from = Int64.random(in: 0..<1_000, using: &random)
            let bad = Int64.random(in: 1..<20_000, using: &random)
            let to = from + bad + Int64.random(in: 0..<20_000, using: &random)
            var looks = 0
            let end = UnreadableWatch.end(from: from, to: to) { offset in
                looks += 1
                return offset >= from + bad
            }
            #expect(end == from + bad, "seed \(seed): \(bad) records in \(to - from)")
            #expect(looks <= 32)
        }
    }

    @Test func `what cannot be read up to the log's end ends there`() {
        #expect(UnreadableWatch.end(from: 5, to: 6) { _ in false } == 6)
        #expect(UnreadableWatch.end(from: 5, to: 105) { _ in false } == 105)
    }
}
