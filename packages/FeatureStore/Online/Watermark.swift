/// How far the online state of one partition is complete: everything before `nextOffset` of this generation is in the blobs.
///
///     0  generation u64   8  next offset i64   16  target i64   24  newest record's timestamp i64, ms
///     32  CRC-32C u32 of the 32 bytes before     all big-endian
///
/// Written last, after the blobs it speaks of, and only by compare-and-set from exactly what its owner left. While it is below
/// its target a rebuild is under way: a blob that must exist may be missing, so no reader may take its absence for a fact.
/// Nothing read from a store is trusted: what does not decode is as good as absent, and is planted over. The checksum is for what
/// could pass: a next offset that is another possible one would leave events out of the state for good, and nobody would look.
/// See docs/design.md, Recovery.
public struct Watermark: Hashable, Sendable {
    /// Generations and offsets are below this. More can only be damage, and arithmetic on what is below cannot overflow.
    public static let end: Int64 = 1 << 62
    /// Bytes of the stored form.
    public static let size = 32 + StoredNumbers.checksumSize

    /// Raised by every rebuild; 1 is the first.
    public var generation: UInt64
    /// The next offset to apply.
    public var nextOffset: Int64
    /// The offset up to which a rebuild must come before the state is whole.
    public var target: Int64
    /// The Kafka timestamp of the record before `nextOffset`, ms; −1 when it is not known.
    public var newestMillis: Int64

    /// Describes a watermark. A timestamp that cannot be one is noted as the nearest that can.
    public init(generation: UInt64, nextOffset: Int64, target: Int64 = 0, newestMillis: Int64 = -1) {
        (self.generation, self.nextOffset, self.target) = (generation, nextOffset, target)
        self.newestMillis = min(max(newestMillis, -1), Self.end - 1)
    }

    /// Whether every blob that must exist does.
    public var isComplete: Bool { nextOffset >= target }

    /// The place after `nextOffset` was reached, the last record of the step having this timestamp.
    public func moved(to nextOffset: Int64, newestMillis: Int64) -> Watermark {
        Watermark(generation: generation, nextOffset: nextOffset, target: target, newestMillis: newestMillis)
    }

    /// The generation of the next rebuild: above the one Postgres has and every one that was seen in the online store. One
    /// that no number of rebuilds can have reached is damage, which the store overwrites whatever it says.
    public static func generation(above stored: Int64, _ seen: [UInt64] = []) -> UInt64 {
        let believed = seen.filter { $0 < UInt64(end / 2) }.max() ?? 0
        return 1 + max(UInt64(clamping: stored), believed)
    }

    /// The stored form.
    public var bytes: [UInt8] {
        StoredNumbers.bytes([generation] + [nextOffset, target, newestMillis].map(UInt64.init(bitPattern:)))
    }

    /// Reads the stored form; nil when it is none, or says what cannot be.
    public init?(bytes: Span<UInt8>) {
        guard StoredNumbers.isIntact(bytes, count: 4) else { return nil }
        let generation = StoredNumbers.number(0, of: bytes)
        func position(_ index: Int) -> Int64 { Int64(bitPattern: StoredNumbers.number(index, of: bytes)) }
        let (next, target, newest) = (position(1), position(2), position(3))
        guard generation > 0, generation < UInt64(Self.end), next >= 0, next < Self.end, target >= 0,
            target < Self.end, newest >= -1, newest < Self.end
        else { return nil }
        self.init(generation: generation, nextOffset: next, target: target, newestMillis: newest)
    }

    /// Reads the stored form; nil when it is none, or says what cannot be.
    public init?(bytes: [UInt8]) { self.init(bytes: bytes.span) }
}
