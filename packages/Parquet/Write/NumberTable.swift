/// Numbers different 64-bit patterns in the order they come: the dictionary of a column of numbers. Open addressing; the hash has a key
/// of its own in every process, so that no data can be made whose values all fall on one slot. The numbers given do not depend on it.
struct NumberTable {
    private(set) var values: [Int64] = []
    private var slots: [UInt32]  // 0, or a value's number + 1
    private var shift: UInt64

    private static let key = UInt64.random(in: 0...UInt64.max) | 1
    private static let secondKey = UInt64.random(in: 0...UInt64.max)

    init() {
        slots = Array(repeating: 0, count: 1 << 10)
        shift = 64 - 10
    }

    /// A value's number.
    mutating func insert(_ value: Int64) -> UInt32 {
        var slot = place(value)
        while slots[slot] != 0 {
            let number = slots[slot] - 1
            if values[Int(number)] == value { return number }
            slot = (slot + 1) & (slots.count - 1)
        }
        values.append(value)
        slots[slot] = UInt32(values.count)
        if values.count * 2 > slots.count { grow() }
        return UInt32(values.count - 1)
    }

    private func place(_ value: Int64) -> Int {
        let mixed = (UInt64(bitPattern: value) ^ Self.secondKey).multipliedFullWidth(by: Self.key)
        return Int(((mixed.high ^ mixed.low) &* 0x9E37_79B9_7F4A_7C15) >> shift)
    }

    private mutating func grow() {
        slots = Array(repeating: 0, count: slots.count * 4)
        shift -= 2
        for (number, value) in values.enumerated() {
            var slot = place(value)
            while slots[slot] != 0 { slot = (slot + 1) & (slots.count - 1) }
            slots[slot] = UInt32(number + 1)
        }
    }
}
