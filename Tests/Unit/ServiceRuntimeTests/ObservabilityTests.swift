import Observability
import Synchronization
import Testing

@Suite struct ObservabilityTests {
    private final class Lines: Sendable {
        let lines = Mutex<[String]>([])
        func log(_ level: LogLevel = .debug, _ format: LogFormat = .json) -> Log {
            Log(
                level: level, format: format, nowMillis: { 1_546_300_800_123 },
                write: { line in self.lines.withLock { $0.append(line) } })
        }
        var all: [String] { lines.withLock { $0 } }
    }

    @Test func `a JSON line has time, level, message and fields in order`() {
        let lines = Lines()
        lines.log().info("started", ["b": 2, "a": "x\"\n\u{1}é", "c": true, "d": 1.5, "e": Double.nan, "f": [1, 2]])
        #expect(
            lines.all == [
                #"{"ts":"2019-01-01T00:00:00.123Z","level":"info","message":"started","a":"x\"\n\u0001é","b":2,"c":true,"d":1.5,"e":null,"f":[1,2]}"#
            ])
    }

    @Test func `lines below the level are not written`() {
        let lines = Lines()
        let log = lines.log(.warning)
        log.debug("a")
        log.info("b")
        log.warning("c")
        log.error("d")
        #expect(lines.all.count == 2)
    }

    @Test func `text without colour holds no escape`() {
        let lines = Lines()
        lines.log(.info, .text(colour: false)).info("ready", ["port": 8000])
        #expect(lines.all == ["00:00:00.123 info ready port=8000"])
    }

    @Test(
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"), (-1, "1969-12-31T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (4_102_444_799_999, "2099-12-31T23:59:59.999Z"), (-2_203_977_600_000, "1900-02-28T00:00:00.000Z"),
        ] as [(Int64, String)])
    func `a time prints as ISO 8601`(millis: Int64, text: String) {
        #expect(WallClock.iso8601(millis: millis) == text)
    }

    @Test func `metrics print as Prometheus reads them`() {
        let registry = MetricsRegistry()
        let counter = registry.counter("needletail_test_events_total", help: "Events.", labels: ["kind": "a\"b\\\n"])
        counter.add(2)
        registry.counter("needletail_test_events_total", help: "Events.", labels: ["kind": "a\"b\\\n"]).add()
        registry.gauge("needletail_test_lag_events", help: "Lag.").set(-1.5)
        registry.gauge("needletail_test_up", help: "Up.") { 7 }
        let histogram = registry.histogram(
            "needletail_test_seconds", help: "Time.", labels: ["l": "x"], bounds: [0.1, 1])
        for value in [0.05, 0.1, 0.5, 3] { histogram.observe(value) }
        #expect(
            registry.renderPrometheus() == """
                # HELP needletail_test_events_total Events.
                # TYPE needletail_test_events_total counter
                needletail_test_events_total{kind="a\\"b\\\\\\n"} 3
                # HELP needletail_test_lag_events Lag.
                # TYPE needletail_test_lag_events gauge
                needletail_test_lag_events -1.5
                # HELP needletail_test_seconds Time.
                # TYPE needletail_test_seconds histogram
                needletail_test_seconds_bucket{l="x",le="0.1"} 2
                needletail_test_seconds_bucket{l="x",le="1"} 3
                needletail_test_seconds_bucket{l="x",le="+Inf"} 4
                needletail_test_seconds_sum{l="x"} 3.65
                needletail_test_seconds_count{l="x"} 4
                # HELP needletail_test_up Up.
                # TYPE needletail_test_up gauge
                needletail_test_up 7

                """)
    }

    @Test func `a removed series is gone and the others stay`() {
        let registry = MetricsRegistry()
        registry.gauge("needletail_test_lag_events", help: "Lag.", labels: ["partition": "0"]).set(5)
        registry.gauge("needletail_test_lag_events", help: "Lag.", labels: ["partition": "1"]).set(6)
        registry.remove("needletail_test_lag_events", labels: ["partition": "0"])
        let text = registry.renderPrometheus()
        #expect(!text.contains("partition=\"0\""))
        #expect(text.contains("needletail_test_lag_events{partition=\"1\"} 6"))
    }

    @Test func `updates from several threads are all counted`() async {
        let registry = MetricsRegistry()
        let counter = registry.counter("needletail_test_total", help: "Events.")
        let histogram = registry.histogram("needletail_test_seconds", help: "Time.")
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    for _ in 0..<10_000 {
                        counter.add()
                        histogram.observe(0.5)
                    }
                }
            }
        }
        #expect(counter.value == 40_000)
        #expect(histogram.count == 40_000)
        #expect(histogram.sum == 20_000)
    }

    @Test(.enabled(if: !Console.standardError.isTerminal))
    func `where the log is JSON progress is a log line`() throws {
        let lines = Mutex<[String]>([])
        let log = Log(format: .json, nowMillis: { 0 }, write: { line in lines.withLock { $0.append(line) } })
        let report = ProgressReport("sending", total: 10, log: log, lineEverySeconds: 0)
        report.update(to: 4, note: "lag 12")
        report.finish()
        let written = lines.withLock { $0 }
        try #require(written.count == 2)
        #expect(
            written[0].hasPrefix(#"{"ts":"1970-01-01T00:00:00.000Z","level":"info","message":"progress","done":4,"#))
        #expect(written[0].contains(#""finished":false,"note":"lag 12""#))
        #expect(written[1].contains(#""finished":true"#) && written[1].contains(#""step":"sending","total":10}"#))
    }

    @Test func `progress says how far, how fast, and never leaves the width`() {
        #expect(
            ProgressReport.text("sending", 700_000, 1_000_000, "lag 12", seconds: 2)
                == "sending: 700,000 of 1,000,000 (70 %), 350,000/s, lag 12")
        #expect(ProgressReport.text("reading", 0, nil, "", seconds: 0) == "reading: 0")
        for columns in [1, 10, 20, 40, 80, 200] {
            for total in [nil, 0, 10, 1_000_000] {
                let bar = ProgressReport.bar("sending", 5, total, "note", seconds: 2, columns: columns, colour: false)
                #expect(bar.count < max(columns, 1) || bar.isEmpty, "\(columns) columns, total \(total ?? -1)")
            }
        }
    }
}
