import FeatureStore
import Testing

@Suite struct WatermarkTests {
    private let whole = Watermark(generation: 3, nextOffset: 1_000, target: 900, newestMillis: 1_700_000_000_123)

    @Test func `its bytes are four big-endian numbers and their CRC-32C, and come back`() {
        let bytes = Watermark(generation: 1, nextOffset: 0x0203, target: 4, newestMillis: -1).bytes
        #expect(
            bytes == [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 2, 3, 0, 0, 0, 0, 0, 0, 0, 4]
                + Array(repeating: 0xFF, count: 8) + [0x40, 0xDA, 0xA6, 0xFE])
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
        for count in 0..<80 where count != Watermark.size {
            #expect(Watermark(bytes: Array((whole.bytes + whole.bytes + whole.bytes).prefix(count))) == nil)
        }
    }

    /// Whatever one byte becomes, wherever it is cut, and whatever stands in the place of a number: seen.
    @Test func `no damage makes it another watermark`() {
        for mark in [whole, Watermark(generation: 1, nextOffset: 0), whole.moved(to: 2, newestMillis: -1)] {
            for place in 0..<Watermark.size {
                var damaged = mark.bytes
                for value in UInt8.min...UInt8.max where value != mark.bytes[place] {
                    damaged[place] = value
                    #expect(Watermark(bytes: damaged) == nil, "byte \(place) as \(value)")
                }
            }
            for count in 0..<Watermark.size { #expect(Watermark(bytes: Array(mark.bytes.prefix(count))) == nil) }
            let later = whole.moved(to: 999, newestMillis: 1).bytes
            for start in stride(from: 0, to: 32, by: 8) where later[start..<start + 8] != mark.bytes[start..<start + 8]
            {
                let mixed = Array(mark.bytes[..<start] + later[start..<start + 8] + mark.bytes[(start + 8)...])
                #expect(Watermark(bytes: mixed) == nil, "half of another write from \(start)")
            }
        }
        #expect(Watermark(bytes: Array(whole.bytes.prefix(32))) == nil, "the form without a checksum is made anew")
    }

    @Test func `no damage makes a heartbeat another moment`() {
        let beat = Heartbeat(millis: 1_700_000_000_123)
        #expect(Heartbeat(bytes: beat.bytes.span) == beat)
        #expect(Heartbeat(millis: -5).millis == 0)
        for place in 0..<Heartbeat.size {
            var damaged = beat.bytes
            for value in UInt8.min...UInt8.max where value != beat.bytes[place] {
                damaged[place] = value
                #expect(Heartbeat(bytes: damaged.span) == nil, "byte \(place) as \(value)")
            }
        }
        for count in 0..<20 where count != Heartbeat.size {
            #expect(Heartbeat(bytes: Array((beat.bytes + beat.bytes).prefix(count)).span) == nil)
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
