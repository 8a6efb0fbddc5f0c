/// Evaluation: every window of the view in one backward scan a column, without allocating.
extension EntityState {
    /// Writes the view's features at `timeMillis` into `vector`, from slot `start` on. F(k, t, v) of the design: only events
    /// with t − W ≤ time < t (or t − W < time ≤ t in a right-closed view) count. `current` is the evaluated event, added to
    /// its own windows where the view says so. The vector is one that holds this view's features at these slots every time.
    public func evaluate(
        atMillis timeMillis: Int64, current: SourceRow? = nil, into vector: inout FeatureVector, from start: Int = 0
    ) {
        let cells = cells.span
        let view = view
        let stride = view.stride
        let end = view.firstIndex(after: view.isRightClosed ? timeMillis : timeMillis - 1, in: cells, from: head)
        let isIncluded = view.includesCurrentEvent && current != nil
        let closed: Int64 = view.isRightClosed ? 1 : 0

        // Where each window begins; the windows ascend.
        var starts = InlineArray<16, Int>(repeating: end)
        var index = end
        for (number, window) in view.windows.enumerated() {
            let oldest = timeMillis - window + closed
            while index > head, cells[(index - 1) * stride] >= oldest { index -= 1 }
            starts[number] = index
        }

        var numbers = vector.numbers.mutableSpan
        for task in view.counts {
            numbers[start + task.slot] = Double(end - starts[task.window] + (isIncluded ? 1 : 0))
        }
        for group in view.groups {
            let included = isIncluded ? current?.bits(view.columns[group.column]) : nil
            if group.isDouble {
                extremes(group, end, starts, included, cells, &numbers, start)
            } else {
                sums(group, end, starts, included, cells, &numbers, start)
            }
        }
        for task in view.distincts {
            let included = isIncluded ? current?.bits(view.columns[task.column]) : nil
            let count = distinctValues(view.columns[task.column].place, starts[task.window]..<end, included, cells)
            numbers[start + task.slot] = Double(count)
        }

        // Functions without a window look back over the retention.
        let oldest = timeMillis - view.retentionMillis + closed
        let hasLast = end > head && cells[(end - 1) * stride] >= oldest
        for task in view.points {
            var place = hasLast ? end - 1 : -1
            if task.function == .first, hasLast { place = view.firstIndex(after: oldest - 1, in: cells, from: head) }
            var number = Double.nan
            switch task.function {
            case .secondsSinceLast:
                if place >= 0 { number = Double(timeMillis - cells[place * stride]) / 1_000 }
            default:
                // The current event is the newest of all; it is the first only where there is no other.
                let column = view.columns[task.column]
                let row = isIncluded && (task.function == .last || place < 0) ? current : nil
                if task.isText {
                    vectorText(row, column, place, &vector.texts[start + task.slot])
                } else if let bits = row?.bits(column) ?? (place >= 0 ? cells[place * stride + column.place] : nil) {
                    number = task.number(bits)
                }
            }
            vector.numbers[start + task.slot] = number
        }
    }

    private func vectorText(_ row: SourceRow?, _ column: StreamView.Column, _ place: Int, _ text: inout String?) {
        if let row {
            text = row.string(column.field)
        } else {
            text = place >= 0 ? texts[place * view.textStride + column.place] : nil
        }
    }

    /// The windows of a column of integers or decimals: exact sums, no running floats.
    private func sums(
        _ group: StreamView.Group, _ end: Int, _ starts: InlineArray<16, Int>, _ included: Int64?, _ cells: Span<Int64>,
        _ numbers: inout MutableSpan<Double>, _ start: Int
    ) {
        let stride = view.stride
        let place = view.columns[group.column].place
        var sums = ColumnSums()
        var events = 0
        if let included {
            sums.add(included)
            events = 1
        }
        var index = end
        for number in group.tasks {
            let task = view.tasks[number]
            let first = starts[task.window]
            events += index - first
            while index > first {
                index -= 1
                sums.add(cells[index * stride + place])
            }
            numbers[start + task.slot] = sums.finalize(task, events: events)
        }
    }

    /// The windows of a column of doubles: only the smallest and largest, which do not depend on an order.
    private func extremes(
        _ group: StreamView.Group, _ end: Int, _ starts: InlineArray<16, Int>, _ included: Int64?, _ cells: Span<Int64>,
        _ numbers: inout MutableSpan<Double>, _ start: Int
    ) {
        let stride = view.stride
        let place = view.columns[group.column].place
        var smallest = Double.infinity
        var largest = -Double.infinity
        var events = 0
        if let included {
            smallest = Double(bitPattern: UInt64(bitPattern: included))
            largest = smallest
            events = 1
        }
        var index = end
        for number in group.tasks {
            let task = view.tasks[number]
            let first = starts[task.window]
            events += index - first
            while index > first {
                index -= 1
                let value = Double(bitPattern: UInt64(bitPattern: cells[index * stride + place]))
                smallest = Swift.min(smallest, value)
                largest = Swift.max(largest, value)
            }
            // Adding 0 turns −0 into 0: which of the two came first must not show.
            numbers[start + task.slot] = events == 0 ? .nan : (task.function == .min ? smallest : largest) + 0
        }
    }

    private func distinctValues(_ place: Int, _ range: Range<Int>, _ included: Int64?, _ cells: Span<Int64>) -> Int {
        let stride = view.stride
        var table = SmallSet()
        if let included { table.insert(included) }
        for index in range {
            guard table.insert(cells[index * stride + place]) else {
                // Very many different values: go on with a set that grows.
                var seen = Set(range.map { cells[$0 * stride + place] })
                if let included { seen.insert(included) }
                return seen.count
            }
        }
        return table.count
    }
}

/// Counts up to 96 different values on the stack, by open addressing.
private struct SmallSet {
    private var slots = InlineArray<128, Int64>(repeating: 0)
    private var hasZero = false
    private(set) var count = 0

    /// Takes a value; false when there is no more room for it.
    @discardableResult mutating func insert(_ value: Int64) -> Bool {
        guard value != 0 else {
            if !hasZero { count += 1 }
            hasZero = true
            return true
        }
        var slot = Int(truncatingIfNeeded: (UInt64(bitPattern: value) &* 0x9e37_79b9_7f4a_7c15) >> 57)
        while slots[slot] != 0 {
            if slots[slot] == value { return true }
            slot = (slot + 1) & 127
        }
        guard count < 96 else { return false }
        slots[slot] = value
        count += 1
        return true
    }
}

/// Exact sums over one column of one window: integers, wide enough for any column of 64 bits.
struct ColumnSums {
    private var sum: Int128 = 0
    private var squares: UInt128 = 0
    private var squaresCarry: UInt128 = 0  // how often `squares` passed 2^128
    private var smallest: Int64 = .max
    private var largest: Int64 = .min

    @inline(__always) mutating func add(_ value: Int64) {
        sum &+= Int128(value)
        let magnitude = UInt128(value.magnitude)
        let (next, overflow) = squares.addingReportingOverflow(magnitude &* magnitude)
        squares = next
        if overflow { squaresCarry += 1 }
        smallest = Swift.min(smallest, value)
        largest = Swift.max(largest, value)
    }

    func finalize(_ task: StreamView.Task, events: Int) -> Double {
        switch task.function {
        case .sum: return sumAsDouble / task.scale
        case .mean: return events == 0 ? .nan : sumAsDouble / Double(events) / task.scale
        case .std:
            guard events >= 2 else { return .nan }
            let pairs = UInt128(events) &* UInt128(events - 1)
            return (spread(UInt128(events)) / Double(rounding: pairs)).squareRoot() / task.scale
        case .min: return events == 0 ? .nan : task.number(smallest)
        case .max: return events == 0 ? .nan : task.number(largest)
        case .count, .distinctCount, .first, .last, .secondsSinceLast: return .nan
        }
    }

    private var sumAsDouble: Double {
        if let small = Int64(exactly: sum) { return Double(small) }
        let magnitude = Double(rounding: sum.magnitude)
        return sum < 0 ? -magnitude : magnitude
    }

    /// n·q − s², never negative, rounded once.
    private func spread(_ events: UInt128) -> Double {
        let magnitude = sum.magnitude
        if squaresCarry == 0, squares >> 95 == 0, events >> 31 == 0, magnitude >> 63 == 0 {
            return Double(rounding: events &* squares &- magnitude &* magnitude)
        }
        let product = events.multipliedFullWidth(by: squares)
        let square = magnitude.multipliedFullWidth(by: magnitude)
        let (low, borrow) = product.low.subtractingReportingOverflow(square.low)
        let high = product.high &+ events &* squaresCarry &- square.high &- (borrow ? 1 : 0)
        guard high != 0 else { return Double(rounding: low) }
        let shift = UInt128(high.leadingZeroBitCount)
        var top = shift == 0 ? high : high << shift | low >> (128 - shift)
        if low << shift != 0 { top |= 1 }  // What is cut off decides a tie.
        return Double(rounding: top) * Double(sign: .plus, exponent: 128 - Int(shift), significand: 1)
    }
}

extension Double {
    /// The nearest double, ties to even.
    init(rounding value: UInt128) {
        let high = UInt64(truncatingIfNeeded: value >> 64)
        guard high != 0 else {
            self = Double(UInt64(truncatingIfNeeded: value))
            return
        }
        let shift = UInt128(high.leadingZeroBitCount)
        let shifted = value << shift
        var top = UInt64(truncatingIfNeeded: shifted >> 64)
        if UInt64(truncatingIfNeeded: shifted) != 0 { top |= 1 }  // What is cut off decides a tie.
        self = Double(top) * Double(sign: .plus, exponent: 64 - Int(shift), significand: 1)
    }
}
