/// What a threshold is chosen for. It is chosen on rows that the trees were not fitted on and that are no holdout.
public enum ThresholdRule: Hashable, Sendable {
    /// The most frauds at a precision of at least this; where no score has it, the best F1.
    case precision(Double)
    /// The most frauds with at most this share of the other rows called fraud.
    case falsePositiveRate(Double)
    /// The most frauds with at most so many alerts a day.
    case alertsADay(Double)
    /// The least money: the amounts of the frauds that are missed, and `review` for each alert. The amount is a feature of the model.
    case money(review: Double, amount: String)

    /// Reads `precision:0.9`, `fpr:0.001`, `alerts:50` or `money:5@request_features__amt`; nil for anything else.
    public init?(_ text: String) {
        let parts = text.split(separator: ":", maxSplits: 1).map(String.init)
        guard parts.count == 2 else { return nil }
        let words = parts[1].split(separator: "@", maxSplits: 1).map(String.init)
        guard let first = words.first, let number = Double(first), number.isFinite, number > 0 else { return nil }
        switch (parts[0], words.count) {
        case ("precision", 1) where number <= 1: self = .precision(number)
        case ("fpr", 1) where number < 1: self = .falsePositiveRate(number)
        case ("alerts", 1): self = .alertsADay(number)
        case ("money", 2): self = .money(review: number, amount: words[1])
        default: return nil
        }
    }

    /// A chosen threshold and how it was found, in words.
    struct Choice: Hashable {
        let threshold: Float
        let words: String
    }

    /// Chooses from the scores of some rows over so many days; `amounts` are the rows' money. Nil without frauds, or where no row's
    /// amount is known.
    func choose(scores: [Float], labels: [Float], days: Double, amounts: [Float]?) -> Choice? {
        let curve = RankingCurve(scores: scores, labels: labels)
        guard curve.positives > 0, let highest = curve.steps.first?.score else { return nil }
        // One alert less than the highest score gives: none.
        let none = highest.nextUp
        switch self {
        case .precision(let least):
            if let step = curve.steps.last(where: { $0.precision >= least }) {
                return Choice(threshold: step.score, words: "precision of at least \(least)")
            }
            return curve.steps.max { curve.f1($0) < curve.f1($1) }.map {
                Choice(threshold: $0.score, words: "best F1: no score has a precision of \(least)")
            }
        case .falsePositiveRate(let most):
            let step = curve.steps.last { Double($0.falsePositives) <= most * Double(curve.negatives) }
            return Choice(threshold: step?.score ?? none, words: "false positive rate of at most \(most)")
        case .alertsADay(let most):
            let step = curve.steps.last { Double($0.truePositives + $0.falsePositives) <= most * max(days, 1e-9) }
            return Choice(threshold: step?.score ?? none, words: "at most \(most) alerts a day")
        case .money(let review, let amount):
            guard let amounts else { return nil }
            return Self.cheapest(scores, labels, amounts, review, none).map {
                Choice(threshold: $0, words: "least money: \(amount) of missed frauds, and \(review) an alert")
            }
        }
    }

    private static func cheapest(
        _ scores: [Float], _ labels: [Float], _ amounts: [Float], _ review: Double, _ none: Float
    ) -> Float? {
        let order = scores.indices.sorted { scores[$0] > scores[$1] }
        func loss(_ row: Int) -> Double { labels[row] == 1 && !amounts[row].isNaN ? Double(amounts[row]) : 0 }
        var cost = order.reduce(0) { $0 + loss($1) }
        guard cost > 0 else { return nil }
        var (least, best) = (cost, none)
        for (place, row) in order.enumerated() {
            cost += review - loss(row)
            let isLastOfTie = place + 1 == order.count || scores[order[place + 1]] < scores[row]
            if isLastOfTie, cost < least { (least, best) = (cost, scores[row]) }
        }
        return best
    }
}
