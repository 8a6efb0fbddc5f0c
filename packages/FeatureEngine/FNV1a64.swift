/// FNV-1a, 64 bits (Fowler, Noll, Vo): a fixed hash for what is stored. Swift's `Hasher` is seeded anew in every process.
public struct FNV1a64: Sendable {
    /// The hash of the bytes taken so far.
    public private(set) var value: UInt64 = 0xcbf2_9ce4_8422_2325

    /// The hash of no bytes.
    public init() {}

    /// Takes one byte.
    public mutating func combine(_ byte: UInt8) { value = (value ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }

    /// Takes more bytes. The one for the event path: a sequence would be asked for each byte.
    public mutating func combine(_ bytes: Span<UInt8>) {
        var hash = value
        for index in bytes.indices { hash = (hash ^ UInt64(bytes[index])) &* 0x0000_0100_0000_01b3 }
        value = hash
    }

    /// Takes more bytes.
    public mutating func combine(_ bytes: some Sequence<UInt8>) {
        for byte in bytes { combine(byte) }
    }

    /// The hash of bytes.
    public static func hash(_ bytes: Span<UInt8>) -> UInt64 {
        var hash = FNV1a64()
        hash.combine(bytes)
        return hash.value
    }

    /// The hash of a byte sequence.
    public static func hash(_ bytes: some Sequence<UInt8>) -> UInt64 {
        var hash = FNV1a64()
        hash.combine(bytes)
        return hash.value
    }
}
