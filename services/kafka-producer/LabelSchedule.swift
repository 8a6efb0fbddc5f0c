import FeatureEngine
import Pipeline

/// One label that waits for its time.
package struct PendingLabel: Equatable, Sendable {
    /// The event time at which it becomes known, ms.
    package let availableAtMillis: Int64
    /// The key of its event.
    package let key: [UInt8]
    /// The record: event id, label, event time, time of arrival.
    package let value: [UInt8]
    /// The token its event was sent with in this run; 0 when an earlier run sent it.
    package let eventToken: UInt64
    /// The event's line.
    package let line: Int

    package init(availableAtMillis: Int64, key: [UInt8], value: [UInt8], eventToken: UInt64, line: Int) {
        self.availableAtMillis = availableAtMillis
        self.key = key
        self.value = value
        self.eventToken = eventToken
        self.line = line
    }

    /// The label of an event that was sent.
    package init(
        eventID: ArraySlice<UInt8>, key: [UInt8], label: UInt8, eventMillis: Int64, delayMillis: Int64,
        eventToken: UInt64,
        line: Int
    ) {
        let record = LabelRecord(
            eventID: ByteString(eventID), isFraud: label == 1, eventMillis: eventMillis,
            availableMillis: eventMillis + delayMillis)
        self.init(
            availableAtMillis: record.availableMillis, key: key, value: record.encoded(), eventToken: eventToken,
            line: line)
    }
}

/// Labels in the order in which they become known; those of one moment in the order of their events.
///
/// The heap holds only times and places, so that moving its entries touches no reference counts.
package struct LabelSchedule: Sendable {
    private struct Entry: Sendable {
        let availableAtMillis: Int64
        let order: UInt64
        let slot: Int

        func isBefore(_ other: Entry) -> Bool {
            (availableAtMillis, order) < (other.availableAtMillis, other.order)
        }
    }
    private var heap: [Entry] = []
    private var slots: [PendingLabel?] = []
    private var freeSlots: [Int] = []
    private var nextOrder: UInt64 = 0

    package init() {}

    /// How many wait.
    package var count: Int { heap.count }

    /// The waiting labels, in order.
    package var labels: [PendingLabel] { heap.sorted { $0.isBefore($1) }.compactMap { slots[$0.slot] } }

    package mutating func add(_ label: PendingLabel) {
        let slot: Int
        if let free = freeSlots.popLast() {
            slots[free] = label
            slot = free
        } else {
            slot = slots.count
            slots.append(label)
        }
        heap.append(Entry(availableAtMillis: label.availableAtMillis, order: nextOrder, slot: slot))
        nextOrder += 1
        var child = heap.count - 1
        while child > 0, heap[child].isBefore(heap[(child - 1) / 2]) {
            heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    /// The first label, when it is known at this event time.
    package func firstDue(atMillis millis: Int64) -> PendingLabel? {
        guard let first = heap.first, first.availableAtMillis <= millis else { return nil }
        return slots[first.slot]
    }

    /// Takes the first label away.
    package mutating func removeFirst() {
        slots[heap[0].slot] = nil
        freeSlots.append(heap[0].slot)
        heap.swapAt(0, heap.count - 1)
        heap.removeLast()
        var parent = 0
        while true {
            var least = parent
            let left = 2 * parent + 1
            if left < heap.count, heap[left].isBefore(heap[least]) { least = left }
            if left + 1 < heap.count, heap[left + 1].isBefore(heap[least]) { least = left + 1 }
            if least == parent { return }
            heap.swapAt(least, parent)
            parent = least
        }
    }
}
