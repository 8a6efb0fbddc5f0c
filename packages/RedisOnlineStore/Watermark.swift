/// How far the online state of one partition is complete: everything before `nextOffset` of this generation is in the blobs.
public struct Watermark: Hashable, Sendable {
    /// Raised by every rebuild.
    public var generation: UInt64
    /// The next offset to apply.
    public var nextOffset: Int64

    /// Names a place.
    public init(generation: UInt64, nextOffset: Int64) {
        (self.generation, self.nextOffset) = (generation, nextOffset)
    }

    /// The stored form: both as 8 bytes, big-endian.
    public var bytes: [UInt8] {
        var bytes: [UInt8] = []
        for value in [generation, UInt64(bitPattern: nextOffset)] {
            for shift in stride(from: 56, through: 0, by: -8) {
                bytes.append(UInt8(truncatingIfNeeded: value >> UInt64(shift)))
            }
        }
        return bytes
    }

    /// Reads the stored form; nil when it is none.
    public init?(_ bytes: [UInt8]) {
        guard bytes.count == 16 else { return nil }
        func number(_ part: ArraySlice<UInt8>) -> UInt64 { part.reduce(0) { $0 << 8 | UInt64($1) } }
        self.init(generation: number(bytes[..<8]), nextOffset: Int64(bitPattern: number(bytes[8...])))
    }
}
