import Dashboard
import Testing

@Suite struct DashboardFiguresTests {
    static let foreign: [Double] = [
        .nan, .signalingNaN, .infinity, -.infinity, 1e308, -1e308, .leastNonzeroMagnitude, -0.0, -1, -1e-9, 1e15, 1e12,
        9.999_999_999_999e11, .greatestFiniteMagnitude, 0, 0.000_999_999_9, 119.99, 7_199.9,
    ]

    @Test(arguments: foreign)
    func `any double can be shown`(value: Double) {
        for places in 0...6 { #expect(!decimal(value, places).isEmpty) }
        #expect(!count(value).isEmpty && !duration(value).isEmpty && !rate(value).isEmpty)
    }

    @Test(arguments: [Int64.min, -62_167_219_200_001, -1, 0, 253_402_300_800_000, .max])
    func `any moment can be shown, and none outside the years 0 to 9999`(millis: Int64) {
        let isShown = (-62_167_219_200_000..<253_402_300_800_000).contains(millis)
        #expect(clock(millis).count == (isShown ? 19 : 1))
        #expect(clock(nil) == "–")
    }

    @Test func `numbers are grouped, durations have their unit`() {
        #expect(count(931_458) == "931 458" && count(-1_234) == "-1 234" && count(999.96) == "1 000.0")
        #expect(decimal(0.0185, 3) == "0.019" && decimal(-2.5, 1) == "-2.5")
        #expect(
            [0.000_75, 0.0097, 0.4, 45, 95.5, 600, 7_200, 200_000].map(duration) == [
                "750 µs", "9.7 ms", "400 ms", "45 s", "95.5 s", "10 min", "2 h", "2 d",
            ])
    }

    @Test func `quantiles are linear within a bucket and stop at the last finite bound`() {
        let buckets = [Bucket(0.1, 10), Bucket(0.2, 20), Bucket(.infinity, 40)]
        #expect(quantile(0.25, of: buckets) == 0.1)
        #expect(quantile(0.375, of: buckets).map { abs($0 - 0.15) < 1e-12 } == true)
        #expect(quantile(0.99, of: buckets) == 0.2)
        #expect(quantile(0.5, of: []) == nil)
    }
}

@Suite struct CounterWindowTests {
    private static func observation(_ seconds: Int64, _ produced: Double?, _ latency: [Double] = []) -> Observation {
        var observation = Observation(timeMillis: 0, clockMillis: seconds * 1_000)
        observation.counters[.produced] = produced
        observation.latency = zip([0.001, 0.01, .infinity], latency).map { Bucket($0, $1) }
        return observation
    }

    @Test func `growth is that of the last five minutes, over restarts and gaps`() {
        var window = CounterWindow()
        for (second, value) in [(0, 1_000), (100, 1_100), (200, nil), (300, 1_300), (310, 5), (400, 10)]
            as [(Int64, Double?)]
        {
            window.add(Self.observation(second, value))
        }
        // 100 … 400 s: 200 before the restart, 5 and 5 after it.
        #expect(window.growth(of: .produced)?.count == 210)
        #expect(window.growth(of: .produced)?.seconds == 300)
        #expect(window.growth(of: .predictions) == nil)
        #expect(window.seconds == 300)
    }

    @Test func `a clock that goes back begins anew, and impossible counts are none`() {
        var window = CounterWindow()
        window.add(Self.observation(100, 10))
        window.add(Self.observation(50, 20))
        #expect(window.growth(of: .produced) == nil && window.newestRate(of: .produced) == nil)
        for value in [Double.nan, -1, .infinity] {
            window.add(Self.observation(60, value))
            #expect(window.newestRate(of: .produced) == nil)
        }
        window.add(Self.observation(70, .greatestFiniteMagnitude))
        window.add(Self.observation(80, 0))
        window.add(Self.observation(90, .greatestFiniteMagnitude))
        #expect(window.growth(of: .produced) == nil)  // more than a double can count
    }

    @Test func `latency is that of the last minute and of one process`() {
        var window = CounterWindow()
        window.add(Self.observation(0, 0, [1_000, 1_000, 1_000]))
        window.add(Self.observation(100, 0, [1_000, 1_010, 1_010]))
        #expect(window.recentLatency.isEmpty)
        window.add(Self.observation(130, 0, [1_000, 1_020, 1_020]))
        #expect(window.recentLatency.map(\.count) == [0, 10, 10])
        window.add(Self.observation(140, 0, [3, 3, 3]))
        #expect(window.recentLatency.isEmpty)
        window.add(Self.observation(150, 0, [5, 5, 5]))
        #expect(window.recentLatency.map(\.count) == [2, 2, 2])
    }

    @Test func `an impatient round does not grow it without a bound`() {
        var window = CounterWindow()
        for round in 0..<5_000 {
            var observation = Observation(timeMillis: 0, clockMillis: Int64(round))
            observation.counters[.produced] = Double(round)
            window.add(observation)
        }
        #expect(window.growth(of: .produced).map { $0.count < 3_200 && $0.count > 3_000 } == true)
    }
}
