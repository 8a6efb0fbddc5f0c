/// The position of each entity's first event, by a hash of its key: whether an entity without a blob is new, or its blob was lost.
/// "New" is certain; another one is only dearer, for Postgres is asked. Open addressing, at most half full: 32 to 64 bytes an
/// entity.
struct FirstEvents {
    private struct Slot {
        var hash: UInt64 = 0  // 0 is an empty slot
        var position: Int64 = 0
    }
    private var slots: [Slot]
    private(set) var count = 0

    init() { slots = Array(repeating: Slot(), count: 256) }

    /// Notes an event; the lowest position of an entity stays.
    mutating func note(_ hash: UInt64, at position: Int64) {
        if count * 2 >= slots.count { grow() }
        let hash = hash == 0 ? 1 : hash
        let index = Self.index(of: hash, in: slots)
        if slots[index].hash == 0 {
            slots[index] = Slot(hash: hash, position: position)
            count += 1
        } else if position < slots[index].position {
            slots[index].position = position
        }
    }

    /// The position of the first event, nil for an entity that has none.
    subscript(hash: UInt64) -> Int64? {
        let hash = hash == 0 ? 1 : hash
        let slot = slots[Self.index(of: hash, in: slots)]
        return slot.hash == hash ? slot.position : nil
    }

    private static func index(of hash: UInt64, in slots: [Slot]) -> Int {
        let mask = slots.count - 1
        var index = Int(truncatingIfNeeded: (hash &* 0x9e37_79b9_7f4a_7c15) >> 20) & mask
        while slots[index].hash != 0, slots[index].hash != hash { index = (index + 1) & mask }
        return index
    }

    private mutating func grow() {
        var larger = Array(repeating: Slot(), count: slots.count * 2)
        for slot in slots where slot.hash != 0 { larger[Self.index(of: slot.hash, in: larger)] = slot }
        slots = larger
    }
}
