/// How well scores rank frauds above the rest: every metric that comes from sorting by score. Rows of equal score are one
/// step, so no metric depends on the order of the input.
public struct RankingCurve: Sendable {
    /// One score that occurs, with the counts of all rows at or above it.
    public struct Step: Hashable, Sendable {
        /// The score.
        public let score: Float
        /// Frauds at or above the score.
        public let truePositives: Int
        /// Other rows at or above the score.
        public let falsePositives: Int

        /// Share of frauds among the rows at or above the score.
        public var precision: Double { Double(truePositives) / Double(truePositives + falsePositives) }
    }

    /// The different scores, highest first.
    public let steps: [Step]
    /// Frauds of all rows.
    public let positives: Int
    /// Other rows.
    public let negatives: Int

    /// Sorts scores (no NaN among them) with their labels, 1 for fraud.
    public init(scores: [Float], labels: [Float]) {
        precondition(scores.count == labels.count, "one label a score")
        // The order of the bits, made that of the numbers, above the label: one sort of integers.
        var keys = zip(scores, labels).map { score, label in
            let bits = (score == 0 ? 0 : score).bitPattern  // −0 and 0 are one score.
            let ordered = bits >> 31 == 1 ? ~bits : bits | 0x8000_0000
            return UInt64(ordered) << 1 | (label == 1 ? 1 : 0)
        }
        keys.sort(by: >)
        var steps: [Step] = []
        var (truePositives, falsePositives) = (0, 0)
        for (index, key) in keys.enumerated() {
            if key & 1 == 1 { truePositives += 1 } else { falsePositives += 1 }
            guard index + 1 == keys.count || keys[index + 1] >> 1 != key >> 1 else { continue }
            let ordered = UInt32(key >> 1)
            let score = Float(bitPattern: ordered >> 31 == 1 ? ordered & 0x7fff_ffff : ~ordered)
            steps.append(Step(score: score, truePositives: truePositives, falsePositives: falsePositives))
        }
        self.steps = steps
        positives = truePositives
        negatives = falsePositives
    }

    /// Average precision: precision at each step, weighted with the recall it adds. Nil without frauds.
    public var averagePrecision: Double? {
        guard positives > 0 else { return nil }
        var (sum, before) = (0.0, 0)
        for step in steps where step.truePositives > before {
            sum += Double(step.truePositives - before) * step.precision
            before = step.truePositives
        }
        return sum / Double(positives)
    }

    /// Area under the ROC curve; equal scores count half. Nil unless both classes occur.
    public var rocAUC: Double? {
        guard positives > 0, negatives > 0 else { return nil }
        var (area, lastTrue, lastFalse) = (0.0, 0, 0)
        for step in steps {
            area += Double(step.falsePositives - lastFalse) * Double(step.truePositives + lastTrue) / 2
            (lastTrue, lastFalse) = (step.truePositives, step.falsePositives)
        }
        return area / (Double(positives) * Double(negatives))
    }

    /// The largest recall whose false positive rate is at most `rate`. Nil unless both classes occur.
    public func recall(atFalsePositiveRate rate: Double) -> Double? {
        guard positives > 0, negatives > 0 else { return nil }
        let caught = steps.last { Double($0.falsePositives) <= rate * Double(negatives) }?.truePositives ?? 0
        return Double(caught) / Double(positives)
    }

    /// The largest recall whose precision is at least `precision`; 0 where no score reaches it. Nil without frauds.
    public func recall(atPrecision precision: Double) -> Double? {
        guard positives > 0 else { return nil }
        let caught = steps.last { $0.precision >= precision }?.truePositives ?? 0
        return Double(caught) / Double(positives)
    }

    /// The best F1 any threshold reaches. Nil without frauds.
    public var bestF1: Double? { positives == 0 ? nil : steps.map(f1).max() }

    /// Precision, recall and F1 of calling a row fraud at or above `threshold`. Precision is nil when no row is, recall
    /// without frauds, F1 when either is.
    public func at(threshold: Float) -> (precision: Double?, recall: Double?, f1: Double?) {
        let step = steps.last { $0.score >= threshold }
        let recall = positives == 0 ? nil : Double(step?.truePositives ?? 0) / Double(positives)
        return (step?.precision, recall, step == nil || positives == 0 ? nil : step.map(f1))
    }

    func f1(_ step: Step) -> Double {
        2 * Double(step.truePositives) / Double(step.truePositives + step.falsePositives + positives)
    }
}
