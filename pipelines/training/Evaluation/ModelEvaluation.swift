internal import FeatureEngine
internal import FraudModel
internal import JSON
internal import Text

/// A model on rows it never saw, in depth: what the figures of its card come from.
struct ModelEvaluation {
    /// A span of probability: how many rows have one in it, what they say on average, and how many are frauds.
    struct Bin: Hashable {
        var rows = 0, frauds = 0
        var sum = 0.0
        var probability: Double { sum / Double(max(1, rows)) }
        var share: Double { Double(frauds) / Double(max(1, rows)) }
    }
    /// One day of event time.
    struct Day: Hashable {
        let millis: Int64
        var rows = 0, frauds = 0, alerts = 0, caught = 0
        var sum = 0.0
    }

    let card: ModelCard
    let version: String
    let metrics: ModelMetrics
    let curve: RankingCurve
    /// Rows in ten parts of equal size by rising probability: frauds are rare, so equal spans would put nearly all into the first.
    let bins: [Bin]
    let days: [Day]
    /// The mean size of a feature's contribution, the largest first.
    let importance: [(feature: String, share: Double)]
    /// Rows by what they are and what they are called.
    let confusion: (truePositives: Int, falsePositives: Int, falseNegatives: Int, trueNegatives: Int)

    /// Rows that contributions are computed of at most: they are exact and slow.
    private static let explainedRows = 2_000
    /// Points of a curve that is written down.
    private static let curvePoints = 400

    /// Measures a model on some rows of a set.
    init(_ model: ScoringModel, _ set: TrainingSet, rows: [Int]) throws(ModelError) {
        guard let card = model.card else {
            throw .unsupported("model \(model.version) says nothing about itself: it was not trained here")
        }
        (self.card, version) = (card, model.version)
        let scores = try set.probabilities(rows, of: model)
        let labels = rows.map { set.labels[$0] }
        metrics = ModelMetrics(scores: scores, labels: labels, threshold: model.threshold)
        curve = RankingCurve(scores: scores, labels: labels)
        bins = Self.bins(scores, labels)
        days = Self.days(rows.map { set.timesMillis[$0] }, scores, labels, model)
        let sizes = try set.importance(Self.explained(rows), of: model)
        let all = max(sizes.reduce(0, +), .leastNormalMagnitude)
        importance = zip(set.featureNames, sizes.map { $0 / all }).sorted { ($0.1, $1.0) > ($1.1, $0.0) }
            .map { (feature: $0.0, share: $0.1) }
        let called = zip(scores, labels).filter { model.isFraud($0.0) }
        let caught = called.count { $0.1 == 1 }
        let frauds = curve.positives
        confusion = (caught, called.count - caught, frauds - caught, rows.count - frauds - (called.count - caught))
    }

    /// The rows that contributions are computed of, evenly over all.
    static func explained(_ rows: [Int]) -> [Int] {
        let step = max(1, (rows.count + explainedRows - 1) / explainedRows)
        return stride(from: 0, to: rows.count, by: step).map { rows[$0] }
    }

    private static func bins(_ scores: [Float], _ labels: [Float]) -> [Bin] {
        let order = scores.indices.sorted { (scores[$0], $0) < (scores[$1], $1) }
        return (0..<10).map { part in
            var bin = Bin()
            for place in order.count * part / 10..<order.count * (part + 1) / 10 {
                bin.rows += 1
                bin.frauds += labels[order[place]] == 1 ? 1 : 0
                bin.sum += Double(scores[order[place]])
            }
            return bin
        }.filter { $0.rows > 0 }
    }

    private static func days(_ times: [Int64], _ scores: [Float], _ labels: [Float], _ model: ScoringModel) -> [Day] {
        let length: Int64 = 86_400_000
        var days: [Int64: Day] = [:]
        for (index, time) in times.enumerated() {
            let start = floorDivide(time, length) * length
            var day = days[start] ?? Day(millis: start)
            day.rows += 1
            day.sum += Double(scores[index])
            if labels[index] == 1 { day.frauds += 1 }
            if model.isFraud(scores[index]) {
                day.alerts += 1
                if labels[index] == 1 { day.caught += 1 }
            }
            days[start] = day
        }
        return days.values.sorted { $0.millis < $1.millis }
    }

    /// Some steps of the curve, the first and the last among them.
    private var points: [RankingCurve.Step] {
        let count = curve.steps.count
        guard count > Self.curvePoints else { return curve.steps }
        return (0..<Self.curvePoints).map { curve.steps[$0 * (count - 1) / (Self.curvePoints - 1)] }
    }

    /// Recall and precision at some thresholds.
    var precisionRecall: [(recall: Double, precision: Double)] {
        points.map { (Double($0.truePositives) / Double(max(1, curve.positives)), $0.precision) }
    }

    /// False and true positive rates at some thresholds.
    var receiverOperating: [(falsePositiveRate: Double, recall: Double)] {
        [(0, 0)]
            + points.map {
                (
                    Double($0.falsePositives) / Double(max(1, curve.negatives)),
                    Double($0.truePositives) / Double(max(1, curve.positives))
                )
            }
    }

    /// The files of a folder of metrics, by name: what a program compares, what is drawn from, pictures, and a page with all of it.
    var files: [(path: String, text: String)] {
        func list(_ rows: [JSONTree]) -> String { JSONTree.array(rows).text(pretty: true) + "\n" }
        var summary = metrics.json.object ?? []
        summary.append(.init("threshold", .number("\(card.threshold)")))
        for baseline in card.baselines {
            let name = baseline.name.replacing(" ", with: "_")
            summary.append(
                .init("\(name)_average_precision", baseline.metrics.averagePrecision.map { .number($0) } ?? .null))
        }
        var files = [
            ("metrics.json", JSONTree.object(summary).text(pretty: true) + "\n"),
            (
                "pr.json",
                list(precisionRecall.map { ["recall": .number($0.recall), "precision": .number($0.precision)] })
            ),
            (
                "roc.json",
                list(receiverOperating.map { ["fpr": .number($0.falsePositiveRate), "tpr": .number($0.recall)] })
            ),
            (
                "calibration.json",
                list(
                    bins.map {
                        [
                            "probability": .number($0.probability), "share_of_frauds": .number($0.share),
                            "rows": .number($0.rows),
                        ]
                    })
            ),
            (
                "importance.json",
                list(importance.map { ["feature": .string($0.feature), "share": .number($0.share)] })
            ),
            (
                "by_day.json",
                list(
                    days.map {
                        [
                            "day": .string(String(CivilTime.iso8601($0.millis).prefix(10))), "rows": .number($0.rows),
                            "frauds": .number($0.frauds), "alerts": .number($0.alerts), "caught": .number($0.caught),
                            "mean_score": .number($0.sum / Double($0.rows)),
                        ]
                    })
            ),
            (
                "confusion.json",
                JSONTree.object([
                    .init("true_positives", .number(confusion.truePositives)),
                    .init("false_positives", .number(confusion.falsePositives)),
                    .init("false_negatives", .number(confusion.falseNegatives)),
                    .init("true_negatives", .number(confusion.trueNegatives)),
                ]).text(pretty: true) + "\n"
            ),
        ]
        let charts = EvaluationCharts(self)
        files += charts.all.map { ("\($0.name).svg", $0.svg) }
        files.append(("report.html", EvaluationPage(self, charts).html))
        return files.map { (path: $0.0, text: $0.1) }
    }
}
