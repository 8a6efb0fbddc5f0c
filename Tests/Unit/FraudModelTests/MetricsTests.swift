import FraudModel
import Testing
import TestSupport

@Suite struct MetricsTests {
    @Test func `average precision does not depend on the order of ties`() {
        let scores: [Float] = [0.9, 0.9, 0.8, 0.7, 0.7, 0.7, 0.4, 0.4, 0.1, 0.1]
        let labels: [Float] = [1, 0, 1, 1, 0, 0, 1, 0, 0, 0]
        let forwards = RankingCurve(scores: scores, labels: labels)
        let backwards = RankingCurve(scores: scores.reversed(), labels: labels.reversed())
        for curve in [forwards, backwards] {
            #expect(abs((curve.averagePrecision ?? 0) - 0.5416667) < 1e-7)
        }
        #expect(forwards.rocAUC == backwards.rocAUC)
    }

    @Test func `equal scores are no better than chance`() {
        var labels = [Float](repeating: 0, count: 10_000)
        labels[7_777] = 1
        let curve = RankingCurve(scores: .init(repeating: 0.3, count: 10_000), labels: labels)
        #expect(curve.averagePrecision == 0.0001)
        #expect(curve.rocAUC == 0.5)
        #expect(curve.recall(atFalsePositiveRate: 0.001) == 0)
    }

    @Test func `undefined metrics are nil`() {
        let onlyLegit = RankingCurve(scores: [0.1, 0.2], labels: [0, 0])
        #expect(onlyLegit.averagePrecision == nil)
        #expect(onlyLegit.rocAUC == nil)
        #expect(onlyLegit.recall(atFalsePositiveRate: 0.001) == nil)
        #expect(onlyLegit.at(threshold: 0.15).precision == 0)
        #expect(onlyLegit.at(threshold: 0.15).recall == nil)
        #expect(onlyLegit.at(threshold: 0.15).f1 == nil)
        let onlyFraud = RankingCurve(scores: [0.1, 0.2], labels: [1, 1])
        #expect(onlyFraud.averagePrecision == 1)
        #expect(onlyFraud.rocAUC == nil)
        #expect(onlyFraud.at(threshold: 0.5).precision == nil)
        #expect(onlyFraud.at(threshold: 0.5).recall == 0)
        let nothing = RankingCurve(scores: [], labels: [])
        #expect(nothing.averagePrecision == nil)
        #expect(nothing.bestF1 == nil)
    }

    @Test func `recall and precision count by hand`() {
        // Sorted: 0.9 fraud, 0.8 fraud, 0.7 legit, 0.6 fraud, then 0.5 … legit.
        let scores: [Float] = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2]
        let labels: [Float] = [1, 1, 0, 1, 0, 0, 0, 0]
        let curve = RankingCurve(scores: scores, labels: labels)
        #expect(curve.recall(atFalsePositiveRate: 0) == 2.0 / 3)
        #expect(curve.recall(atFalsePositiveRate: 0.2) == 1)
        #expect(curve.recall(atPrecision: 0.9) == 2.0 / 3)
        #expect(curve.rocAUC == 14.0 / 15)
        let at = curve.at(threshold: 0.6)
        #expect(at.precision == 0.75)
        #expect(at.recall == 1)
        #expect(at.f1 == 6.0 / 7)
        #expect(curve.bestF1 == 6.0 / 7)
    }

    @Test(arguments: [UInt64(1), 2, 3])
    func `ranking agrees with counting pairs`(seed: UInt64) {
        var random = SplitMix64(seed)
        let scores = (0..<300).map { _ in Float((random.normal() * 4).rounded() / 4) }
        let labels = (0..<300).map { _ in Float(random.uniform() < 0.3 ? 1 : 0) }
        let curve = RankingCurve(scores: scores, labels: labels)
        var (won, pairs) = (0.0, 0.0)
        for (score, label) in zip(scores, labels) where label == 1 {
            for (other, otherLabel) in zip(scores, labels) where otherLabel == 0 {
                pairs += 1
                won += score > other ? 1 : score == other ? 0.5 : 0
            }
        }
        #expect(abs((curve.rocAUC ?? 0) - won / pairs) < 1e-12)
        #expect(curve.steps.map(\.score) == Array(Set(scores.map { $0 == 0 ? 0 : $0 })).sorted(by: >))
    }
}
