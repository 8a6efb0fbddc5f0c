/// The ids a partition has, as a set of 64-bit hashes: "never seen" is certain, "seen" is to be asked of Postgres. Open
/// addressing, at most half full: 16 to 32 bytes an id.
///
/// It is there so that an ordinary event costs no look-up. A collision of two hashes costs one look-up and decides nothing; two
/// ids of a billion collide with a chance of 3 %. An id inserted by a batch that was rolled back stays: it asks once too often
/// and is right. See docs/design.md, Repeats.
struct IDFilter {
    private var slots: [UInt64]  // 0 is an empty slot
    private(set) var count = 0

    init() { slots = Array(repeating: 0, count: 1_024) }

    /// Adds a hash; false when it was there already.
    mutating func insert(_ hash: UInt64) -> Bool {
        if count * 2 >= slots.count { grow() }
        guard Self.insert(hash == 0 ? 1 : hash, into: &slots) else { return false }
        count += 1
        return true
    }

    private static func insert(_ hash: UInt64, into slots: inout [UInt64]) -> Bool {
        let mask = slots.count - 1
        // FNV's low bits are good, but ids of one generator may differ in few bits: spread them once more.
        var index = Int(truncatingIfNeeded: (hash &* 0x9e37_79b9_7f4a_7c15) >> 20) & mask
        while slots[index] != 0 {
            if slots[index] == hash { return false }
            index = (index + 1) & mask
        }
        slots[index] = hash
        return true
    }

    private mutating func grow() {
        var larger = Array(repeating: UInt64(0), count: slots.count * 2)
        for hash in slots where hash != 0 { _ = Self.insert(hash, into: &larger) }
        slots = larger
    }
}
