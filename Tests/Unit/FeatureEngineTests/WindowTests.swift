import FeatureEngine
import TestSupport
import Testing

@Suite struct WindowTests {
    /// Random events of a few entities: gaps from milliseconds to months, ties, events that come late, some past retention.
    @Test(
        arguments: [UInt64(1), 2, 3, 4],
        [(false, false), (true, false), (false, true), (true, true)])
    func `agrees with filtering all raw events`(seed: UInt64, mode: (isRightClosed: Bool, includesCurrent: Bool)) throws
    {
        var random = SeededRandom(seed: seed)
        let view = Rows.everything(
            windows: [1_000, Rows.hour, Rows.day, 3 * Rows.day], isRightClosed: mode.isRightClosed,
            includesCurrentEvent: mode.includesCurrent)
        var naive = NaiveFeatures(view)
        var states: [String: EntityState] = [:]
        var clock: Int64 = 1_546_300_800_000
        for position in 0..<400 {
            let steps: [Int64] = [0, 0, 1, 999, 1_000, 60_000, Rows.hour, Rows.hour / 7, Rows.day / 3, Rows.day * 2]
            clock += steps.randomElement(using: &random) ?? 0
            if Int.random(in: 0..<100, using: &random) == 0 { clock += 6 * Rows.day }
            var time = clock
            if Int.random(in: 0..<4, using: &random) == 0 {
                time -=
                    [1, 1_000, Rows.hour, Rows.day, 3 * Rows.day, 5 * Rows.day, 6 * Rows.day]
                    .randomElement(using: &random) ?? 0
            }
            let card = ["a", "b"].randomElement(using: &random) ?? "a"
            let row = try Rows.row(
                "e\(position)", at: time, card: card,
                amt: "\(Int.random(in: -3...90_000, using: &random)).0\(position % 10)",
                shop: "shop \(Int.random(in: 0..<150, using: &random))",
                lat: ["-0.0", "0", "1.5", "-91.25", "1e-300", "40.\(position)"].randomElement(using: &random) ?? "0",
                points: "\(Int64.random(in: -1_000_000_000_000...1_000_000_000_000, using: &random))",
                chip: Bool.random(using: &random) ? "1" : "0")
            var state = states[card] ?? EntityState(view)
            let vector = Rows.evaluate(state, at: time, current: row)
            #expect(
                vector.isIdentical(to: naive.evaluate(entity: card, atMillis: time, current: row)),
                "seed \(seed), event \(position)")
            _ = state.insert(row, offset: Int64(position))
            states[card] = state
            naive.insert(row, position: Int64(position))
            let later = time + (steps.randomElement(using: &random) ?? 0)
            #expect(
                Rows.evaluate(state, at: later).isIdentical(to: naive.evaluate(entity: card, atMillis: later)),
                "seed \(seed), after event \(position)")
        }
    }

    @Test func `100,000 random events agree with the raw ones`() throws {
        var random = SeededRandom(seed: 99)
        let view = Rows.view([
            (.count, "amt", Rows.hour), (.sum, "amt", Rows.hour), (.mean, "amt", Rows.day), (.std, "amt", Rows.day),
            (.max, "amt", Rows.day), (.distinctCount, "shop", Rows.day), (.last, "amt", nil),
            (.secondsSinceLast, nil, nil),
        ])
        var naive: [NaiveFeatures] = []
        var states: [EntityState] = []
        for _ in 0..<4_000 {
            naive.append(NaiveFeatures(view))
            states.append(EntityState(view))
        }
        var wrong = 0
        for position in 0..<100_000 {
            let entity = Int.random(in: 0..<4_000, using: &random)
            let time = 1_546_300_800_000 + Int64(position) * 20_000 - Int64.random(in: 0...3, using: &random) * 400_000
            let row = try Rows.row(
                "\(position)", at: time, card: "\(entity)", amt: "\(position % 1_000).5", shop: "\(position % 17)")
            let expected = naive[entity].evaluate(entity: "\(entity)", atMillis: time)
            if !Rows.evaluate(states[entity], at: time).isIdentical(to: expected) { wrong += 1 }
            _ = states[entity].insert(row, offset: Int64(position))
            naive[entity].insert(row, position: Int64(position))
        }
        #expect(wrong == 0)
    }

    @Test func `late events and ties count by their time, not by their arrival`() throws {
        let view = Rows.view([(.count, nil, Rows.hour), (.sum, "amt", Rows.hour)])
        var state = EntityState(view)
        var counts: [Double] = []
        for (position, event) in [(3_600_000, "1"), (0, "2"), (0, "4"), (7_200_000, "8"), (3_599_999, "16")]
            .enumerated()
        {
            let row = try Rows.row("e\(position)", at: Int64(event.0), amt: event.1)
            counts.append(Rows.evaluate(state, at: row.eventTimeMillis).numbers[0])
            #expect(state.insert(row, offset: Int64(position)) == .kept)
        }
        #expect(counts == [0, 0, 0, 1, 2])
        #expect(Rows.evaluate(state, at: 3_600_000).numbers == [3, 22])
        #expect(Rows.evaluate(state, at: 3_600_001).numbers == [2, 17])
        #expect(Rows.evaluate(state, at: 7_200_000).numbers == [1, 1])
    }

    @Test(
        arguments: [
            (["0.10", "0.10", "0.10"], 0.0), (["1000000.01", "1000000.02", "1000000.03"], 0.01),
            (["5000000.00", "0.01", "0.01"], 2_886_751.340174626), (["30370005.00", "30370005.00"], 0),
        ] as [([String], Double)])
    func `std is exact`(amounts: [String], expected: Double) throws {
        var state = EntityState(Rows.view([(.std, "amt", Rows.day)]))
        for (index, amount) in amounts.enumerated() {
            _ = state.insert(try Rows.row("\(index)", at: Int64(index), amt: amount), offset: Int64(index))
        }
        #expect(Rows.evaluate(state, at: 10).numbers == [expected])
    }

    @Test func `sums of the largest integers do not overflow`() throws {
        let view = Rows.view([(.sum, "points", Rows.day), (.mean, "points", Rows.day), (.std, "points", Rows.day)])
        var state = EntityState(view)
        for index in 0..<10 {
            let points = index.isMultiple(of: 2) ? Int64.max : -Int64.max
            _ = state.insert(try Rows.row("\(index)", at: Int64(index), points: "\(points)"), offset: Int64(index))
        }
        let vector = Rows.evaluate(state, at: 100)
        #expect(vector.numbers[0] == 0)
        #expect(vector.numbers[1] == 0)
        // All ten lie at ±m, so the variance is m²·10/9.
        let expected = (Double(Int64.max) * Double(Int64.max) * 10 / 9).squareRoot()
        #expect(abs(vector.numbers[2] - expected) <= expected * 1e-15)
    }

    @Test func `an empty window counts 0 and has no mean`() throws {
        let view = Rows.everything(windows: [Rows.hour])
        let vector = Rows.evaluate(EntityState(view), at: Rows.day)
        for (slot, feature) in view.features.enumerated() {
            switch feature.function {
            case .count, .sum, .distinctCount: #expect(vector.numbers[slot] == 0)
            default: #expect(vector.numbers[slot].isNaN && vector.texts[slot] == nil)
            }
        }
    }

    @Test func `the bounds of a window are exact`() throws {
        for isRightClosed in [false, true] {
            let view = Rows.view([(.count, nil, Rows.hour)], isRightClosed: isRightClosed)
            var state = EntityState(view)
            _ = state.insert(try Rows.row("e", at: Rows.day), offset: 0)
            func count(_ age: Int64) -> Double { Rows.evaluate(state, at: Rows.day + age).numbers[0] }
            #expect(count(-1) == 0)
            #expect(count(0) == (isRightClosed ? 1 : 0))
            #expect(count(1) == 1)
            #expect(count(Rows.hour - 1) == 1)
            #expect(count(Rows.hour) == (isRightClosed ? 0 : 1))
            #expect(count(Rows.hour + 1) == 0)
        }
    }

    @Test func `nothing older than the retention is read, whatever is still stored`() throws {
        let view = Rows.view([(.count, nil, Rows.day), (.count, nil, Rows.hour)])
        var state = EntityState(view)
        _ = state.insert(try Rows.row("old", at: 0), offset: 0)
        _ = state.insert(try Rows.row("new", at: 3 * Rows.day), offset: 1)  // newest − R − S is 0: the old one stays
        #expect(state.count == 2)
        #expect(Rows.evaluate(state, at: Rows.hour).numbers == [1, 1])
        _ = state.insert(try Rows.row("newer", at: 3 * Rows.day + 1), offset: 2)
        #expect(state.count == 2)
        #expect(Rows.evaluate(state, at: Rows.hour).numbers == [0, 0])
        #expect(state.insert(try Rows.row("too late", at: 0), offset: 3) == .tooOld)
        #expect(state.insert(try Rows.row("late", at: 1), offset: 4) == .kept)
        #expect(state.offset == 4)
    }

    @Test func `many entities' events are given back as they age`() throws {
        let view = Rows.view([(.count, nil, Rows.hour), (.last, "shop", nil)])
        var state = EntityState(view)
        for index in 0..<5_000 {
            _ = state.insert(
                try Rows.row("\(index)", at: Int64(index) * Rows.hour, shop: "s\(index)"), offset: Int64(index))
        }
        #expect(state.count == 50)  // newest − 49 h (R + S) and after
        #expect(Rows.evaluate(state, at: 5_000 * Rows.hour).texts[1] == "s4999")
    }

    @Test func `the distinct count is right past any table on the stack`() throws {
        let view = Rows.view([(.distinctCount, "shop", Rows.day), (.distinctCount, "points", Rows.day)])
        for different in [1, 63, 95, 96, 97, 98, 128, 1_000] {
            var state = EntityState(view)
            for index in 0..<2 * different {
                let value = index % different
                _ = state.insert(
                    try Rows.row("\(index)", at: Int64(index), shop: "s\(value)", points: "\(value)"),
                    offset: Int64(index))
            }
            #expect(Rows.evaluate(state, at: 5_000).numbers == [Double(different), Double(different)])
        }
    }
}
