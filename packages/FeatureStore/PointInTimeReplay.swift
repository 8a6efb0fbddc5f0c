public import FeatureEngine

/// Turns history into point-in-time rows: what the stream would have computed for each event of one log, in its order. The one
/// engine behind `backfill` from a file, `train` from a file and tests.
///
///     event at position p   ──▶  row = F(key, t, p − 1) of every view   ──▶  the event joins its entity's state
public struct PointInTimeReplay {
    /// The views that are evaluated, all of one source.
    public let views: [StreamView]
    /// Events left out because their id had been seen.
    public private(set) var duplicates = 0
    /// Events older than their entity keeps: they have a row, and enter no later one.
    public private(set) var tooOld = 0

    private struct EventID: Hashable {
        let low: UInt64
        let high: UInt64
    }

    private var seen: Set<EventID> = []
    private var entities: [[String: Int]]  // by view: key → index into states
    private var states: [[EntityState]]  // by view

    /// A log without events.
    public init(views: [StreamView]) {
        self.views = views
        entities = Array(repeating: [:], count: views.count)
        states = Array(repeating: [], count: views.count)
    }

    /// Takes the next event. Writes one vector a view and returns true, or false for an id that was seen before. `position`
    /// only grows.
    public mutating func next(_ row: SourceRow, position: Int64, into vectors: inout [FeatureVector]) -> Bool {
        guard seen.insert(Self.identify(row)).inserted else {
            duplicates += 1
            return false
        }
        var wasTooOld = false
        for (view, definition) in views.enumerated() {
            let key = row.canonicalText(definition.joinKeyIndex) ?? ""
            let entity: Int
            if let known = entities[view][key] {
                entity = known
            } else {
                entity = states[view].count
                entities[view][key] = entity
                states[view].append(EntityState(definition))
            }
            states[view][entity].evaluate(atMillis: row.eventTimeMillis, current: row, into: &vectors[view])
            if states[view][entity].insert(row, offset: position) == .tooOld { wasTooOld = true }
        }
        if wasTooOld { tooOld += 1 }
        return true
    }

    /// 128 bits of an event id: 16 bytes an event instead of its text. Two different ids of even a billion events share them
    /// with a probability below 10⁻²⁰.
    private static func identify(_ row: SourceRow) -> EventID {
        var (low, high) = (FNV1a64(), UInt64(0x9e37_79b9_7f4a_7c15))
        for byte in row.bytes(row.schema.eventIDIndex) {
            low.combine(byte)
            high = (high ^ UInt64(byte)) &* 0xff51_afd7_ed55_8ccd
            high ^= high >> 32
        }
        return EventID(low: low.value, high: high)
    }
}
