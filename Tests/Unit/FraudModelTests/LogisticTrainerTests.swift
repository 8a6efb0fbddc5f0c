import FeatureEngine
import Foundation
import JSON
import TestSupport
import Testing

@testable import FraudModel

/// Logistic regression beside scikit-learn's, on rows that `Fixtures/logistic.py` makes.
@Suite struct LogisticTrainerTests {
    private static let folder = TestEnvironment.packageRoot + "/Tests/Unit/FraudModelTests/Fixtures/"
    /// A Python that has scikit-learn: NEEDLETAIL_PYTHON, else the one in the path.
    private static let python: String? = {
        let name = TestEnvironment.variable("NEEDLETAIL_PYTHON") ?? "python3"
        let found = try? TestCommand.run([name, "-c", "import sklearn"])
        return found?.exitCode == 0 ? name : nil
    }()

    /// Fits the rows of a document and compares every figure that it has.
    private func compare(_ text: String) throws {
        let tree = try JSONTree.parse(text)
        let rows = try #require(tree["rows"]?.array)
        let shops = try #require(tree["shops"]?.array).compactMap(\.string)
        let features = [
            ModelFeature(name: "amount"), ModelFeature(name: "ratio"), ModelFeature(name: "constant"),
            ModelFeature(name: "shop", categories: shops),
        ]
        let inputs = rows.flatMap { row in (0..<4).map { Float(row[$0]?.double ?? .nan) } }
        let labels = try rows.map { Float(try #require($0[4]?.int)) }
        var trainer = LogisticTrainer()
        (trainer.tolerance, trainer.iterations) = (1e-10, 10_000)
        let none = TrainingRows(inputs: [], labels: [])
        let fitted = try trainer.fit(
            TrainingRows(inputs: inputs, labels: labels), stopping: none, features: features
        ) { _, _ in true }
        guard case .logistic(let model) = fitted.predictor else { throw TestServerError("no logistic model") }
        let wanted = try #require(tree["weights"]?.array).compactMap(\.double)
        var weights: [Double] = []
        for term in model.terms {
            switch term {
            case .number(_, _, let weight): weights.append(weight)
            case .category(let values): weights += values
            }
        }
        #expect(weights.count == wanted.count && wanted.count == 6)
        for (ours, theirs) in zip(weights, wanted) { #expect(abs(ours - theirs) < 1e-6, "\(ours) \(theirs)") }
        #expect(abs(model.intercept - (tree["intercept"]?.double ?? .nan)) < 1e-6)
        let scores = fitted.predictor.margins(of: inputs).map(Predictor.logistic)
        for (ours, theirs) in zip(scores, tree["probabilities"]?.array ?? []) {
            #expect(abs(Double(ours) - (theirs.double ?? .nan)) < 1e-6)
        }
        let curve = RankingCurve(scores: scores, labels: labels)
        #expect(abs((curve.averagePrecision ?? .nan) - (tree["average_precision"]?.double ?? .nan)) < 1e-6)
        #expect(abs((curve.rocAUC ?? .nan) - (tree["roc_auc"]?.double ?? .nan)) < 1e-6)
        // The file says the same.
        let file = try JSONTree.parse(fitted.bytes)
        #expect(file["intercept"]?.double == model.intercept)
        #expect(file["features"]?[3]?["weights"]?["zoo"]?.double == weights[5])
    }

    @Test func `weights, probabilities and figures are scikit-learn's`() throws {
        try compare(String(contentsOfFile: Self.folder + "logistic.json", encoding: .utf8))
    }

    @Test(.enabled(if: python != nil, "needs a Python with scikit-learn"), arguments: [7, 8])
    func `so they are on other rows, where scikit-learn is there`(seed: Int) throws {
        let made = try TestCommand.run([try #require(Self.python), Self.folder + "logistic.py", "\(seed)"])
        #expect(made.exitCode == 0)
        try compare(made.output)
    }

    @Test func `contributions and the base add up to the margin, what is missing or unseen adds nothing`() {
        let model = LogisticModel(
            intercept: -1,
            terms: [.number(mean: 2, deviation: 4, weight: 0.5), .category(weights: [0.25, -0.75])])
        let predictor = Predictor.logistic(model)
        for (inputs, margin) in [([6, 1], Float(-1.25)), ([.nan, 0], -0.75), ([2, .nan], -1), ([2, 9], -1)] {
            var slots = predictor.makeInputs()
            for (index, value) in inputs.enumerated() { slots.set(index, value) }
            #expect(predictor.margin(slots) == margin)
            var contributions: [Double] = []
            let base = predictor.contributions(&slots, into: &contributions)
            #expect(Float(base + contributions.reduce(0, +)) == margin)
        }
    }

    @Test func `one class is refused, and a caller can stop it`() {
        let features = [ModelFeature(name: "a")]
        let none = TrainingRows(inputs: [], labels: [])
        let same = TrainingRows(inputs: [1, 2], labels: [0, 0])
        #expect(throws: TrainingError.refused("logistic regression needs both classes")) {
            try LogisticTrainer().fit(same, stopping: none, features: features) { _, _ in true }
        }
        let both = TrainingRows(inputs: [1, 2, 3, 1], labels: [0, 1, 1, 1])
        #expect(throws: TrainingError.cancelled) {
            try LogisticTrainer().fit(both, stopping: none, features: features) { round, _ in round < 2 }
        }
    }
}
