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
    public static let draws = 200
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
        let (first, second) = (Ranking(challenger), Ranking(champion))
        var draw = PoissonDraw()
        var weights = [UInt8](repeating: 0, count: labels.count)
        let differences = (0..<Self.draws).map { _ in
            draw.fill(&weights)
            return first.averagePrecision(labels, weights) - second.averagePrecision(labels, weights)
        }.sorted()
        let ahead = differences.reduce(0.0) { $0 + ($1 > margin ? 1 : $1 == margin ? 0.5 : 0) }
        self.margin = margin
        confidence = ahead / Double(Self.draws)
        difference = differences[Self.draws / 20]...differences[Self.draws - 1 - Self.draws / 20]
    }
}

/// Rows by falling score.
private struct Ranking {
    private let order: [Int32]
    private let isLastOfTie: [Bool]

    init(_ scores: [Float]) {
        let order = scores.indices.sorted { (scores[$1], $0) < (scores[$0], $1) }
        isLastOfTie = order.indices.map { $0 + 1 == order.count || scores[order[$0]] != scores[order[$0 + 1]] }
        self.order = order.map { Int32($0) }
    }

    /// As `RankingCurve.averagePrecision`, each row counted so many times; 0 without frauds.
    func averagePrecision(_ labels: [Float], _ weights: [UInt8]) -> Double {
        var (sum, frauds, rows, before) = (0.0, 0, 0, 0)
        for (place, row) in order.enumerated() {
            let weight = Int(weights[Int(row)])
            rows += weight
            if labels[Int(row)] == 1 { frauds += weight }
            guard isLastOfTie[place], frauds > before else { continue }
            sum += Double(frauds - before) * Double(frauds) / Double(rows)
            before = frauds
        }
        return frauds == 0 ? 0 : sum / Double(frauds)
    }
}

/// Independent counts of Poisson's distribution with mean 1, a fixed sequence (SplitMix64).
private struct PoissonDraw {
    private var state: UInt64 = 0x6e65_6564_6c65
    /// P(count ≤ k) in 65,536ths.
    private static let bounds: [UInt64] = [24_109, 48_219, 60_274, 64_292, 65_297, 65_497, 65_531, 65_535]

    mutating func fill(_ weights: inout [UInt8]) {
        var (bits, left) = (UInt64(0), 0)
        for index in weights.indices {
            if left == 0 { (bits, left) = (next(), 4) }
            let uniform = bits & 0xffff
            bits >>= 16
            left -= 1
            weights[index] = UInt8(Self.bounds.firstIndex { uniform < $0 } ?? Self.bounds.count)
        }
    }

    private mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
