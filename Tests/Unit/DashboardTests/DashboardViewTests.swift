import Dashboard
import TerminalUI
import Testing

@Suite struct DashboardViewTests {
    static func alert(
        _ number: Int = 0, merchant: String = "fraud_Rippin, Kub and Mann", probability: Double = 0.973,
        isDegraded: Bool = false
    ) -> Prediction {
        Prediction(
            transactionID: "t\(number)", entity: "499234…5184", eventTimeMillis: 1_577_836_800_000,
            texts: [merchant, "misc_net"], amount: "843.10", probability: probability, threshold: 0.019,
            modelVersion: "3", isDegraded: isDegraded)
    }

    static let up: [(name: String, state: PartState)] = ["transform", "api", "kafka", "redis", "postgres", "produce"]
        .map { ($0, .up) }

    /// Round `round` of a running system, 2 s after the one before.
    static func observation(_ round: Int) -> Observation {
        var observation = Observation(
            timeMillis: 1_766_700_000_000 + Int64(round) * 2_000, clockMillis: Int64(round) * 2_000)
        observation.parts = up
        observation.counters[.produced] = 1_000 + Double(round) * 16
        observation.counters[.transformed] = 990 + Double(round) * 20
        observation.counters[.predictions] = 931_458 + Double(round) * 15
        observation.counters[.frauds] = 6_626 + Double(round) * 3
        observation.counters[.degraded] = 194
        observation.counters[.deadLetters] = 2
        observation.counters[.logDropped] = 0
        observation.latency = [
            Bucket(0.001, 100 + Double(round) * 10), Bucket(0.01, 100 + Double(round) * 15),
            Bucket(.infinity, 100 + Double(round) * 15),
        ]
        observation.freshnessSeconds = 0.012
        observation.featureAgeSeconds = 0.4
        observation.lags = .value(
            (0..<4).map { PartitionLag(topic: "transactions", partition: $0, records: Int64($0) * 700) })
        observation.champion = .value(
            Champion(
                version: "3", createdMillis: 1_766_600_000_000, metrics: [.init("AP", 0.98765), .init("ROC", 0.9998)],
                drift: DriftSummary(createdMillis: 1_766_650_000_000, isDrifted: true, worst: [.init("amt", 0.31)])))
        observation.served = .value(ServedModel(version: "3", service: "fraud_v1", threshold: 0.019))
        return observation
    }

    /// A dashboard after two observations, 2 s apart.
    static func model(merchants: [String] = ["fraud_Rippin, Kub and Mann"], columns: PredictionColumns? = nil) throws
        -> DashboardModel
    {
        var model = DashboardModel(project: "fraud", columns: try columns ?? PredictionColumnsTests.cards())
        update(&model, .observed(observation(0)))
        var second = observation(1)
        second.predictions = merchants.enumerated().map { alert($0, merchant: $1) }
        update(&model, .observed(second))
        return model
    }

    static func text(_ model: DashboardModel, _ width: Int = 100, _ height: Int = 30) -> String {
        view(model, Size(width, height)).lines.joined(separator: "\n")
    }

    @Test func `a frame of 120 columns shows every figure`() throws {
        let text = Self.text(try Self.model(), 120)
        for part in [
            "● kafka", "● postgres", "8/s", "10/s", "7.5/s", "p50 750 µs", "p99 9.7 ms", "predictions, last 2 s",
            "20.00 % of 15; since start 6 629 of 931 473", "0 in 2 s, 2 since start", "12 ms, state 400 ms old",
            "0  700  1 400  2 100", "3, fraud ≥ 0.019", "3, registered 2025-12-24 18:13", "AP 0.988  ROC 1.000",
            "yes, PSI amt 0.31", "2020-01-01 00:00:00", "499234…5184", "fraud_Rippin, Kub and", "843.10", "0.973 !",
            "alerts, fraud ≥ 0.019", "card", "merchant", "category", "amt",
        ] { #expect(text.contains(part), "\(part) is not in\n\(text)") }
    }

    @Test(arguments: [(80, 24), (20, 5), (2, 1), (1, 1), (0, 0), (500, 200), (64, 12), (63, 18), (100, 3), (64, 20)])
    func `any size is drawn, no line wider than the window`(width: Int, height: Int) throws {
        let wide = ["日本語のリスト", "😀😀", "🫡", "e\u{301}", "👨‍👩‍👧‍👦", String(repeating: "x", count: 300), "", "\u{9B}2J"]
        var model = try Self.model(merchants: wide)
        for key: Key in [.down, .character("p"), .pageDown, .end, .character("?")] {
            let lines = view(model, Size(width, height)).lines
            #expect(lines.count == height)
            #expect(lines.allSatisfy { DisplayWidth.of($0) <= width })
            update(&model, .key(key))
        }
    }

    @Test(arguments: [60, 80, 100, 140])
    func `columns of alerts line up whatever the merchants are called`(width: Int) throws {
        let merchants = [
            "日本語のリスト", "😀😀", "🫡", "e\u{301}", "👨‍👩‍👧‍👦", String(repeating: "x", count: 300), "plain", "a\u{1B}[2Jb", "a\tb",
            "a\r\nb", "\u{9B}31m", "\u{202E}drow", "a\u{200B}b", "\u{301}x", "a\u{2028}b",
        ]
        let lines = view(try Self.model(merchants: merchants), Size(width, 40)).lines
        let rows = lines.filter { $0.contains("843.10") }
        #expect(rows.count == merchants.count)
        let columns = rows.map { DisplayWidth.of($0.split(separator: "843.10", omittingEmptySubsequences: false)[0]) }
        #expect(Set(columns).count == 1)
        #expect(rows.allSatisfy { DisplayWidth.of($0) == width })
        for scalar in ["\u{1B}", "\u{9B}", "\u{202E}", "\t", "\u{2028}"] { #expect(!rows.joined().contains(scalar)) }
    }

    @Test func `small windows keep every light and the alerts`() throws {
        let model = try Self.model()
        let header = view(model, Size(80, 24)).lines[0]
        for (name, _) in Self.up { #expect(header.contains("● \(name)"), "\(header)") }
        let small = view(model, Size(60, 16)).lines
        for (name, _) in Self.up { #expect(small[0].contains("● \(name)"), "\(small[0])") }
        #expect(small.contains { $0.contains("843.10") && $0.contains("0.973") })
        #expect(small.contains { $0.contains("frauds 20.00 % of 15") })
        let lines = view(model, Size(80, 24)).lines
        #expect(lines.contains { $0.contains("20.00 % of 15") } && lines.contains { $0.contains("3 (2025-12-24)") })
        #expect(lines.contains { $0.contains("843.10") })
    }

    @Test func `a key that was asked for is shown whole`() throws {
        var model = DashboardModel(project: "fraud", columns: try PredictionColumnsTests.cards(reveals: true))
        var observation = Self.observation(0)
        let record = try PredictionColumnsTests.record(
            entity: "4992346398065154184", #"{"merchant":"m","amt":9.10}"#)
        observation.predictions = [try #require(model.columns.prediction(record))]
        update(&model, .observed(observation))
        #expect(Self.text(model, 80, 24).contains("4992346398065154184"))
    }

    @Test func `nothing new is nothing to write`() throws {
        let model = try Self.model()
        let frame = view(model, Size(120, 40))
        #expect(view(model, Size(120, 40)).escapes(after: frame).isEmpty)
    }

    @Test func `what nobody said is not shown as none`() throws {
        var model = DashboardModel(project: "fraud", columns: try PredictionColumnsTests.cards())
        var observation = Self.observation(0)
        observation.parts = [("postgres", .down("refused")), ("kafka", .down("refused")), ("api", .down("refused"))]
        observation.champion = .unknown
        observation.served = .unknown
        observation.lags = .unknown
        update(&model, .observed(observation))
        var text = Self.text(model)
        for part in [
            "not known: Kafka does not answer", "not known: postgres does not answer", "not known: api does not answer",
        ] { #expect(text.contains(part), "\(part) is not in\n\(text)") }
        #expect(!text.contains("none"))
        observation.parts = Self.up
        observation.champion = .none
        observation.served = .none
        observation.lags = .none
        update(&model, .observed(observation))
        text = Self.text(model)
        for part in ["none in the newest predictions", "none is registered", "no model", "nothing was ever stored"] {
            #expect(text.contains(part), "\(part) is not in\n\(text)")
        }
    }

    @Test func `a champion known from before is shown with its time while Postgres is away`() throws {
        var model = try Self.model()
        var away = Self.observation(2)
        away.champion = .unknown
        away.parts = Self.up.map { ($0.name, $0.name == "postgres" ? .down("refused") : .up) }
        update(&model, .observed(away))
        let text = Self.text(model)
        #expect(text.contains("model as of 22:00:02") && text.contains("3, registered") && text.contains("○ postgres"))
    }

    @Test func `the model that answers is told apart from the champion`() throws {
        var model = try Self.model()
        #expect(model.notices.isEmpty)
        var other = Self.observation(2)
        other.served = .value(ServedModel(version: "2", threshold: 0.5))
        update(&model, .observed(other))
        let text = Self.text(model)
        #expect(text.contains("2 ≠ champion"))
        #expect(text.contains("! the API answers with model 2, the champion is 3"))
    }

    @Test func `what happened long ago does not look like now`() throws {
        var model = DashboardModel(project: "fraud", columns: try PredictionColumnsTests.cards())
        for round in 0..<4 {
            var observation = Self.observation(0)
            observation.clockMillis = Int64(round) * 200_000
            observation.counters[.predictions] = Double([0, 1_000, 1_000, 1_010][round])
            observation.counters[.frauds] = Double([0, 900, 900, 901][round])
            observation.counters[.degraded] = Double([0, 194, 194, 194][round])
            update(&model, .observed(observation))
        }
        let text = Self.text(model, 120)
        #expect(text.contains("10.00 % of 10; since start 901 of 1 010"), "\(text)")
        #expect(text.contains("0.00 % of 10") && model.notices.isEmpty)
    }

    @Test func `a counter that began anew is no negative rate, and a missing one no rate`() throws {
        var model = try Self.model()
        var observation = Self.observation(2)
        observation.counters = Counters()
        observation.counters[.produced] = 10
        update(&model, .observed(observation))
        #expect(model.rates[.produced]?.last == 5)
        #expect(model.rates[.transformed]?.last?.isNaN == true)
        #expect(model.window.growth(of: .produced)?.count == 26)
    }

    @Test(arguments: [0.5, 0.9, 0.019])
    func `the mark of an alert follows the threshold`(threshold: Double) {
        func alert(_ probability: Double) -> Prediction {
            Prediction(
                transactionID: "t", entity: "c", eventTimeMillis: 0, texts: [], amount: "", probability: probability,
                threshold: threshold, modelVersion: "1", isDegraded: false)
        }
        #expect(!alert(threshold).isStrong)
        #expect(!alert(threshold + (1 - threshold) * 0.49).isStrong)
        #expect(alert(threshold + (1 - threshold) * 0.51).isStrong)
        #expect(!alert(.nan).isStrong)
    }

    @Test func `a job whose last run failed is told, and one that has succeeded since is not`() throws {
        var model = try Self.model()
        var observation = Self.observation(2)
        var (drift, prune) = (ScheduledJob("drift"), ScheduledJob("prune"))
        (drift.successMillis, drift.failureMillis) = (1_577_836_800_000, 1_577_836_860_000)
        (prune.successMillis, prune.failureMillis) = (1_577_836_860_000, 1_577_836_800_000)
        observation.jobs = .value([drift, prune])
        update(&model, .observed(observation))
        #expect(model.notices.map(\.text) == ["the scheduled job drift failed at 2020-01-01 00:01:00: see the logs"])
    }

    @Test func `a stalled partition, old features and degraded answers are told with their reasons`() throws {
        var model = try Self.model()
        var observation = Self.observation(2)
        observation.stalledPartitions = 1
        observation.notReady = [("transform", "transactions/2 made no progress for 45 s: \u{1B}[2J")]
        observation.featureAgeSeconds = 95
        observation.counters[.degraded] = 199
        update(&model, .observed(observation))
        #expect(
            model.notices.map(\.text) == [
                "transform: a partition stands still: transactions/2 made no progress for 45 s: \u{1B}[2J",
                "the API scores with features that are 95 s old", "5 answers without all features in 4 s",
            ])
        for (width, height) in [(100, 30), (80, 24), (60, 16)] {
            let text = Self.text(model, width, height)
            #expect(text.contains("! transform: a partition stands still: trans"), "\(text)")
            #expect(!text.contains("\u{1B}"))
        }
    }
}

extension DashboardModel {
    /// The row of the newest alerts that is chosen.
    fileprivate var selected: Int { state(.newest).place(in: newestTable.shown(state(.newest))) }
}

@Suite struct DashboardKeyTests {
    @Test func `keys select, pause, show help and leave`() throws {
        var model = try DashboardViewTests.model(merchants: ["a", "b", "c"])
        for _ in 0..<3 { update(&model, .key(.down)) }
        #expect(model.selected == 2)
        update(&model, .key(.home))
        update(&model, .key(.up))
        #expect(model.selected == 0)
        update(&model, .key(.character("?")))
        #expect(DashboardViewTests.text(model, 80, 24).contains("keys and figures"))
        update(&model, .key(.character("q")))
        #expect(!model.showsHelp && !model.isDone)
        update(&model, .key(.character("q")))
        #expect(model.isDone)
    }

    @Test func `Esc goes back and never leaves`() throws {
        var model = try DashboardViewTests.model(merchants: ["a", "b", "c"])
        update(&model, .key(.character("?")))
        update(&model, .key(.escape))
        #expect(!model.showsHelp)
        update(&model, .key(.character("p")))
        update(&model, .key(.escape))
        #expect(!model.isPaused)
        update(&model, .key(.end))
        update(&model, .key(.escape))
        #expect(model.selected == 0)
        for _ in 0..<3 { update(&model, .key(.escape)) }
        #expect(!model.isDone)
    }

    @Test func `alerts that come while paused wait, and are there afterwards`() throws {
        var model = try DashboardViewTests.model(merchants: ["a", "b", "c"])
        update(&model, .key(.end))
        update(&model, .key(.character("p")))
        for round in 2..<4 {
            var observation = DashboardViewTests.observation(round)
            observation.predictions = [DashboardViewTests.alert(round, merchant: "new")]
            update(&model, .observed(observation))
        }
        #expect(model.alerts.count == 3 && model.selected == 2)
        #expect(DashboardViewTests.text(model).contains("(paused, 2 wait)"))
        let chosen = model.alerts[model.selected]
        update(&model, .key(.character(" ")))
        #expect(model.alerts.map(\.transactionID).prefix(2) == ["t3", "t2"])
        #expect(model.alerts.count == 5 && model.alerts[model.selected] == chosen)
    }

    @Test func `a flood of alerts is bounded, waiting or not`() throws {
        var model = try DashboardViewTests.model()
        update(&model, .key(.character("p")))
        for round in 2..<6 {
            var observation = DashboardViewTests.observation(round)
            observation.predictions = (0..<150).map { DashboardViewTests.alert($0) }
            update(&model, .observed(observation))
        }
        #expect(model.waiting.count == DashboardModel.keptPredictions && model.waitingBeyond == 100)
        update(&model, .key(.character("p")))
        #expect(model.alerts.count == DashboardModel.keptAlerts)
    }
}
