import Dashboard
import TerminalUI
import Testing

@Suite struct DashboardViewTests {
    /// A dashboard after two observations, 2 s apart.
    static func model(merchants: [String] = ["fraud_Rippin, Kub and Mann"]) -> DashboardModel {
        var model = DashboardModel(project: "fraud")
        for round in 0..<2 {
            var observation = Observation(timeMillis: 1_766_700_000_000 + Int64(round) * 2_000)
            observation.parts = [("kafka", .up), ("redis", .up), ("postgres", .down("refused at 127.0.0.1:5432"))]
            observation.produced = 1_000 + Double(round) * 16
            observation.transformed = 990 + Double(round) * 20
            observation.predictions = Double(round) * 15
            observation.frauds = Double(round) * 3
            observation.degraded = 0
            observation.deadLetters = 2
            observation.latency = [
                (0.001, Double(round) * 10), (0.01, Double(round) * 15), (.infinity, Double(round) * 15),
            ]
            observation.freshnessSeconds = 0.012
            observation.lags = (0..<4).map {
                PartitionLag(topic: "transactions", partition: $0, records: Int64($0) * 700)
            }
            observation.champion = Champion(
                version: "3", createdMillis: 1_766_600_000_000, metrics: [.init("AP", 0.98765), .init("ROC", 0.9998)],
                drift: DriftSummary(createdMillis: 1_766_650_000_000, isDrifted: true, worst: [.init("amt", 0.31)]))
            if round == 1 {
                observation.alerts = merchants.enumerated().map { index, merchant in
                    Alert(
                        transactionID: "t\(index)", entity: "4992346398065154184", eventTimeMillis: 1_577_836_800_000,
                        merchant: merchant, category: "misc_net", amount: "843.10", probability: 0.973,
                        modelVersion: "3",
                        isDegraded: false)
                }
            }
            update(&model, .observed(observation))
        }
        return model
    }

    @Test func `a frame of 100 columns shows every figure`() {
        let text = view(Self.model(), Size(100, 30)).lines.joined(separator: "\n")
        for part in [
            "● kafka", "○ postgres", "8/s", "10/s", "7.5/s", "p50 750 µs", "p99 9.7 ms", "3 of 15 (20.00 %)", "12 ms",
            "0  700  1 400  2 100", "3  since 2025-12-24 18:13", "AP 0.988  ROC 1.000", "yes", "amt 0.31",
            "2020-01-01 00:00:00", "4992346398065154184", "fraud_Rippin, Kub and", "843.10", "0.973",
            "postgres: refused at 127.0.0.1:5432",
        ] { #expect(text.contains(part), "\(part) is not in\n\(text)") }
    }

    @Test(arguments: [(80, 24), (20, 5), (2, 1), (1, 1), (0, 0), (500, 200), (64, 12), (63, 18), (100, 3)])
    func `any size is drawn, no line wider than the window`(width: Int, height: Int) {
        let wide = ["日本語のリスト", "😀😀", "🫡", "e\u{301}", "👨‍👩‍👧‍👦", String(repeating: "x", count: 300), ""]
        var model = Self.model(merchants: wide)
        for key: Key in [.down, .character("p"), .pageDown, .end, .character("?")] {
            let lines = view(model, Size(width, height)).lines
            #expect(lines.count == height)
            #expect(lines.allSatisfy { DisplayWidth.of($0) <= width })
            update(&model, .key(key))
        }
    }

    @Test(arguments: [80, 100, 140])
    func `columns of alerts line up whatever the merchants are called`(width: Int) {
        let merchants = ["日本語のリスト", "😀😀", "🫡", "e\u{301}", "👨‍👩‍👧‍👦", String(repeating: "x", count: 300), "plain"]
        let lines = view(Self.model(merchants: merchants), Size(width, 30)).lines
        let rows = lines.filter { $0.contains("843.10") }
        #expect(rows.count == merchants.count)
        let columns = rows.map { DisplayWidth.of($0.split(separator: "843.10", omittingEmptySubsequences: false)[0]) }
        #expect(Set(columns).count == 1)
        #expect(rows.allSatisfy { DisplayWidth.of($0) == width })
    }

    @Test func `keys select, pause, show help and leave`() {
        var model = Self.model(merchants: ["a", "b", "c"])
        update(&model, .key(.down))
        update(&model, .key(.down))
        update(&model, .key(.down))
        #expect(model.selected == 2)
        update(&model, .key(.home))
        update(&model, .key(.up))
        #expect(model.selected == 0)
        update(&model, .key(.character("p")))
        var observation = Observation(timeMillis: 1_766_700_004_000)
        observation.alerts = [model.alerts[0]]
        update(&model, .observed(observation))
        #expect(model.alerts.count == 3)
        update(&model, .key(.character("?")))
        #expect(view(model, Size(80, 24)).lines.contains { $0.contains("any key goes back") })
        update(&model, .key(.character("q")))
        #expect(!model.showsHelp && !model.isDone)
        update(&model, .key(.character("q")))
        #expect(model.isDone)
    }

    @Test func `a counter that began anew is not a negative rate`() {
        var model = Self.model()
        var observation = Observation(timeMillis: 1_766_700_004_000)
        observation.produced = 10
        update(&model, .observed(observation))
        #expect(model.producedRates.last == 5)
        #expect(model.transformedRates.last?.isNaN == true)
    }

    @Test func `quantiles are linear within a bucket and stop at the last finite bound`() {
        let buckets: [(upperBound: Double, count: Double)] = [(0.1, 10), (0.2, 20), (.infinity, 40)]
        #expect(quantile(0.25, of: buckets) == 0.1)
        #expect(quantile(0.375, of: buckets).map { abs($0 - 0.15) < 1e-12 } == true)
        #expect(quantile(0.99, of: buckets) == 0.2)
        #expect(quantile(0.5, of: []) == nil)
    }
}
