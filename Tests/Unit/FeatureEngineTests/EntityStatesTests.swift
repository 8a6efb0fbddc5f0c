import FeatureEngine
import TestSupport
import Testing

@Suite struct EntityStatesTests {
    @Test(arguments: [UInt64(8), 9])
    func `byte strings are numbered once each, in the order they come`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var table = ByteTable()
        var known: [ByteString: Int] = [:]
        // Every seventh is spelled with a combining accent, which makes it another one.
        for _ in 0..<50_000 {
            let number = random.next() % 20_000
            let key = ByteString("\(number % 7 == 0 ? "e\u{301}" : "\u{E9}")\(number / 2)")
            let (place, isNew) = table.insert(key.bytes.span)
            #expect(isNew == (known[key] == nil), "seed \(seed)")
            #expect(known[key, default: known.count] == place, "seed \(seed)")
            known[key] = place
            #expect(table[place] == key)
        }
        #expect(table.count == known.count)
        #expect(table.insert([UInt8]().span).isNew)
        #expect(!table.insert([UInt8]().span).isNew)
    }

    @Test func `an event that was applied before changes nothing`() throws {
        var states = EntityStates([Rows.view([(.count, nil, Rows.hour)])], keyIndex: 2)
        let row = try Rows.row("a", at: 5, card: "k")
        let place = states.place(of: row)
        #expect(states.insert(place, view: 0, row, at: 7) == .kept)
        #expect(states.insert(place, view: 0, row, at: 7) == .known)
        #expect(states.insert(place, view: 0, row, at: 3) == .known)
        #expect(states[place, 0].count == 1)
        #expect(states[place, 0].offset == 7)
        #expect(states.key(place) == "k")
    }

    @Test func `each view follows its own key, and an event too late for several counts once`() throws {
        let byCard = Rows.view([(.count, nil, Rows.hour), (.sum, "amt", Rows.hour)])
        let byShop = StreamView(
            name: "shop", entityName: "shop", source: Rows.schema, joinKeyIndex: 4,
            features: [WindowFeature(name: "count_1h", function: .count, field: nil, windowMillis: Rows.hour)])
        var replay = ViewsReplay([byCard, byShop])
        var vectors = replay.makeVectors()
        let events = [
            try Rows.row("a", at: 10 * Rows.day, card: "1", amt: "2.00", shop: "x"),
            try Rows.row("b", at: 10 * Rows.day + 1, card: "2", amt: "4.00", shop: "x"),
            try Rows.row("c", at: 10 * Rows.day + 2, card: "1", amt: "8.00", shop: "x"),
            // Older than the newest of its card and of its shop by more than window and disorder.
            try Rows.row("d", at: 1, card: "1", amt: "16.00", shop: "x"),
            try Rows.row("e", at: 10 * Rows.day + 3, card: "1", amt: "1.00", shop: "y"),
        ]
        var seen: [[[Double]]] = []
        for (position, event) in events.enumerated() {
            replay.next(event, position: Int64(position), into: &vectors)
            seen.append(vectors.map(\.numbers))
        }
        #expect(seen == [[[0, 0], [0]], [[0, 0], [1]], [[1, 2], [2]], [[0, 0], [0]], [[2, 10], [0]]])
        #expect(replay.tooOld == 1)
    }

    @Test func `views of one key share an entity's place, and each has a state of its own`() throws {
        let views = [Rows.view([(.count, nil, Rows.hour)]), Rows.view([(.count, nil, 2 * Rows.hour)])]
        var states = EntityStates(views, keyIndex: 2)
        for (position, key) in ["a", "b", "a"].enumerated() {
            let row = try Rows.row("\(position)", at: Int64(position) * Rows.hour, card: key)
            let place = states.place(of: row)
            #expect(place == (key == "a" ? 0 : 1))
            for view in views.indices { #expect(states.insert(place, view: view, row, at: Int64(position)) == .kept) }
        }
        let row = try Rows.row("x", at: 2 * Rows.hour + 1, card: "a")
        var vector = FeatureVector(count: 1)
        let counts = views.indices.map { view in
            states.evaluate(0, view: view, row, into: &vector)
            return vector.numbers[0]
        }
        #expect(counts == [1, 1] && states.count == 2)
        states[1, 0] = EntityState(views[0], generation: 9)
        #expect(states[1, 0].generation == 9 && states[1, 1].count == 1 && states[0, 0].count == 2)
        states.removeAll()
        #expect(states.count == 0 && states.place(of: row) == 0 && states[0, 1].count == 0)
    }
}
