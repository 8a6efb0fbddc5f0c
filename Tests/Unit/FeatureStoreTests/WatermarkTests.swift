import FeatureStore
import Testing

@Suite struct WatermarkTests {
    private let whole = Watermark(generation: 3, nextOffset: 1_000, target: 900, newestMillis: 1_700_000_000_123)

    @Test func `its bytes are four big-endian numbers, and come back`() {
        let bytes = Watermark(generation: 1, nextOffset: 0x0203, target: 4, newestMillis: -1).bytes
        #expect(
            bytes == [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 2, 3, 0, 0, 0, 0, 0, 0, 0, 4]
                + Array(repeating: 0xFF, count: 8))
        for mark in [
            whole, Watermark(generation: 1, nextOffset: 0), .init(generation: 1, nextOffset: Watermark.end - 1),
        ] {
            #expect(Watermark(bytes: mark.bytes) == mark)
        }
    }

    @Test func `what cannot be is refused`() {
        func bytes(_ generation: UInt64, _ next: Int64, _ target: Int64) -> [UInt8] {
            Watermark(generation: generation, nextOffset: next, target: target).bytes
        }
        #expect(Watermark(bytes: bytes(0, 0, 0)) == nil)
        #expect(Watermark(bytes: bytes(1 << 62, 0, 0)) == nil)
        #expect(Watermark(bytes: bytes(.max, 0, 0)) == nil)
        #expect(Watermark(bytes: bytes(1, -1, 0)) == nil)
        #expect(Watermark(bytes: bytes(1, 1 << 62, 0)) == nil)
        #expect(Watermark(bytes: bytes(1, 0, -1)) == nil)
        #expect(Watermark(bytes: bytes(1, 0, .max)) == nil)
        #expect(Watermark(bytes: whole.bytes.prefix(24) + [0x80, 0, 0, 0, 0, 0, 0, 0]) == nil)
        for count in 0..<70 where count != 32 {
            #expect(Watermark(bytes: Array((whole.bytes + whole.bytes + whole.bytes).prefix(count))) == nil)
        }
    }

    @Test func `is complete from its target on`() {
        #expect(!Watermark(generation: 1, nextOffset: 9, target: 10).isComplete)
        #expect(Watermark(generation: 1, nextOffset: 10, target: 10).isComplete)
        #expect(Watermark(generation: 1, nextOffset: 0).isComplete)
        #expect(
            whole.moved(to: 1_001, newestMillis: 5)
                == .init(generation: 3, nextOffset: 1_001, target: 900, newestMillis: 5))
    }

    @Test(arguments: [Int64.min, -2, Int64.max, 1 << 62])
    func `a timestamp that cannot be one is stored as one that can`(millis: Int64) {
        let mark = whole.moved(to: 1_001, newestMillis: millis)
        #expect(Watermark(bytes: mark.bytes) == mark)
    }

    @Test func `the next generation is above all that can be believed`() {
        #expect(Watermark.generation(above: 0) == 1)
        #expect(Watermark.generation(above: 4, [3, 9]) == 10)
        #expect(Watermark.generation(above: 4, [.max, 1 << 61]) == 5, "no number of rebuilds reaches these")
        #expect(Watermark.generation(above: 4, [(1 << 61) - 1]) == 1 << 61)
        let highest = Watermark(generation: Watermark.generation(above: 4, [(1 << 61) - 1]), nextOffset: 0)
        #expect(Watermark(bytes: highest.bytes) == highest)
    }
}
