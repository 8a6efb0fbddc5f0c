/// Numbers different byte strings in the order they come: an exact set of event ids or entities, some 20 bytes each beside
/// their own. Compares bytes, never characters.
///
/// The hash is Swift's, keyed anew in every process, so that no file can be written whose keys all fall on one slot. Nothing of
/// it is stored, and the numbers given do not depend on it.
public struct ByteTable: Sendable {
    private var bytes: [UInt8] = []
    private var ends: [Int] = []
    private var tags: [UInt32] = []
    private var slots: [UInt32]  // 0, or a string's number + 1; open addressing

    /// An empty table.
    public init() { slots = Array(repeating: 0, count: 1_024) }

    /// How many different strings there are.
    public var count: Int { ends.count }

    /// A string's number, and whether it is a new one.
    public mutating func insert(_ key: Span<UInt8>) -> (number: Int, isNew: Bool) {
        let hash = Self.hash(key)
        let mask = slots.count - 1
        var slot = Int(truncatingIfNeeded: hash) & mask
        let tag = UInt32(truncatingIfNeeded: hash >> 32)
        while slots[slot] != 0 {
            let number = Int(slots[slot]) - 1
            if tags[number] == tag, isEqual(number, key) { return (number, false) }
            slot = (slot + 1) & mask
        }
        key.withUnsafeBufferPointer { bytes.append(contentsOf: $0) }
        ends.append(bytes.count)
        tags.append(tag)
        slots[slot] = UInt32(ends.count)
        if ends.count * 2 > slots.count { grow() }
        return (ends.count - 1, true)
    }

    /// The string of a number.
    public subscript(number: Int) -> ByteString { ByteString(bytes[range(number)]) }

    private func range(_ number: Int) -> Range<Int> { (number == 0 ? 0 : ends[number - 1])..<ends[number] }

    private func isEqual(_ number: Int, _ key: Span<UInt8>) -> Bool {
        let range = range(number)
        guard range.count == key.count else { return false }
        return bytes.withUnsafeBufferPointer { stored in
            key.withUnsafeBufferPointer { key in
                for index in 0..<key.count where stored[range.lowerBound + index] != key[index] { return false }
                return true
            }
        }
    }

    private mutating func grow() {
        slots = Array(repeating: 0, count: slots.count * 4)
        let mask = slots.count - 1
        for number in ends.indices {
            var slot = Int(truncatingIfNeeded: Self.hash(bytes[range(number)].span)) & mask
            while slots[slot] != 0 { slot = (slot + 1) & mask }
            slots[slot] = UInt32(number + 1)
        }
    }

    private static func hash(_ key: Span<UInt8>) -> UInt64 {
        var hasher = Hasher()
        key.withUnsafeBytes { hasher.combine(bytes: $0) }
        return UInt64(bitPattern: Int64(hasher.finalize()))
    }
}
