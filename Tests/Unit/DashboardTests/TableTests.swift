import Dashboard
import FeatureEngine
import Testing

@Suite struct TableTests {
    static let columns = [
        TableColumn("time", 19, least: 8, keepsEnd: true), TableColumn("shop", 6, grows: true, rank: 1),
        TableColumn("amount", 8, right: true),
    ]
    static func table(_ rows: [(String, String, Double)]) -> Table {
        Table(
            .stream, "t", columns,
            rows.enumerated().map { index, row in
                TableRow(ByteString("\(index)"), [row.0, row.1, "\(row.2)"], numbers: [2: row.2])
            })
    }
    static let rows = table([
        ("10:00", "North shop", 3), ("10:01", "SOUTH", 20), ("10:02", "caf\u{E9}", 100), ("10:03", "cafe\u{301}", .nan),
    ])

    @Test(arguments: [
        ("shop", ["0"]), ("south", ["1"]), ("shop:north", ["0"]), ("shop:10", []), ("amount>3", ["1", "2"]),
        ("amount<21", ["0", "1"]), ("!south", ["0", "2", "3"]), ("!amount>3", ["0", "3"]), ("/^caf/", ["2", "3"]),
        ("/S.UTH/", ["1"]), ("caf\u{E9}", ["2"]), ("south amount>3", ["1"]), ("south !amount>3", []), ("!", []),
        ("time:10:02", ["2"]), ("a>b", []), (">", []), ("/", []),
    ])
    func `a filter leaves what it says`(text: String, left: [String]) {
        var state = TableState()
        state.filter = Filter(text)
        #expect(state.filter?.text == text)
        #expect(Self.rows.shown(state).map(\.id.description) == left)
    }

    @Test func `a filter without words is none, and a broken expression says so`() {
        #expect(Filter("") == nil && Filter("  ") == nil)
        #expect(Filter("/(/")?.problem != nil && Filter("/a/")?.problem == nil)
        var state = TableState()
        state.filter = Filter("/(/")
        #expect(Self.rows.shown(state).isEmpty)
    }

    @Test func `sorting goes by number, else by bytes, and keeps the order of equals`() {
        var state = TableState()
        state.sort = 2
        #expect(Self.rows.shown(state).map(\.id.description) == ["2", "1", "0", "3"])
        state.isDescending = false
        #expect(Self.rows.shown(state).map(\.id.description) == ["3", "0", "1", "2"])
        state.sort = 1
        #expect(Self.rows.shown(state).map(\.id.description) == ["0", "1", "3", "2"])
        state.sort = 9
        #expect(Self.rows.shown(state).count == 4)
        let equal = Self.table((0..<20).map { ("\($0)", "x", 1) })
        for descending in [true, false] {
            (state.sort, state.isDescending) = (2, descending)
            #expect(equal.shown(state).map(\.id.description) == (0..<20).map { "\($0)" })
        }
    }

    @Test func `the chosen row stays chosen when others come, the first stays the first`() {
        let rows = Self.rows.rows
        var state = TableState()
        state.choose(2, in: rows)
        #expect(state.place(in: [TableRow("new", ["", "", ""])] + rows) == 3)
        #expect(state.place(in: Array(rows.prefix(2))) == 1)
        #expect(state.place(in: []) == 0)
        state.choose(0, in: rows)
        #expect(state.place(in: [TableRow("new", ["", "", ""])] + rows) == 0)
        state.choose(99, in: rows)
        #expect(state.place(in: rows) == 3)
    }

    @Test(arguments: 0...130)
    func `columns fit their room, and the least important go first`(room: Int) {
        let columns = Self.columns + [TableColumn("owner", 10, rank: 2)]
        let widths = columnWidths(columns, room: room)
        let taken = widths.reduce(0) { $0 + ($1 > 0 ? $1 + 1 : 0) } - 1
        // One column is left, whatever the room.
        #expect(taken <= max(room, 8))
        if widths[3] > 0 { #expect(widths[1] > 0) }
        if room >= 60 { #expect(taken == room && widths[0] == 19) }
    }

    @Test func `every table of a screen has its place, none over another`() {
        for count in 1...4 {
            for (width, height) in [(60, 12), (110, 16), (111, 17), (200, 55), (120, 38)] {
                let places = placements(count, width, height)
                #expect(places.count == 1 || places.count == count)
                #expect(places.reduce(0) { $0 + $1.width * $1.height } == width * height)
                #expect(places.allSatisfy { $0.x + $0.width <= width && $0.y + $0.height <= height && $0.height >= 3 })
            }
        }
    }
}

@Suite struct PlotHistoryTests {
    @Test func `a plot moves by a whole bucket and tells the mean`() {
        var history = PlotHistory()
        for second in 0..<10 { history.add([.latency: Double(second)], clockMillis: Int64(second) * 1_000) }
        #expect(history.values(.latency, .minutes) == [2])
        history.add([:], clockMillis: 10_000)
        #expect(history.values(.latency, .minutes) == [2, 7])
        history.add([.latency: .infinity], clockMillis: 25_000)
        #expect(history.values(.latency, .minutes).map(\.isNaN) == [false, false, true, true, true])
        #expect(history.values(.lag, .minutes).allSatisfy(\.isNaN) && history.values(.latency, .hour).isEmpty)
    }

    @Test func `it is bounded, and a clock that steps begins anew`() {
        var history = PlotHistory()
        for second in stride(from: Int64(0), to: 100_000, by: 7) {
            history.add([.lag: 1], clockMillis: second * 1_000)
        }
        #expect(PlotWindow.allCases.map { history.values(.lag, $0).count } == [60, 60, 72])
        history.add([.lag: 1], clockMillis: 5)
        #expect(history.values(.lag, .day).isEmpty)
        history.add([.lag: 1], clockMillis: .max)
        #expect(history.values(.lag, .day).isEmpty)
    }
}

@Suite struct RetryTests {
    struct Away: Error {}

    @Test func `a source that fails is left alone for longer each time, ten seconds at most, and then asked again`()
        throws
    {
        var retry = Retry()
        var now: UInt64 = 0
        var asked: [UInt64] = []
        while now < 60_000_000_000 {
            #expect(throws: Away.self) {
                try retry.run(nowNanos: { now }) {
                    asked.append(now / 500_000_000)
                    throw Away()
                }
            }
            now += 100_000_000
        }
        #expect(asked == [0, 1, 3, 7, 15, 31, 51, 71, 91, 111])
        now += 10_000_000_000
        let seven = try retry.run(nowNanos: { now }) { 7 }
        #expect(throws: Away.self) { try retry.run(nowNanos: { now }) { throw Away() } }
        now += 500_000_000
        let eight = try retry.run(nowNanos: { now }) { 8 }
        #expect(seven == 7 && eight == 8)
    }
}
