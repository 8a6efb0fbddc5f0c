/// When a partition was last known to be at its log's end with everything applied, on its owner's wall clock.
///
///     0  moment i64, ms   8  CRC-32C u32 of the 8 bytes before     big-endian
///
/// A damaged one is as good as none: it must not make a state that stands still look new.
public struct Heartbeat: Hashable, Sendable {
    /// Bytes of the stored form.
    public static let size = 8 + StoredNumbers.checksumSize

    /// Milliseconds since 1970.
    public var millis: Int64

    /// Notes a moment; one before 1970 as 1970.
    public init(millis: Int64) { self.millis = max(0, millis) }

    /// The stored form.
    public var bytes: [UInt8] { StoredNumbers.bytes([UInt64(millis)]) }

    /// Reads the stored form; nil when it is none.
    public init?(bytes: Span<UInt8>) {
        guard StoredNumbers.isIntact(bytes, count: 1), let millis = Int64(exactly: StoredNumbers.number(0, of: bytes))
        else { return nil }
        self.init(millis: millis)
    }
}
