/// The retained events of one entity in one view, oldest first, in (time, position) order; and the log position up to which
/// they are complete.
///
///     offset = v                      newest − R − S          t − W            t
///     events with position ≤ v  ──────┼── dropped ◀──┤ kept ─┼──── counted ───┼── newer than t: not counted
///
/// Ties keep arrival order, because positions only grow. A value type with one owner; `evaluate` never changes it.
///
/// Raw events and never an aggregate: a stored sum is right at the moment of its last event and wrong from then on, because windows
/// end at the time that is asked for. Retention is measured from the newest event and not from a clock, so that the same log gives
/// the same state whenever it is read; S, two days, leaves events that come late their place. See docs/design.md, State.
public struct EntityState: Sendable {
    /// What became of an inserted event.
    public enum Insertion: Hashable, Sendable {
        /// Kept at its place.
        case kept
        /// Older than the newest event by more than retention and disorder: it can enter no window of this entity.
        case tooOld
        /// Applied before, for its position is not past v: nothing changed. A replay meets what a state holds already.
        case known
    }

    /// The view this is a state of.
    public let view: StreamView
    /// The generation of the log the offset belongs to.
    public var generation: UInt64
    /// v: the last log position applied to this state; −1 for none.
    public internal(set) var offset: Int64

    /// One row an event: its time, then the columns that are numbers.
    var cells: [Int64] = []
    /// One row an event: the columns that are text. Empty where there is none.
    var texts: [String] = []
    /// Events before it are dropped, their room not yet given back.
    var head = 0

    /// An entity without events.
    public init(_ view: StreamView, generation: UInt64 = 0, offset: Int64 = -1) {
        self.view = view
        self.generation = generation
        self.offset = offset
    }

    private var stored: Int { cells.count / view.stride }

    /// The number of retained events.
    public var count: Int { stored - head }

    /// The newest event time, ms UTC, or nil without events.
    public var newestMillis: Int64? { cells.isEmpty ? nil : cells[cells.count - view.stride] }

    /// Inserts the event of a row at its place and moves the state to the event's position.
    public mutating func insert(_ row: SourceRow, offset: Int64) -> Insertion {
        guard offset > self.offset else { return .known }
        self.offset = offset
        let time = row.eventTimeMillis
        guard let newest = newestMillis, time < newest else {
            append(row)
            drop(before: time - view.retentionMillis - StreamView.disorderMillis)
            return .kept
        }
        guard time >= newest - view.retentionMillis - StreamView.disorderMillis else { return .tooOld }
        let place = view.firstIndex(after: time, in: cells.span, from: head)
        append(row)
        sink(to: place)
        return .kept
    }

    private mutating func append(_ row: SourceRow) {
        cells.append(row.eventTimeMillis)
        for column in view.columns {
            if column.storage == .bytes {
                texts.append(row.string(column.field) ?? "")
            } else {
                cells.append(row.bits(column))
            }
        }
    }

    /// Moves the last event before those from `place` on: a late event to its place.
    private mutating func sink(to place: Int) {
        let late = Array(cells.suffix(view.stride))
        cells.removeLast(view.stride)
        cells.insert(contentsOf: late, at: place * view.stride)
        guard view.textStride > 0 else { return }
        let lateTexts = Array(texts.suffix(view.textStride))
        texts.removeLast(view.textStride)
        texts.insert(contentsOf: lateTexts, at: place * view.textStride)
    }

    mutating func drop(before floor: Int64) {
        let total = stored
        while head < total, cells[head * view.stride] < floor { head += 1 }
        guard head > 32, head * 2 > total else { return }
        cells.removeFirst(head * view.stride)
        texts.removeFirst(head * view.textStride)
        head = 0
    }

    /// Moves an unchanged state to a later position, or to position −1 of another generation.
    public mutating func move(to offset: Int64, generation: UInt64) {
        self.offset = offset
        self.generation = generation
    }
}

extension SourceRow {
    /// A kept column's value as it is stored.
    func bits(_ column: StreamView.Column) -> Int64 {
        column.storage == .hash ? Int64(bitPattern: hash(column.field)) : bits(column.field) ?? 0
    }
}

extension StreamView {
    /// The first event from `head` on whose time is past `time`, or the number of events.
    func firstIndex(after time: Int64, in cells: Span<Int64>, from head: Int) -> Int {
        var (low, high) = (head, cells.count / stride)
        // Most evaluations are at or after the newest event.
        if high > low, cells[(high - 1) * stride] <= time { return high }
        while low < high {
            let middle = (low + high) / 2
            if cells[middle * stride] > time { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
