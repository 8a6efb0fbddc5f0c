internal import FeatureEngine
internal import FraudModel

/// The pictures of an evaluation.
struct EvaluationCharts {
    let all: [(name: String, svg: String)]

    init(_ evaluation: ModelEvaluation) {
        let metrics = evaluation.metrics
        func figure(_ value: Double?) -> String { value.map { Figures.rounded($0, 4) } ?? "undefined" }
        var pr = Chart(
            title: "Precision and recall (average precision \(figure(metrics.averagePrecision)))", xLabel: "recall",
            yLabel: "precision")
        pr.series = [
            .init(name: "", points: evaluation.precisionRecall.map { ($0.recall, $0.precision) }, colour: Chart.blue)
        ]
        if let precision = metrics.precision, let recall = metrics.recall {
            pr.series.append(
                .init(name: "threshold", points: [(recall, precision)], colour: Chart.orange, hasMarks: true))
        }
        var roc = Chart(title: "ROC (area \(figure(metrics.rocAUC)))", xLabel: "false positive rate", yLabel: "recall")
        roc.series = [
            .init(name: "chance", points: [(0, 0), (1, 1)], colour: Chart.grey, isDashed: true),
            .init(
                name: "", points: evaluation.receiverOperating.map { ($0.falsePositiveRate, $0.recall) },
                colour: Chart.blue),
        ]
        var calibration = Chart(
            title: "Calibration, tenths of the rows (error \(figure(metrics.calibrationError)))",
            xLabel: "mean probability", yLabel: "share of frauds")
        let most = evaluation.bins.reduce(1e-6) { max($0, $1.probability, $1.share) }
        (calibration.xRange, calibration.yRange) = (0...most, 0...most)
        calibration.series = [
            .init(name: "exact", points: [(0, 0), (most, most)], colour: Chart.grey, isDashed: true),
            .init(
                name: "", points: evaluation.bins.map { ($0.probability, $0.share) }, colour: Chart.blue,
                hasMarks: true),
        ]
        let confusion = evaluation.confusion
        all = [
            ("pr", pr.svg), ("roc", roc.svg), ("calibration", calibration.svg),
            (
                "importance",
                Chart.bars(
                    "Share of the contributions, by feature",
                    evaluation.importance.prefix(20).map { ($0.feature, $0.share) })
            ),
            ("by_day", Self.byDay(evaluation.days)),
            (
                "confusion",
                Chart.confusion(
                    "What rows are, and what they are called from \(Figures.rounded(Double(evaluation.card.threshold), 4)) on",
                    rows: [
                        ("fraud", [confusion.truePositives, confusion.falseNegatives]),
                        ("legitimate", [confusion.falsePositives, confusion.trueNegatives]),
                    ], columns: ["called fraud", "called legitimate"])
            ),
        ]
    }

    private static func byDay(_ days: [ModelEvaluation.Day]) -> String {
        var chart = Chart(title: "Mean score and share of frauds, by day", xLabel: "day", yLabel: "share")
        chart.xRange = 0...Double(max(1, days.count - 1))
        let scores = days.enumerated().map { (x: Double($0), y: $1.sum / Double($1.rows)) }
        let shares = days.enumerated().map { (x: Double($0), y: Double($1.frauds) / Double($1.rows)) }
        chart.yRange = 0...((scores + shares).reduce(1e-6) { max($0, $1.y) })
        chart.xEnds = (day(days.first), day(days.last))
        chart.series = [
            .init(name: "frauds", points: shares, colour: Chart.orange),
            .init(name: "score", points: scores, colour: Chart.blue),
        ]
        return chart.svg
    }

    private static func day(_ day: ModelEvaluation.Day?) -> String {
        day.map { String(CivilTime.iso8601($0.millis).prefix(10)) } ?? ""
    }
}

/// An evaluation as one page: HTML with the pictures in it, no script, nothing loaded from anywhere.
struct EvaluationPage {
    let html: String

    init(_ evaluation: ModelEvaluation, _ charts: EvaluationCharts) {
        let card = evaluation.card
        let rows =
            [("this model", evaluation.metrics)]
            + card.baselines.filter { $0.reason == nil }.map { ($0.name, $0.metrics) }
        html = """
            <!doctype html>
            <html lang="en"><head><meta charset="utf-8"><title>Model \(Chart.escaped(evaluation.version))</title>
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <style>
            body { font-family: sans-serif; color: #1f2328; max-width: 1180px; margin: 2em auto; padding: 0 1em; }
            table { border-collapse: collapse; margin: 1em 0; }
            td, th { padding: .3em .8em; border-bottom: 1px solid #d0d7de; text-align: left; }
            td.n { text-align: right; font-variant-numeric: tabular-nums; }
            .charts { display: flex; flex-wrap: wrap; gap: 1em; }
            svg { max-width: 100%; height: auto; border: 1px solid #d0d7de; }
            </style></head><body>
            <h1>Model \(Chart.escaped(evaluation.version)) of \(Chart.escaped(card.serviceName))</h1>
            <p>Measured on \(Figures.grouped(evaluation.metrics.rows)) rows with \(Figures.grouped(evaluation.metrics.frauds)) frauds that it had not seen.</p>
            \(Self.metrics(rows))
            <div class="charts">
            \(charts.all.map(\.svg).joined())</div>
            <h2>How it was made</h2>
            \(Self.facts(card))
            </body></html>

            """
    }

    private static func metrics(_ rows: [(String, ModelMetrics)]) -> String {
        let columns: [(String, (ModelMetrics) -> Double?)] = [
            ("average precision", \.averagePrecision), ("ROC AUC", \.rocAUC),
            ("recall at 0.1 % false positives", \.recallAtLowFalsePositives),
            ("recall at precision 0.9", \.recallAtHighPrecision), ("best F1", \.bestF1), ("precision", \.precision),
            ("recall", \.recall), ("calibration error", \.calibrationError),
        ]
        let head = columns.map { "<th>\($0.0)</th>" }.joined()
        let body = rows.map { name, metrics in
            let cells = columns.map { "<td class=\"n\">\($0.1(metrics).map { Figures.rounded($0, 4) } ?? "–")</td>" }
            return "<tr><th>\(Chart.escaped(name))</th>\(cells.joined())</tr>"
        }
        return "<table><tr><th></th>\(head)</tr>\(body.joined(separator: "\n"))</table>"
    }

    private static func facts(_ card: ModelCard) -> String {
        var facts = [
            ("fitted on", Figures.part(card.fit)), ("stopped and calibrated on", Figures.part(card.stopping)),
            ("measured on", Figures.part(card.holdout)),
            ("fraud from", "\(Figures.rounded(Double(card.threshold), 6)): \(card.thresholdRule)"),
            ("rounds", "\(card.rounds)"), ("data", card.fingerprint), ("definitions", card.definitionHash),
            ("revision", card.revision.isEmpty ? "none" : card.revision),
        ]
        facts.append(
            (
                "calibration",
                card.calibration.map {
                    "margin × \(Figures.rounded($0.slope, 4)) + \(Figures.rounded($0.intercept, 4))"
                }
                    ?? "none: too few frauds"
            ))
        facts += card.parameters.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
        let rows = facts.map { "<tr><th>\(Chart.escaped($0.0))</th><td>\(Chart.escaped($0.1))</td></tr>" }
        return "<table>\(rows.joined(separator: "\n"))</table>"
    }
}
