internal import JSON

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
        let availableAtMillis = eventMillis + delayMillis
        var writer = JSONWriter(reserving: 128 + eventID.count)
        writer.beginObject()
        writer.key("event_id")
        writer.value(utf8: eventID.span)
        writer.key("label")
        writer.value(Int(label))
        writer.key("event_timestamp")
        writer.value(eventMillis)
        writer.key("available_at")
        writer.value(availableAtMillis)
        writer.endObject()
        self.init(
            availableAtMillis: availableAtMillis, key: key, value: writer.bytes, eventToken: eventToken, line: line)
    }
}

/// Labels in the order in which they become known; those of one moment in the order of their events.
package struct LabelSchedule: Sendable {
    private struct Entry: Sendable {
        let label: PendingLabel
        let order: UInt64

        func isBefore(_ other: Entry) -> Bool {
            (label.availableAtMillis, order) < (other.label.availableAtMillis, other.order)
        }
    }
    private var heap: [Entry] = []
    private var nextOrder: UInt64 = 0

    package init() {}

    /// How many wait.
    package var count: Int { heap.count }

    /// The waiting labels, in order.
    package var labels: [PendingLabel] { heap.sorted { $0.isBefore($1) }.map(\.label) }

    package mutating func add(_ label: PendingLabel) {
        heap.append(Entry(label: label, order: nextOrder))
        nextOrder += 1
        var child = heap.count - 1
        while child > 0, heap[child].isBefore(heap[(child - 1) / 2]) {
            heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    /// The first label, when it is known at this event time.
    package func firstDue(atMillis millis: Int64) -> PendingLabel? {
        guard let first = heap.first, first.label.availableAtMillis <= millis else { return nil }
        return first.label
    }

    /// Takes the first label away.
    package mutating func removeFirst() {
        heap.swapAt(0, heap.count - 1)
        heap.removeLast()
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && heap[child].isBefore(heap[least])
            {
                least = child
            }
            if least == parent { return }
            heap.swapAt(least, parent)
            parent = least
        }
    }
}
