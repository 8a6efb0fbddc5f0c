import Foundation
import FraudModel
import GradientBoosting
import Testing
import TestSupport

@Suite struct TreeEnsembleTests {
    private func margin(_ ensemble: Predictor, _ values: [Double]) -> Float {
        var inputs = ensemble.makeInputs()
        for (index, value) in values.enumerated() { inputs.set(index, value) }
        return ensemble.margin(inputs)
    }

    @Test func `values at a threshold go the way float32 sends them`() throws {
        let ensemble = try ModelFixtures.ensemble("thresholds-at-ties.json")
        let rows: [[Double]] = [
            [0.671, 20180131, 5], [0.6709999, 20180131, 5], [0.6709999, 20180130, 5], [1, 0, 16777217], [1, 0, .nan],
            [.nan, .nan, 16777219],
        ]
        let expected: [Float] = [-4.66157293, -5.41157293, -6.16157293, -4.66157293, -4.16157293, -4.16157293]
        for (row, expected) in zip(rows, expected) { #expect(margin(ensemble, row) == expected, "\(row)") }

        var inputs = ensemble.makeInputs()
        for (index, value) in rows[0].enumerated() { inputs.set(index, value) }
        var contributions: [Double] = []
        let bias = ensemble.contributions(&inputs, into: &contributions)
        for (value, expected) in zip(contributions + [bias], [0.6375, 0.09375, -0.21875, -5.174073]) {
            #expect(abs(value - expected) < 1e-6)
        }
    }

    @Test func `weights of dart and of a linear model count`() throws {
        let rows: [[Double]] = [[10, 50], [90.01, 20], [250, .nan], [.nan, .nan]]
        let expected: [(String, [Float])] = [
            ("dart.json", [-1.86602497, -0.11291970, 1.29858112, -1.86602497]),
            ("linear.json", [-1.53171194, 0.09888344, 3.29258704, -1.64562201]),
        ]
        for (file, expected) in expected {
            let ensemble = try ModelFixtures.ensemble(file)
            let reference = try Booster(model: ModelFixtures.bytes(file), threads: 1)
            let matrix = try DataMatrix(rows.flatMap { $0.map(Float.init) }, columnCount: 2, threads: 1)
            let margins = try reference.predictMargin(matrix)
            let shap = try reference.predictContributions(matrix)
            for (row, values) in rows.enumerated() {
                #expect(margin(ensemble, values) == margins[row], "\(file) \(values)")
                #expect(abs(margin(ensemble, values) - expected[row]) < 1e-6, "\(file) \(values)")
                var inputs = ensemble.makeInputs()
                for (index, value) in values.enumerated() { inputs.set(index, value) }
                var contributions: [Double] = []
                contributions.append(ensemble.contributions(&inputs, into: &contributions))
                for column in 0..<3 { #expect(abs(contributions[column] - Double(shap[row * 3 + column])) < 1e-5) }
            }
        }
    }

    @Test func `rounds after the best iteration do not count`() throws {
        let ensemble = try ModelFixtures.ensemble("best-iteration.json")
        #expect(ensemble.treeCount == 3)
        for (value, expected) in [(2.5, 0.3), (.nan, 0.3), (-1.0, -0.6)] as [(Double, Float)] {
            #expect(abs(margin(ensemble, [value]) - expected) < 1e-6)
        }
        let all = try Booster(model: ModelFixtures.bytes("best-iteration.json"), threads: 1)
        let matrix = try DataMatrix([2.5, .nan, -1], columnCount: 1, threads: 1)
        #expect(try all.predictMargin(matrix, rounds: 3) == [2.5, .nan, -1].map { margin(ensemble, [$0]) })
        #expect(try all.predictMargin(matrix) == [-1.2, 1.05, -2.1] as [Float])
    }

    @Test(
        arguments: [
            (1, [("max_depth", "6")]), (2, [("max_depth", "3"), ("subsample", "0.7"), ("seed", "5")]),
            (3, [("max_depth", "9"), ("min_child_weight", "0")]),
            (4, [("booster", "dart"), ("rate_drop", "0.3"), ("seed", "7")]),
            (5, [("num_parallel_tree", "3"), ("subsample", "0.5"), ("max_depth", "4")]),
            (6, [("max_depth", "0"), ("max_leaves", "40"), ("grow_policy", "lossguide")]),
        ] as [(Int, [(String, String)])])
    func `every row has the bits of libxgboost and its contributions`(seed: Int, parameters: [(String, String)]) throws
    {
        let columns = 9
        let data = ModelFixtures.data(rows: 800, columns: columns, seed: UInt64(seed))
        let booster = try ModelFixtures.train(data, columns: columns, rounds: 37, parameters)
        let described = try BoosterModel(json: booster.model(format: .json), file: "model.json")
        let ensemble = try Predictor(described)
        #expect(described.featureNames == (0..<columns).map { "feature \($0)" })

        let matrix = try DataMatrix(data.values, columnCount: columns, threads: 1)
        let margins = try booster.predictMargin(matrix)
        let probabilities = try booster.predict(matrix)
        let shap = try booster.predictContributions(matrix)
        var inputs = ensemble.makeInputs()
        var contributions: [Double] = []
        var (wrongMargins, wrongProbabilities, wrongSums, wrongContributions) = (0, 0, 0, 0)
        for row in 0..<margins.count {
            for column in 0..<columns { inputs.set(column, Double(data.values[row * columns + column])) }
            let margin = ensemble.margin(inputs)
            if margin.bitPattern != margins[row].bitPattern { wrongMargins += 1 }
            if ensemble.probability(inputs).bitPattern != probabilities[row].bitPattern { wrongProbabilities += 1 }
            let bias = ensemble.contributions(&inputs, into: &contributions)
            contributions.append(bias)
            let tolerance = 1e-5 * max(1, abs(Double(margin)))
            if !(abs(contributions.reduce(0, +) - Double(margin)) <= tolerance) { wrongSums += 1 }
            for (column, value) in contributions.enumerated()
            where !(abs(value - Double(shap[row * (columns + 1) + column])) <= tolerance) { wrongContributions += 1 }
        }
        #expect(wrongMargins == 0)
        #expect(wrongProbabilities == 0)
        #expect(wrongSums == 0)
        #expect(wrongContributions == 0)
    }

    @Test func `contributions of deep trees add up`() throws {
        let columns = 10
        var random = SplitMix64(11)
        let values = (0..<1_000 * columns).map { _ in Float(random.normal()) }
        let labels = (0..<1_000).map { Float(values[$0 * columns] * values[$0 * columns + 1] > 0 ? 1 : 0) }
        let booster = try ModelFixtures.train(
            (values, labels), columns: columns, rounds: 15,
            [("max_depth", "14"), ("min_child_weight", "0"), ("eta", "0.05")])
        let ensemble = try Predictor(BoosterModel(json: booster.model(format: .json), file: "model.json"))
        let matrix = try DataMatrix(values, columnCount: columns, rows: 0..<60, threads: 1)
        let shap = try booster.predictContributions(matrix)
        var inputs = ensemble.makeInputs()
        var contributions: [Double] = []
        var worst = 0.0
        for row in 0..<60 {
            for column in 0..<columns { inputs.set(column, Double(values[row * columns + column])) }
            let bias = ensemble.contributions(&inputs, into: &contributions)
            let margin = Double(ensemble.margin(inputs))
            worst = max(worst, abs(contributions.reduce(bias, +) - margin) / max(1, abs(margin)))
            for column in 0..<columns {
                worst = max(
                    worst, abs(contributions[column] - Double(shap[row * (columns + 1) + column])) / max(1, abs(margin))
                )
            }
        }
        #expect(worst < 1e-5)
    }

    @Test func `contributions equal Shapley's formula over all coalitions, zero cover included`() throws {
        // A feature twice on a path, a branch no training row took, a split below it, a leaf that is the whole tree.
        let trees = [
            DecisionTree(
                left: [1, 3, -1, -1, 5, -1, -1], right: [2, 4, -1, -1, 6, -1, -1], feature: [0, 1, 0, 0, 0, 0, 0],
                condition: [5, 2, -1, 0.5, 1, 2, -3], defaultLeft: [true, false, false, false, true, false, false],
                cover: [10, 6, 4, 2, 4, 1, 3]),
            DecisionTree(
                left: [1, 3, 5, -1, -1, -1, -1], right: [2, 4, 6, -1, -1, -1, -1], feature: [2, 0, 1, 0, 0, 0, 0],
                condition: [0, 1, 1, 1, 2, 3, 4], defaultLeft: [false, true, false, false, false, false, false],
                cover: [5, 0, 5, 0, 0, 5, 0]),
            DecisionTree(left: [-1], right: [-1], feature: [0], condition: [0.25], defaultLeft: [false], cover: [0]),
        ]
        let model = BoosterModel(
            booster: .trees(trees), baseScore: 0.5, featureCount: 3, featureNames: [], version: [1, 7, 4])
        let ensemble = try Predictor(model)
        for row: [Float] in [[0, 1, -1], [0, 3, 1], [6, 0, 0], [.nan, .nan, .nan], [3, 9, -2]] {
            var inputs = ensemble.makeInputs()
            for (index, value) in row.enumerated() { inputs.set(index, Double(value)) }
            var contributions: [Double] = []
            let bias = ensemble.contributions(&inputs, into: &contributions)
            func value(_ known: Set<Int>) -> Double {
                trees.reduce(0) { $0 + Self.expectation($1, row, known) }
            }
            #expect(abs(bias - value([])) < 1e-12)
            for feature in 0..<3 {
                let others = [0, 1, 2].filter { $0 != feature }
                var expected = 0.0
                for mask in 0..<4 {
                    let coalition = Set(others.enumerated().filter { mask >> $0.offset & 1 == 1 }.map(\.element))
                    let weight = [1.0 / 3, 1.0 / 6, 1.0 / 3][coalition.count]
                    expected += weight * (value(coalition.union([feature])) - value(coalition))
                }
                #expect(abs(contributions[feature] - expected) < 1e-12, "feature \(feature) of \(row)")
            }
        }
    }

    /// The mean of a tree where only the features of `known` are known: the definition, by recursion.
    private static func expectation(_ tree: DecisionTree, _ row: [Float], _ known: Set<Int>, _ node: Int = 0) -> Double
    {
        guard tree.left[node] >= 0 else { return Double(tree.condition[node]) }
        let (left, right, feature) = (Int(tree.left[node]), Int(tree.right[node]), Int(tree.feature[node]))
        if known.contains(feature) {
            let goesLeft = row[feature].isNaN ? tree.defaultLeft[node] : row[feature] < tree.condition[node]
            return expectation(tree, row, known, goesLeft ? left : right)
        }
        let all = Double(tree.cover[node])
        let share = all == 0 ? 0.5 : Double(tree.cover[left]) / all
        return share * expectation(tree, row, known, left)
            + (all == 0 ? 0.5 : Double(tree.cover[right]) / all) * expectation(tree, row, known, right)
    }

    @Test func `infinity and numbers past float32 count as the largest float32`() throws {
        let ensemble = try ModelFixtures.ensemble("best-iteration.json")
        for huge in [Double.infinity, 1e39, 3.4e38] { #expect(margin(ensemble, [huge]) == margin(ensemble, [1e9])) }
        for huge in [-Double.infinity, -1e39] { #expect(margin(ensemble, [huge]) == margin(ensemble, [-1e9])) }
        #expect(ModelInputs.float(1e39) == Float.greatestFiniteMagnitude)
        #expect(ModelInputs.float(.nan).isNaN)
    }

    @Test func `a base score in brackets, as version 3 writes it, is read`() throws {
        let text = String(decoding: try ModelFixtures.bytes("best-iteration.json"), as: UTF8.self)
        let newer = text.replacing(#""base_score": "5E-1""#, with: #""base_score": "[3.08E-1]""#)
        #expect(newer != text)
        let ensemble = try Predictor(BoosterModel(json: Array(newer.utf8), file: "model.json"))
        let shift = Float(log(0.308 / 0.692))
        #expect(abs(margin(ensemble, [2.5]) - (0.3 + shift)) < 1e-6)
    }

    @Test(arguments: [
        (#""name": "gbtree""#, #""name": "gbforest""#, "gbforest"),
        (#""name": "binary:logistic""#, #""name": "multi:softprob""#, "multi:softprob"),
        (#""num_class": "0""#, #""num_class": "3""#, "more than one output"),
        (#""base_score": "5E-1""#, #""base_score": "1""#, "base_score"),
        (#""split_type": [0, 0, 0]"#, #""split_type": [1, 0, 0]"#, "categories"),
        (#""left_children": [1, -1, -1]"#, #""left_children": [1, 2, -1]"#, "child"),
        (#""left_children": [1, -1, -1]"#, #""left_children": [9, -1, -1]"#, "child"),
        (#""split_indices": [0, 0, 0]"#, #""split_indices": [7, 0, 0]"#, "feature 7"),
        (#""split_conditions": [0.0,"#, #""split_conditions": ["x","#, "split_conditions"),
        (#""sum_hessian": [10.0"#, #""sum_hessian": [-1.0"#, "cover"),
        (#""learner""#, #""student""#, "learner"),
        (#"{"version""#, #"{"version"#, "not a model"),
    ])
    func `a model that is not scored says why`(found: String, replacement: String, reason: String) throws {
        let text = String(decoding: try ModelFixtures.bytes("best-iteration.json"), as: UTF8.self)
        let changed = text.replacing(found, with: replacement)
        #expect(changed != text)
        let error = #expect(throws: ModelError.self) {
            try Predictor(BoosterModel(json: Array(changed.utf8), file: "model.json"))
        }
        #expect(error?.description.contains(reason) == true, "\(String(describing: error))")
    }

    @Test func `a model in binary JSON is the same model, and every damage is noticed`() throws {
        let data = ModelFixtures.data(rows: 300, columns: 5, seed: 21)
        let booster = try ModelFixtures.train(data, columns: 5, rounds: 8)
        let binary = try booster.model(format: .ubj)
        let text = try BoosterModel(json: booster.model(format: .json), file: "model.json")
        #expect(try BoosterModel(binary, file: "model.ubj") == text)
        #expect(try BoosterModel(booster.model(format: .json), file: "model.json") == text)
        for length in stride(from: 3, to: binary.count, by: 97) {
            #expect(throws: ModelError.self) { try BoosterModel(Array(binary[..<length]), file: "model.ubj") }
        }
        var random = SplitMix64(22)
        for _ in 0..<300 {
            var damaged = binary
            damaged[Int.random(in: 2..<damaged.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            // It may still be a model, but never a crash.
            _ = try? Predictor(BoosterModel(damaged, file: "model.ubj"))
        }
    }
}
