import TestSupport
import Testing

@testable import FeatureEngine

@Suite struct VarintTests {
    /// The obvious slow way.
    private func naive(_ value: UInt64) -> [UInt8] {
        var (bytes, rest): ([UInt8], UInt64) = ([], value)
        while rest >= 0x80 {
            bytes.append(UInt8(rest & 0x7F) | 0x80)
            rest >>= 7
        }
        return bytes + [UInt8(rest)]
    }

    @Test func `a number reads back whatever its length is and whatever follows`() throws {
        var random = SplitMix64(3)
        for bits in 0...64 {
            for tail in 0...10 {
                let value = bits == 0 ? 0 : random.next() >> UInt64(64 - bits)
                let followed = naive(value) + (0..<tail).map { _ in UInt8(truncatingIfNeeded: random.next()) }
                var cursor = 0
                #expect(try followed.span.varint(at: &cursor) == value)
                #expect(cursor == naive(value).count)
                var room = Array(repeating: UInt8(0xAA), count: 20)
                var end = 0
                var span = room.mutableSpan
                span.put(varint: value, at: &end)
                #expect(Array(room.prefix(end)) == naive(value))
            }
        }
    }

    @Test func `a number that does not end, or is too long, is refused`() {
        for count in 0...9 {
            let bytes = Array(repeating: UInt8(0x80), count: count)
            var cursor = 0
            #expect(throws: BlobError.truncated) { try bytes.span.varint(at: &cursor) }
        }
        let long = Array(repeating: UInt8(0xFF), count: 9) + [2, 0, 0, 0, 0, 0, 0, 0, 0]
        var cursor = 0
        #expect(throws: BlobError.corrupt) { try long.span.varint(at: &cursor) }
    }
}
