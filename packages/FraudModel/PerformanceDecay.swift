internal import JSON

/// How a model ranks recent rows whose labels have arrived, beside its holdout: what distributions cannot show, as when frauds begin to
/// look like everybody.
///
/// Average precision depends on how many of the rows are frauds, which a model is not to blame for. So recent legitimate rows count by
/// a weight that makes frauds as frequent as they were on the holdout.
public struct PerformanceDecay: Hashable, Sendable {
    /// By how much average precision must have fallen, beyond luck.
    static let limit = 0.02

    /// Recent rows with a label that the model had not seen, and the frauds among them.
    public let rows: Int, frauds: Int
    /// Average precision there, with frauds as frequent as on the holdout, and what nine of ten draws of the rows say of it; nil
    /// without frauds.
    public let averagePrecision: Double?, interval: ClosedRange<Double>?
    /// On the model's holdout, which has so many frauds.
    public let before: Double?
    private let holdoutFrauds: Int

    /// Measures a model on recent labelled rows; those that it was fitted or stopped on are left out.
    init(_ labelled: TrainingSet, model: ScoringModel, card: ModelCard) throws(ModelError) {
        let known = max(card.fit.toMillis, card.stopping.toMillis)
        let unseen = (0..<labelled.count).filter { labelled.timesMillis[$0] > known }
        let labels = unseen.map { labelled.labels[$0] }
        (rows, frauds) = (unseen.count, labels.count { $0 == 1 })
        (before, holdoutFrauds) = (card.metrics.averagePrecision, card.metrics.frauds)
        guard frauds > 0 else {
            (averagePrecision, interval) = (nil, nil)
            return
        }
        let scores = try labelled.probabilities(unseen, of: model)
        let (ranking, share) = (Bootstrap.Ranking(scores), Self.share(card.metrics, rows: rows, frauds: frauds))
        averagePrecision = ranking.averagePrecision(
            labels, [UInt8](repeating: 1, count: labels.count), legitimate: share)
        interval = Bootstrap.interval(
            Bootstrap.values(rows: labels.count) { ranking.averagePrecision(labels, $0, legitimate: share) })
    }

    /// What a legitimate row counts, so that there are as many a fraud as on the holdout; 1 where either knows only one kind.
    private static func share(_ holdout: ModelMetrics, rows: Int, frauds: Int) -> Double {
        let (before, now) = (holdout.rows - holdout.frauds, rows - frauds)
        guard holdout.frauds > 0, before > 0, now > 0 else { return 1 }
        return Double(before) / Double(holdout.frauds) * Double(frauds) / Double(now)
    }

    /// Whether there were frauds enough to decide.
    public var isDecided: Bool { frauds >= ModelComparison.leastFrauds }
    /// Whether the model has become worse: by more than the limit and the luck of both samples. The holdout's is not known, but goes
    /// with the root of its frauds as that of the recent rows does.
    public var isDecayed: Bool {
        guard isDecided, holdoutFrauds > 0, let before, let averagePrecision, let interval else { return false }
        let luck = (interval.upperBound - interval.lowerBound) / 2
        let both = luck * (1 + Double(frauds) / Double(holdoutFrauds)).squareRoot()
        return averagePrecision + both < before - Self.limit
    }

    var json: JSONTree {
        func number(_ value: Double?) -> JSONTree { value.map { .number($0) } ?? .null }
        return [
            "rows": .number(rows), "frauds": .number(frauds), "average_precision": number(averagePrecision),
            "from": number(interval?.lowerBound), "to": number(interval?.upperBound), "holdout": number(before),
            "decided": .bool(isDecided), "decayed": .bool(isDecayed),
        ]
    }
}
