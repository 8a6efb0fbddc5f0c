import TestSupport
import Testing

@testable import Compression

/// Snappy and LZ4 against bytes made by hand from their specifications; real clients' archives come in BrokerTests.
@Suite struct BlockFormatTests {
    @Test func `xxHash is the published one`() {
        #expect(XXHash32.hash([]) == 0x02CC_5D05)
        #expect(XXHash32.hash(Array("a".utf8)[...]) == 0x550D_7456)
        #expect(XXHash32.hash(Array("abc".utf8)[...]) == 0x32D1_53FF)
        #expect(XXHash32.hash(Array("Nobody inspects the spammish repetition".utf8)[...]) == 0xE229_3B2F)
    }

    /// "abcd" and then 20 bytes that repeat it.
    static let repeated = Array(String(repeating: "abcd", count: 6).utf8)

    static let snappy: [UInt8] = [24, 3 << 2, 0x61, 0x62, 0x63, 0x64, 19 << 2 | 2, 4, 0]

    @Test func `a raw snappy block and Java's frames are unpacked`() {
        #expect(Snappy.unpack(Self.snappy[...], limit: 100) == Self.repeated)
        let head: [UInt8] = [0x82, 0x53, 0x4E, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1]
        let frame = [0, 0, 0, UInt8(Self.snappy.count)] + Self.snappy
        #expect(Snappy.unpack((head + frame + frame)[...], limit: 100) == Self.repeated + Self.repeated)
        #expect(Snappy.unpack((head + frame)[...].dropLast(), limit: 100) == nil)
        #expect(Snappy.unpack(Self.snappy[...], limit: 23) == nil)
        // A distance of 11 bits, one of 32, and a literal whose length has its own byte.
        let long = [UInt8](repeating: 7, count: 100)
        #expect(Snappy.unpack(([104, 60 << 2, 99] + long + [1, 1])[...], limit: 200) == long + [7, 7, 7, 7])
        #expect(Snappy.unpack(([101, 60 << 2, 99] + long + [3, 1, 0, 0, 0])[...], limit: 200) == long + [7])
    }

    /// A frame without block checksums around `blocks`, which are packed unless they say they are not.
    static func lz4(_ blocks: [(bytes: [UInt8], isPacked: Bool)], content: [UInt8]?, flags: UInt8 = 0x60) -> [UInt8] {
        func little(_ value: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }
        let described: [UInt8] = [flags | (content == nil ? 0 : 4), 0x40]
        var frame = little(0x184D_2204) + described
        frame.append(UInt8(truncatingIfNeeded: XXHash32.hash(described[...]) >> 8))
        for block in blocks {
            frame += little(UInt32(block.bytes.count) | (block.isPacked ? 0 : 0x8000_0000)) + block.bytes
        }
        frame += little(0)
        if let content { frame += little(XXHash32.hash(content[...])) }
        return frame
    }

    /// Four literals, 15 bytes from four bytes ago, then five literals.
    static let packed: [UInt8] = [0x4B, 0x61, 0x62, 0x63, 0x64, 4, 0, 0x50, 0x64, 0x61, 0x62, 0x63, 0x64]

    @Test func `an LZ4 frame is unpacked, and its checksums count`() {
        let good = Self.lz4([(Self.packed, true)], content: Self.repeated)
        #expect(LZ4.unpack(good[...], limit: 100) == Self.repeated)
        #expect(LZ4.unpack(good[...], limit: 23) == nil)
        #expect(LZ4.unpack(Self.lz4([(Self.packed, true)], content: nil)[...], limit: 100) == Self.repeated)
        #expect(
            LZ4.unpack(Self.lz4([(Self.repeated, false), (Self.packed, true)], content: nil)[...], limit: 100)
                == Self.repeated + Self.repeated)
        for index in good.indices {
            var damaged = good
            damaged[index] ^= 1
            // The last token's low half is not used.
            let unpacked = LZ4.unpack(damaged[...], limit: 100)
            #expect(unpacked == nil || unpacked == Self.repeated && damaged[index] == 0x51, "byte \(index)")
        }
        for count in good.indices { #expect(LZ4.unpack(good.prefix(count), limit: 100) == nil, "\(count) bytes") }
        #expect(LZ4.unpack((good + [0])[...], limit: 100) == nil)
    }

    @Test func `linked blocks reach back, independent ones do not`() {
        // Nothing but a repetition of what the block before held, and the five literals that end a block.
        let tail: [UInt8] = [0x00, 24, 0, 0x50, 1, 2, 3, 4, 5]
        let blocks = [(bytes: Self.packed, isPacked: true), (bytes: tail, isPacked: true)]
        let linked = Self.lz4(blocks, content: nil, flags: 0x40)
        #expect(LZ4.unpack(linked[...], limit: 100) == Self.repeated + Array("abcd".utf8) + [1, 2, 3, 4, 5])
        #expect(LZ4.unpack(Self.lz4(blocks, content: nil)[...], limit: 100) == nil)
    }

    @Test(arguments: UInt64(1)...4)
    func `damage is refused or gives other bytes, and never more than the limit`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let frame = Self.lz4([(Self.packed, true)], content: nil)
        for _ in 0..<5_000 {
            var (snappy, lz4) = (Self.snappy, frame)
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                snappy[Int.random(in: snappy.indices, using: &random)] = UInt8.random(in: 0...255, using: &random)
                lz4[Int.random(in: 11..<lz4.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            #expect((Snappy.unpack(snappy[...], limit: 1_000)?.count ?? 0) <= 1_000)
            #expect((LZ4.unpack(lz4[...], limit: 1_000)?.count ?? 0) <= 1_000)
        }
    }
}
