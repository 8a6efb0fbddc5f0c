/// The retained events of one entity in one view, oldest first, in (time, position) order; and the log position up to which
/// they are complete.
///
///     offset = v                      newest − R − S          t − W            t
///     events with position ≤ v  ──────┼── dropped ◀──┤ kept ─┼──── counted ───┼── newer than t: not counted
///
/// Ties keep arrival order, because positions only grow. A value type with one owner; `evaluate` never changes it.
public struct EntityState: Sendable {
    /// What became of an inserted event.
    public enum Insertion: Hashable, Sendable {
        /// Kept at its place.
        case kept
        /// Older than the newest event by more than retention and disorder: it can enter no window of this entity.
        case tooOld
    }

    /// The view this is a state of.
    public let view: StreamView
    /// The generation of the log the offset belongs to.
    public var generation: UInt64
    /// v: the last log position applied to this state; −1 for none.
    public private(set) var offset: Int64

    private(set) var times: [Int64] = []
    private(set) var numbers: [[Int64]]  // by column; empty for columns of bytes
    private(set) var texts: [[String]]  // by column; empty for columns of numbers
    private var head = 0  // events before it are dropped, their room not yet given back

    /// An entity without events.
    public init(_ view: StreamView, generation: UInt64 = 0, offset: Int64 = -1) {
        self.view = view
        self.generation = generation
        self.offset = offset
        numbers = Array(repeating: [], count: view.columns.count)
        texts = Array(repeating: [], count: view.columns.count)
    }

    /// The number of retained events.
    public var count: Int { times.count - head }

    /// The newest event time, ms UTC, or nil without events.
    public var newestMillis: Int64? { times.last }

    var retained: Range<Int> { head..<times.count }

    /// Inserts the event of a row at its place and moves the state to the event's position.
    public mutating func insert(_ row: SourceRow, offset: Int64) -> Insertion {
        precondition(offset > self.offset, "positions only grow")
        self.offset = offset
        let time = row.eventTimeMillis
        if let newest = times.last, time < newest {
            guard time >= newest - view.retentionMillis - StreamView.disorderMillis else { return .tooOld }
            insert(row, at: firstIndex(after: time))
        } else {
            insert(row, at: times.count)
            drop(before: time - view.retentionMillis - StreamView.disorderMillis)
        }
        return .kept
    }

    private mutating func insert(_ row: SourceRow, at index: Int) {
        times.insert(row.eventTimeMillis, at: index)
        for (column, definition) in view.columns.enumerated() {
            switch definition.storage {
            case .integer, .double: numbers[column].insert(row.bits(definition.field) ?? 0, at: index)
            case .hash: numbers[column].insert(Int64(bitPattern: row.hash(definition.field)), at: index)
            case .bytes: texts[column].insert(row.string(definition.field) ?? "", at: index)
            }
        }
    }

    private mutating func drop(before floor: Int64) {
        while head < times.count, times[head] < floor { head += 1 }
        guard head > 32, head * 2 > times.count else { return }
        times.removeFirst(head)
        for column in view.columns.indices {
            if !numbers[column].isEmpty { numbers[column].removeFirst(head) }
            if !texts[column].isEmpty { texts[column].removeFirst(head) }
        }
        head = 0
    }

    /// The first retained index whose time is past `time`.
    private func firstIndex(after time: Int64) -> Int {
        var (low, high) = (head, times.count)
        while low < high {
            let middle = (low + high) / 2
            if times[middle] > time { high = middle } else { low = middle + 1 }
        }
        return low
    }

    /// Writes the view's features at `timeMillis` into `vector`, from slot `start` on. F(k, t, v) of the design: only events
    /// with t − W ≤ time < t (or t − W < time ≤ t in a right-closed view) count. `current` is the evaluated event, added to
    /// its own windows where the view says so.
    public func evaluate(
        atMillis timeMillis: Int64, current: SourceRow? = nil, into vector: inout FeatureVector, from start: Int = 0
    ) {
        let end = firstIndex(after: view.isRightClosed ? timeMillis : timeMillis - 1)
        let included = view.includesCurrentEvent ? current : nil
        var sums = Array(repeating: ColumnSums(), count: view.columns.count)
        var events = 0
        if let included {
            events = 1
            for (column, definition) in view.columns.enumerated() where definition.storage != .bytes {
                sums[column].add(bits(of: included, definition), isDouble: definition.storage == .double)
            }
        }
        var index = end
        for window in view.windows {
            let oldest = timeMillis - window + (view.isRightClosed ? 1 : 0)
            while index > head, times[index - 1] >= oldest {
                index -= 1
                events += 1
                for (column, definition) in view.columns.enumerated() where definition.storage != .bytes {
                    sums[column].add(numbers[column][index], isDouble: definition.storage == .double)
                }
            }
            for (feature, plan) in view.plans.enumerated()
            where plan.windowMillis == window && plan.function.takesWindow {
                let number: Double
                if plan.function == .count {
                    number = Double(events)
                } else if plan.function == .distinctCount, let column = plan.column {
                    number = Double(distinctValues(column, in: index..<end, and: included))
                } else if let column = plan.column {
                    number = sums[column].finalize(plan, events: events)
                } else {
                    number = .nan
                }
                vector.numbers[start + feature] = number
                vector.texts[start + feature] = nil
            }
        }
        evaluateUnwindowed(atMillis: timeMillis, end: end, included: included, into: &vector, from: start)
    }

    private func evaluateUnwindowed(
        atMillis timeMillis: Int64, end: Int, included: SourceRow?, into vector: inout FeatureVector, from start: Int
    ) {
        let oldest = timeMillis - view.retentionMillis + (view.isRightClosed ? 1 : 0)
        for (feature, plan) in view.plans.enumerated() where !plan.function.takesWindow {
            vector.numbers[start + feature] = .nan
            vector.texts[start + feature] = nil
            var index: Int?
            if plan.function == .first {
                let first = firstIndex(after: oldest - 1)
                if first < end { index = first }
            } else if end > head, times[end - 1] >= oldest {
                index = end - 1
            }
            if plan.function == .secondsSinceLast {
                if let index { vector.numbers[start + feature] = Double(timeMillis - times[index]) / 1_000 }
                continue
            }
            guard let column = plan.column else { continue }
            // The current event is the newest of all; it is the first only where there is no other.
            let row = plan.function == .last || index == nil ? included : nil
            if plan.isText {
                vector.texts[start + feature] =
                    row?.string(view.columns[column].field) ?? index.map { texts[column][$0] }
            } else if let bits = row.map({ self.bits(of: $0, view.columns[column]) })
                ?? index.map({ numbers[column][$0] })
            {
                vector.numbers[start + feature] = plan.number(bits)
            }
        }
    }

    private func bits(of row: SourceRow, _ column: StreamView.Column) -> Int64 {
        switch column.storage {
        case .hash: Int64(bitPattern: row.hash(column.field))
        case .integer, .double, .bytes: row.bits(column.field) ?? 0
        }
    }

    private func distinctValues(_ column: Int, in range: Range<Int>, and included: SourceRow?) -> Int {
        var seen = Set(numbers[column][range])
        if let included { seen.insert(bits(of: included, view.columns[column])) }
        return seen.count
    }

    /// Replaces the events: for the codec, which has checked their order.
    mutating func restore(times: [Int64], numbers: [[Int64]], texts: [[String]], offset: Int64) {
        self.times = times
        self.numbers = numbers
        self.texts = texts
        self.offset = offset
        head = 0
        if let newest = times.last { drop(before: newest - view.retentionMillis - StreamView.disorderMillis) }
    }

    /// Moves an unchanged state to a later position, or to position −1 of another generation.
    public mutating func move(to offset: Int64, generation: UInt64) {
        self.offset = offset
        self.generation = generation
    }
}

/// Exact sums over one column of one window: integers of 128 bits, no running floats.
struct ColumnSums {
    private var sum: Int128 = 0
    private var squares: Int128 = 0
    private var smallest: Int64 = .max
    private var largest: Int64 = .min
    private var smallestDouble = Double.infinity
    private var largestDouble = -Double.infinity

    mutating func add(_ bits: Int64, isDouble: Bool) {
        if isDouble {
            let value = Double(bitPattern: UInt64(bitPattern: bits))
            smallestDouble = Swift.min(smallestDouble, value)
            largestDouble = Swift.max(largestDouble, value)
        } else {
            sum &+= Int128(bits)
            squares &+= Int128(bits) &* Int128(bits)
            smallest = Swift.min(smallest, bits)
            largest = Swift.max(largest, bits)
        }
    }

    func finalize(_ plan: StreamView.Plan, events: Int) -> Double {
        switch plan.function {
        case .sum: return Double(sum) / plan.scale
        case .mean: return events == 0 ? .nan : Double(sum) / Double(events) / plan.scale
        case .std:
            guard events >= 2 else { return .nan }
            let n = Int128(events)
            let spread = n &* squares &- sum &* sum
            return (Double(spread) / Double(n &* (n &- 1))).squareRoot() / plan.scale
        case .min:
            guard events > 0 else { return .nan }
            return plan.isDouble ? smallestDouble : plan.number(smallest)
        case .max:
            guard events > 0 else { return .nan }
            return plan.isDouble ? largestDouble : plan.number(largest)
        case .count, .distinctCount, .first, .last, .secondsSinceLast: return .nan
        }
    }
}

extension StreamView.Plan {
    /// A stored value as the feature's number, in major units.
    func number(_ bits: Int64) -> Double {
        isDouble ? Double(bitPattern: UInt64(bitPattern: bits)) : Double(bits) / scale
    }
}
