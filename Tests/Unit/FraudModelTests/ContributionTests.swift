import Foundation
import FraudModel
import GradientBoosting
import TestSupport
import Testing

/// Contributions of trees made at random: against the definition, and against libxgboost.
@Suite struct ContributionTests {
    /// A tree of random shape: features repeat on a path, some covers are zero, all of a split's cover may go one way.
    private func tree(depth: Int, features: Int, _ random: inout SplitMix64) -> DecisionTree {
        var tree = DecisionTree(left: [], right: [], feature: [], condition: [], defaultLeft: [], cover: [])
        func node(_ depth: Int, _ cover: Float) -> Int32 {
            let index = tree.left.count
            tree.left.append(-1)
            tree.right.append(-1)
            tree.feature.append(0)
            tree.condition.append(Float(random.uniform() * 2 - 1))
            tree.defaultLeft.append(random.uniform() < 0.5)
            tree.cover.append(cover)
            guard depth > 0, random.uniform() > 0.12 else { return Int32(index) }
            tree.feature[index] = Int32.random(in: 0..<Int32(features), using: &random)
            tree.condition[index] = Float(random.uniform())
            let share = Float(
                random.uniform() < 0.1
                    ? Double.random(in: 0...1, using: &random).rounded() : 0.02 + 0.96 * random.uniform())
            let left = node(depth - 1, cover * share)
            let right = node(depth - 1, cover * (1 - share))
            (tree.left[index], tree.right[index]) = (left, right)
            return Int32(index)
        }
        _ = node(depth, 1_000)
        return tree
    }

    /// The mean of a tree where only the features of `known` are known, by recursion.
    private func expectation(_ tree: DecisionTree, _ row: [Float], _ known: Int, _ node: Int = 0) -> Double {
        guard tree.left[node] >= 0 else { return Double(tree.condition[node]) }
        let (left, right, feature) = (Int(tree.left[node]), Int(tree.right[node]), Int(tree.feature[node]))
        if known >> feature & 1 == 1 {
            let goesLeft = row[feature].isNaN ? tree.defaultLeft[node] : row[feature] < tree.condition[node]
            return expectation(tree, row, known, goesLeft ? left : right)
        }
        let all = Double(tree.cover[left]) + Double(tree.cover[right])
        let share = all == 0 ? 0.5 : Double(tree.cover[left]) / all
        return share * expectation(tree, row, known, left) + (1 - share) * expectation(tree, row, known, right)
    }

    @Test(arguments: [UInt64(1), 2, 3, 4])
    func `contributions equal Shapley's formula over all coalitions of random trees`(seed: UInt64) throws {
        var random = SplitMix64(seed)
        var worst = 0.0
        for _ in 0..<25 {
            let features = Int.random(in: 1...9, using: &random)
            let depth = Int.random(in: 1...8, using: &random)
            let trees = (0..<3).map { _ in tree(depth: depth, features: features, &random) }
            let weights: [Float] = [1, 0.5, -0.25]
            let predictor = try Predictor(
                BoosterModel(
                    booster: .weightedTrees(trees, weights: weights), baseScore: 0.5, featureCount: features,
                    featureNames: [], version: [1, 7, 4]))
            let row = (0..<features).map { _ in random.uniform() < 0.2 ? Float.nan : Float(random.uniform()) }
            var inputs = predictor.makeInputs()
            for (index, value) in row.enumerated() { inputs.set(index, Double(value)) }
            var contributions: [Double] = []
            let bias = predictor.contributions(&inputs, into: &contributions)
            let values = (0..<1 << features).map { known in
                zip(trees, weights).reduce(0) { $0 + Double($1.1) * expectation($1.0, row, known) }
            }
            worst = max(worst, abs(bias - values[0]))
            let factorial = (0...features).map { $0 == 0 ? 1 : (1...$0).reduce(1.0) { $0 * Double($1) } }
            for feature in 0..<features {
                var expected = 0.0
                for known in 0..<1 << features where known >> feature & 1 == 0 {
                    let size = known.nonzeroBitCount
                    let weight = factorial[size] * factorial[features - size - 1] / factorial[features]
                    expected += weight * (values[known | 1 << feature] - values[known])
                }
                worst = max(worst, abs(contributions[feature] - expected))
            }
        }
        #expect(worst < 1e-12, "seed \(seed): \(worst)")
    }

    /// Random data and parameters of every kind. NEEDLETAIL_MODELS trains so many models; 40 take a second.
    @Test func `contributions of random models are those of libxgboost`() throws {
        let models = Int(ProcessInfo.processInfo.environment["NEEDLETAIL_MODELS"] ?? "") ?? 40
        var random = SplitMix64(41)
        var (worst, worstSeed) = (0.0, 0)
        for seed in 0..<models {
            let columns = Int.random(in: 1...12, using: &random)
            let rows = Int.random(in: 40...300, using: &random)
            let data = ModelFixtures.data(rows: rows, columns: columns, seed: UInt64(seed))
            var parameters = [
                ("max_depth", "\(Int.random(in: 1...14, using: &random))"),
                ("min_child_weight", ["0", "1"].randomElement(using: &random) ?? "0"),
                ("eta", ["0.05", "0.3", "1"].randomElement(using: &random) ?? "0.3"), ("seed", "\(seed)"),
                ("subsample", ["1", "0.6"].randomElement(using: &random) ?? "1"),
            ]
            if random.uniform() < 0.25 { parameters += [("booster", "dart"), ("rate_drop", "0.4")] }
            let rounds = Int.random(in: 1...25, using: &random)
            let booster = try ModelFixtures.train(data, columns: columns, rounds: rounds, parameters)
            let predictor = try Predictor(BoosterModel(json: booster.model(format: .json), file: "model.json"))
            let part = min(rows, 20)
            let matrix = try DataMatrix(data.values, columnCount: columns, rows: 0..<part, threads: 1)
            let shap = try booster.predictContributions(matrix)
            var inputs = predictor.makeInputs()
            var contributions: [Double] = []
            for row in 0..<part {
                for column in 0..<columns { inputs.set(column, Double(data.values[row * columns + column])) }
                contributions.append(predictor.contributions(&inputs, into: &contributions))
                let margin = Double(predictor.margin(inputs))
                let unit = max(1, abs(margin))
                var error = abs(contributions.reduce(0, +) - margin)
                for (column, value) in contributions.enumerated() {
                    error = max(error, abs(value - Double(shap[row * (columns + 1) + column])))
                }
                if !(error / unit <= worst) { (worst, worstSeed) = (error / unit, seed) }
            }
        }
        #expect(worst < 1e-5, "model \(worstSeed): \(worst)")
    }
}
