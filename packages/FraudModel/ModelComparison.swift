/// Two models measured on the same rows: what decides which of them serves.
///
/// Average precision moves by some hundredths from one sample of frauds to the next, so the better figure alone picks the
/// luckier model. The rows are drawn again and again (a Poisson bootstrap: each row counts 0, 1, 2 … times, the same for both
/// models); `confidence` is the share of draws in which the challenger is ahead by the margin. The draws have a fixed seed.
public struct ModelComparison: Hashable, Sendable {
    /// The models' figures on the rows.
    public let challenger: ModelMetrics, champion: ModelMetrics
    /// By how much a challenger's average precision must be higher.
    public let margin: Double
    /// Share of draws in which the challenger's average precision is higher by more than the margin; a tie counts half.
    public let confidence: Double
    /// What nine of ten draws say the challenger's average precision is higher by: from the 5th to the 95th of a hundred.
    public let difference: ClosedRange<Double>

    /// Frauds the rows must have before anything is decided.
    public static let leastFrauds = 50
    /// Draws.
    public static let draws = Bootstrap.draws
    /// The confidence from which on a challenger is better.
    static let decisive = 0.95

    /// Whether the challenger is better, and would have been on nearly any rows like these.
    public var isDecidedForChallenger: Bool {
        (challenger.averagePrecision ?? 0) - (champion.averagePrecision ?? 0) > margin && confidence >= Self.decisive
    }

    /// Whether the champion is better, and would have been on nearly any rows like these.
    public var isDecidedForChampion: Bool {
        (challenger.averagePrecision ?? 0) < (champion.averagePrecision ?? 0) && difference.upperBound <= 0
    }

    /// Compares scores of the same rows in the same order.
    public init(
        challenger: [Float], threshold: Float, champion: [Float], threshold championThreshold: Float, labels: [Float],
        margin: Double = 0
    ) {
        precondition(challenger.count == labels.count && champion.count == labels.count, "the same rows")
        self.challenger = ModelMetrics(scores: challenger, labels: labels, threshold: threshold)
        self.champion = ModelMetrics(scores: champion, labels: labels, threshold: championThreshold)
        let (first, second) = (Bootstrap.Ranking(challenger), Bootstrap.Ranking(champion))
        let differences = Bootstrap.values(rows: labels.count) { weights in
            first.averagePrecision(labels, weights) - second.averagePrecision(labels, weights)
        }
        let ahead = differences.reduce(0.0) { $0 + ($1 > margin ? 1 : $1 == margin ? 0.5 : 0) }
        self.margin = margin
        confidence = ahead / Double(Bootstrap.draws)
        difference = Bootstrap.interval(differences)
    }
}
