/// Unpacks LZ4 frames (format 1.6): blocks of literals and repetitions behind a small head, with checksums where the head
/// says so. Frames that need a dictionary are refused: Kafka's clients write none.
public enum LZ4 {
    /// The bytes, or nil when they are not one sound frame, or are more than `limit`.
    public static func unpack(_ bytes: ArraySlice<UInt8>, limit: Int) -> [UInt8]? {
        var input = PackedBytes(bytes)
        guard input.little(4) == 0x184D_2204, let head = Head(&input) else { return nil }
        var output = UnpackedBytes(limit: limit)
        while true {
            guard let size = input.little(4) else { return nil }
            if size == 0 { break }
            guard let packed = input.take(size & 0x7FFF_FFFF), packed.count <= head.maxBlock else { return nil }
            if head.hasBlockChecksums { guard input.little(4) == Int(XXHash32.hash(packed)) else { return nil } }
            let start = output.count
            let isGood =
                size & 0x8000_0000 != 0
                ? output.append(packed) : block(packed, &output, since: head.isIndependent ? start : 0)
            guard isGood, output.count - start <= head.maxBlock else { return nil }
        }
        if head.hasContentChecksum {
            guard input.little(4) == Int(XXHash32.hash(output.bytes(since: 0))) else { return nil }
        }
        guard input.isAtEnd, head.contentSize == nil || head.contentSize == output.count else { return nil }
        return output.finished()
    }

    private struct Head {
        var isIndependent = false, hasBlockChecksums = false, hasContentChecksum = false
        var maxBlock = 0
        var contentSize: Int?

        init?(_ input: inout PackedBytes) {
            guard let flags = input.byte(), let sizes = input.byte() else { return nil }
            // Version 1; reserved bits are 0; no dictionary.
            guard flags >> 6 == 1, flags & 0x03 == 0, sizes & 0x8F == 0, (4...7).contains(sizes >> 4) else {
                return nil
            }
            isIndependent = flags & 0x20 != 0
            hasBlockChecksums = flags & 0x10 != 0
            hasContentChecksum = flags & 0x04 != 0
            maxBlock = 1 << (8 + 2 * (sizes >> 4))
            var described: [UInt8] = [UInt8(flags), UInt8(sizes)]
            if flags & 0x08 != 0 {
                guard let size = input.take(8) else { return nil }
                described += size
                contentSize = Int(exactly: size.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) })
                guard contentSize != nil else { return nil }
            }
            guard input.byte() == Int(XXHash32.hash(described[...]) >> 8 & 0xFF) else { return nil }
        }
    }

    /// One packed block. It ends behind literals.
    private static func block(_ bytes: ArraySlice<UInt8>, _ output: inout UnpackedBytes, since start: Int) -> Bool {
        var input = PackedBytes(bytes)
        while let token = input.byte() {
            guard let literals = length(token >> 4, &input), let literal = input.take(literals), output.append(literal)
            else { return false }
            if input.isAtEnd { return true }
            guard let distance = input.little(2), let length = length(token & 15, &input),
                output.repeat(distance: distance, length: length + 4, since: start)
            else { return false }
        }
        return false
    }

    /// A length of four bits, which 15 continues by bytes up to the first that is not 255.
    private static func length(_ nibble: Int, _ input: inout PackedBytes) -> Int? {
        guard nibble == 15 else { return nibble }
        var length = 15
        while let byte = input.byte() {
            length += byte  // No longer than the input is times 255.
            if byte < 255 { return length }
        }
        return nil
    }
}

/// The 32-bit hash of xxHash, with seed 0, by which LZ4 frames check themselves.
enum XXHash32 {
    private static let primes: (UInt32, UInt32, UInt32, UInt32, UInt32) = (
        0x9E37_79B1, 0x85EB_CA77, 0xC2B2_AE3D, 0x27D4_EB2F, 0x1656_67B1
    )

    static func hash(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        let span = bytes.span
        var index = 0
        func rotate(_ value: UInt32, _ count: UInt32) -> UInt32 { value << count | value >> (32 - count) }
        func word(_ at: Int) -> UInt32 {
            UInt32(span[at]) | UInt32(span[at + 1]) << 8 | UInt32(span[at + 2]) << 16 | UInt32(span[at + 3]) << 24
        }
        func round(_ lane: UInt32, _ word: UInt32) -> UInt32 { rotate(lane &+ word &* primes.1, 13) &* primes.0 }
        var hash: UInt32
        if span.count >= 16 {
            var (a, b, c, d) = (primes.0 &+ primes.1, primes.1, UInt32(0), 0 &- primes.0)
            while index + 16 <= span.count {
                a = round(a, word(index))
                b = round(b, word(index + 4))
                c = round(c, word(index + 8))
                d = round(d, word(index + 12))
                index += 16
            }
            hash = rotate(a, 1) &+ rotate(b, 7) &+ rotate(c, 12) &+ rotate(d, 18)
        } else {
            hash = primes.4
        }
        hash = hash &+ UInt32(truncatingIfNeeded: span.count)
        while index + 4 <= span.count {
            hash = rotate(hash &+ word(index) &* primes.2, 17) &* primes.3
            index += 4
        }
        while index < span.count {
            hash = rotate(hash &+ UInt32(span[index]) &* primes.4, 11) &* primes.0
            index += 1
        }
        hash = (hash ^ hash >> 15) &* primes.1
        hash = (hash ^ hash >> 13) &* primes.2
        return hash ^ hash >> 16
    }
}
