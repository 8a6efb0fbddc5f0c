import FeatureEngine

/// Numbers different byte strings in the order they come: an exact set of event ids or entities, 40 bytes or so each.
struct ByteTable {
    private var bytes: [UInt8] = []
    private var ends: [Int] = []
    private var hashes: [UInt32] = []
    private var slots: [UInt32]  // 0, or a string's number + 1; open addressing

    init() { slots = Array(repeating: 0, count: 1_024) }

    /// How many different strings there are.
    var count: Int { ends.count }

    /// A string's number, and whether it is a new one.
    mutating func insert(_ key: Span<UInt8>) -> (number: Int, isNew: Bool) {
        var hash = FNV1a64()
        hash.combine(key)
        let mixed = hash.value ^ (hash.value >> 32)
        let mask = slots.count - 1
        var slot = Int(truncatingIfNeeded: mixed) & mask
        let tag = UInt32(truncatingIfNeeded: mixed >> 20)
        while slots[slot] != 0 {
            let number = Int(slots[slot]) - 1
            if hashes[number] == tag, isEqual(number, key) { return (number, false) }
            slot = (slot + 1) & mask
        }
        key.withUnsafeBufferPointer { bytes.append(contentsOf: $0) }
        ends.append(bytes.count)
        hashes.append(tag)
        slots[slot] = UInt32(ends.count)
        if ends.count * 2 > slots.count { grow() }
        return (ends.count - 1, true)
    }

    /// The string of a number.
    func text(_ number: Int) -> String { String(decoding: bytes[range(number)], as: UTF8.self) }

    private func range(_ number: Int) -> Range<Int> { (number == 0 ? 0 : ends[number - 1])..<ends[number] }

    private func isEqual(_ number: Int, _ key: Span<UInt8>) -> Bool {
        let range = range(number)
        guard range.count == key.count else { return false }
        for index in 0..<key.count where bytes[range.lowerBound + index] != key[index] { return false }
        return true
    }

    private mutating func grow() {
        slots = Array(repeating: 0, count: slots.count * 4)
        let mask = slots.count - 1
        for number in ends.indices {
            var hash = FNV1a64()
            hash.combine(bytes[range(number)].span)
            var slot = Int(truncatingIfNeeded: hash.value ^ (hash.value >> 32)) & mask
            while slots[slot] != 0 { slot = (slot + 1) & mask }
            slots[slot] = UInt32(number + 1)
        }
    }
}
