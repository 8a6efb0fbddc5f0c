/// CRC-32 (IEEE 802.3, as in zlib): tells one record from another at the same offset, and places keys as librdkafka does.
public struct CRC32: Sendable {
    private static let table: [UInt32] = (0..<256).map { byte in
        (0..<8).reduce(UInt32(byte)) { value, _ in value & 1 == 1 ? 0xEDB8_8320 ^ (value >> 1) : value >> 1 }
    }
    private var state: UInt32 = 0xFFFF_FFFF

    /// Of no bytes yet.
    public init() {}

    /// The checksum of the bytes taken so far.
    public var value: UInt32 { ~state }

    /// Takes more bytes.
    public mutating func combine(_ bytes: Span<UInt8>) {
        for index in 0..<bytes.count { state = Self.table[Int((state ^ UInt32(bytes[index])) & 0xFF)] ^ (state >> 8) }
    }
}
