public import FeatureEngine

/// Which entities a partition has, as a Bloom filter beside its watermark: what tells an entity that is new from one whose blob was
/// lost (evicted, deleted, expired). "Not there" is certain; "there" is wrong for about one new entity in 200.
///
/// The stored form is the words alone, big-endian, a power of two of them. An entity sets 4 bits within one word (Putze, Sanders
/// and Singler's blocked filter, a word a block), so that a reader needs 8 bytes of it and the writer one cache line:
///
///     hash of the key, mixed      63 ─────────── 40  39 ── 32  31 ──────────────── 0
///                                 4 × 6 bits: which     ·      low bits: which word
///
/// Cost: 16 bits an entity at least, and up to 32 below the next power of two; at 16 bits an unknown entity passes for a known one
/// in 0.5 % of cases, at 32 bits in 0.08 % (measured in a test). The answer to a false "known" is only dearer: a
/// reader says degraded, the owner asks Postgres. See docs/design.md, Formats.
public struct KnownEntities: Equatable, Sendable {
    /// What the filter says of an entity that has no blob.
    public enum Answer: Hashable, Sendable {
        /// It has events (almost certainly): its blob is lost.
        case known
        /// It has none: it is new.
        case new
        /// There is no filter, so nobody knows.
        case absent
    }

    /// Entities a word is made for.
    private static let entitiesPerWord = 4
    /// 256 MiB: half of what Redis takes in one string, 134 million entities.
    private static let wordsMax = 1 << 25

    private var words: [UInt64]
    private let mask: UInt64
    /// Entities inserted that changed it: a little fewer than were inserted.
    public private(set) var count = 0

    /// An empty filter with room for as many entities.
    public init(room entities: Int = 0) {
        let wanted = min(max(1, (entities - 1) / Self.entitiesPerWord + 1), Self.wordsMax)
        let size = wanted == 1 ? 1 : 1 << (Int.bitWidth - (wanted - 1).leadingZeroBitCount)
        words = Array(repeating: 0, count: max(size, 16))
        mask = UInt64(words.count - 1)
    }

    /// Bytes of the stored form.
    public var byteCount: Int { words.count * 8 }

    /// Whether it has as many entities as it has room for, and can be made larger: then the owner makes a larger one out of what
    /// Postgres has.
    public var isFull: Bool { count >= words.count * Self.entitiesPerWord && words.count < Self.wordsMax }

    /// Adds an entity, by its key's canonical bytes. The places of its bits in the stored form where one of them is new; nil for
    /// one that seemed known.
    public mutating func insert(_ entity: Span<UInt8>) -> [Int]? { insert(hash: Self.hash(entity)) }

    /// Adds an entity.
    public mutating func insert(_ entity: ByteString) -> [Int]? { insert(entity.bytes.span) }

    private mutating func insert(hash: UInt64) -> [Int]? {
        let word = Int(hash & mask)
        let bits = Self.bits(of: hash)
        guard words[word] & bits != bits else { return nil }
        words[word] |= bits
        count += 1
        return Self.bitNumbers(of: hash).map { word * 64 + $0 }
    }

    /// Whether an entity was inserted; true for a few others, too.
    public func contains(_ entity: Span<UInt8>) -> Bool {
        let hash = Self.hash(entity)
        let bits = Self.bits(of: hash)
        return words[Int(hash & mask)] & bits == bits
    }

    /// Whether an entity was inserted; true for a few others, too.
    public func contains(_ entity: ByteString) -> Bool { contains(entity.bytes.span) }

    /// The stored form.
    public var bytes: [UInt8] {
        [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, count in
            for (index, word) in words.enumerated() {
                for byte in 0..<8 {
                    buffer[index * 8 + byte] = UInt8(truncatingIfNeeded: word >> UInt64(56 - byte * 8))
                }
            }
            count = byteCount
        }
    }

    // MARK: Reading one word

    /// The script a reader runs: KEYS[1] the filter, ARGV[1] `selector(of:)`. The entity's word, or nil where there is no filter.
    public static let script = """
        local size = redis.pcall('STRLEN', KEYS[1])
        if type(size) ~= 'number' or size < 8 then return false end
        local part = size
        while part > 8 do part = part / 2 end
        if part ~= 8 then return false end
        local start = tonumber(ARGV[1]) % (size / 8) * 8
        return redis.call('GETRANGE', KEYS[1], start, start + 7)
        """

    /// The script's argument for an entity.
    public static func selector(of entity: Span<UInt8>) -> [UInt8] {
        Array(String(hash(entity) & 0xFFFF_FFFF).utf8)
    }

    /// The whole command that looks an entity up, for clients that keep no scripts: EVAL and its arguments.
    public static func lookup(key: [UInt8], entity: Span<UInt8>) -> [[UInt8]] {
        [Array("EVAL".utf8), Array(script.utf8), Array("1".utf8), key, selector(of: entity)]
    }

    /// What the answer to `lookup` says: nil is Redis's nil. An answer that is no word says nothing.
    public static func answer(_ word: Span<UInt8>?, of entity: Span<UInt8>) -> Answer {
        guard let word, word.count == 8 else { return .absent }
        var value: UInt64 = 0
        for index in 0..<8 { value = value << 8 | UInt64(word[index]) }
        let bits = bits(of: hash(entity))
        return value & bits == bits ? .known : .new
    }

    // MARK: Hashing

    /// FNV-1a, and a finish of MurmurHash3's kind: every bit of the result depends on every byte.
    private static func hash(_ entity: Span<UInt8>) -> UInt64 {
        var hash = FNV1a64.hash(entity)
        hash = (hash ^ hash >> 33) &* 0xff51_afd7_ed55_8ccd
        hash = (hash ^ hash >> 33) &* 0xc4ce_b9fe_1a85_ec53
        return hash ^ hash >> 33
    }

    /// Places within the word, 0 the highest bit, as Redis counts.
    private static func bitNumbers(of hash: UInt64) -> [Int] {
        [40, 46, 52, 58].map { Int(truncatingIfNeeded: hash >> $0 & 63) }
    }

    private static func bits(of hash: UInt64) -> UInt64 {
        let top: UInt64 = 1 << 63
        return top >> (hash >> 40 & 63) | top >> (hash >> 46 & 63) | top >> (hash >> 52 & 63) | top >> (hash >> 58 & 63)
    }
}
