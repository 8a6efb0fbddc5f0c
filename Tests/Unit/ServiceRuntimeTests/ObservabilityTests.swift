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

    @Test func `a JSON line says who wrote it, a line for a person does not`() {
        let lines = Lines()
        let write: @Sendable (String) -> Void = { line in lines.lines.withLock { $0.append(line) } }
        let origin = LogOrigin(service: "features list", version: "1.0", pid: 7)
        Log(format: .json, origin: origin, nowMillis: { 0 }, write: write).info("hello", ["a": 1])
        Log(format: .text(colour: false), origin: origin, nowMillis: { 0 }, write: write).info("hello", ["a": 1])
        #expect(
            lines.all == [
                #"{"ts":"1970-01-01T00:00:00.000Z","level":"info","service":"features list","pid":7,"version":"1.0","message":"hello","a":1}"#,
                "00:00:00.000 info hello a=1",
            ])
        #expect(LogOrigin(service: "s", version: "1").pid > 0)
    }

    @Test func `progress is a line of a JSON log, whatever the level`() {
        let lines = Lines()
        let report = ProgressReport("sending\u{9B}", total: 10, log: lines.log(.error), lineEverySeconds: 0)
        report.update(to: 4, note: "lag 3")
        report.finish()
        #expect(lines.all.count == 2)
        #expect(
            lines.all.allSatisfy {
                $0.hasPrefix(#"{"ts":"2019-01-01T00:00:00.123Z","level":"info","message":"progress","#)
            })
        #expect(lines.all.last?.contains(#""done":4,"note":"lag 3","#) == true)
        #expect(lines.all.last?.contains(#""title":"sending�","total":10}"#) == true)
    }

    @Test func `a process says what it uses, under the names that others use too`() throws {
        let metrics = MetricsRegistry()
        ProcessMetrics.register(in: metrics, version: "1.2", command: "serve")
        let text = metrics.renderPrometheus()
        #expect(text.contains("needletail_build_info{version=\"1.2\",command=\"serve\"} 1\n"))
        #expect(text.contains("# TYPE process_cpu_seconds_total counter\n"))
        func value(_ name: String) -> Double {
            let line = text.split(separator: "\n").first { $0.hasPrefix(name + " ") }
            return line.flatMap { Double($0.dropFirst(name.count + 1)) } ?? -1
        }
        #expect(value("process_cpu_seconds_total") > 0)
        #expect((1e6...1e12).contains(value("process_resident_memory_bytes")))
        #expect(value("process_virtual_memory_bytes") > value("process_resident_memory_bytes"))
        #expect(value("process_open_fds") >= 3 && value("process_open_fds") < value("process_max_fds"))
        let now = Double(WallClock.nowMillis()) / 1000
        #expect(value("process_start_time_seconds") > now - 86_400 && value("process_start_time_seconds") <= now + 2)
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

    @Test func `progress says how far, how fast, and never leaves the width`() {
        #expect(
            ProgressReport.text("sending", 700_000, 1_000_000, "lag 12", seconds: 2)
                == "sending: 700,000 of 1,000,000 (70 %), 350,000/s, lag 12")
        #expect(ProgressReport.text("reading", 0, nil, "", seconds: 0) == "reading: 0")
        for (done, total) in [(Int.max, 1), (Int.min, Int.max), (1, Int.max), (Int.max, Int.max), (-1, -1)] {
            let bar = ProgressReport.bar("sending", done, total, "", seconds: 2, columns: 200, colour: false)
            #expect(bar.hasPrefix("sending  ") && bar.contains(" %"))
            #expect(ProgressReport.text("sending", done, total, "", seconds: 1e-2).hasPrefix("sending: "))
        }
        for columns in [1, 10, 20, 40, 80, 200] {
            for total in [nil, 0, 10, 1_000_000] {
                let bar = ProgressReport.bar("sending", 5, total, "note", seconds: 2, columns: columns, colour: false)
                #expect(bar.count < max(columns, 1) || bar.isEmpty, "\(columns) columns, total \(total ?? -1)")
            }
        }
    }
}
