import Foundation
import GradientBoosting
import JSON
import TestSupport
import Testing

@testable import FraudModel

/// Models with splits on categories, written by XGBoost 1.7 to 3.2 (`Fixtures/categories.py`), beside what those make of rows with seen
/// and unseen categories, fractions and missing values.
@Suite struct CategorySplitTests {
    @Test(
        arguments: ["onehot", "partition"],
        ["1.7.6.json", "2.1.4.json", "3.2.0.json", "1.7.6.ubj", "3.2.0.ubj"])
    func `margins are XGBoost's bit by bit, contributions to its rounding`(kind: String, file: String) throws {
        let name = "categories-\(kind)-\(file)"
        let predictor = try Predictor(BoosterModel(ModelFixtures.bytes(name), file: name))
        let wanted = try JSONTree.parse(
            ModelFixtures.bytes(name.dropLast(file.hasSuffix("ubj") ? 4 : 5) + "-rows.json"))
        let rows = try #require(wanted["rows"]?.array)
        #expect(rows.count == 400)
        var (wrong, worst) = (0, 0.0)
        var inputs = predictor.makeInputs()
        for (index, row) in rows.enumerated() {
            for column in 0..<3 { inputs.set(column, row[column]?.double ?? .nan) }
            let margin = Float(try #require(wanted["margins"]?[index]?.double))
            if predictor.margin(inputs).bitPattern != margin.bitPattern { wrong += 1 }
            var contributions: [Double] = []
            let base = predictor.contributions(&inputs, into: &contributions)
            let theirs = try #require(wanted["contributions"]?[index]?.array)
            for (ours, theirs) in zip(contributions + [base], theirs) {
                worst = max(worst, abs(ours - (theirs.double ?? .nan)))
            }
        }
        #expect(wrong == 0, "\(name)")
        #expect(worst < 1e-5, "\(name): \(worst)")
    }

    private static let tiny = Double(Float.leastNonzeroMagnitude)
    /// What may stand in a column of categories, and float32s that libxgboost takes for it: it refuses infinities itself.
    private static let odd: [(Double, Float)] = [
        (.nan, .nan), (.infinity, .greatestFiniteMagnitude), (-.infinity, -.greatestFiniteMagnitude), (-0.0, -0.0),
        (-0.5, -0.5), (16_777_215, 16_777_215), (16_777_216, 16_777_216), (tiny, Float(tiny)), (-tiny, -Float(tiny)),
        (0.999_999_999, 1), (2_147_483_648, 2_147_483_648), (1e300, .greatestFiniteMagnitude),
    ]

    @Test(arguments: ["onehot-1.7.6", "onehot-2.1.4", "partition-1.7.6", "partition-2.1.4"])
    func `a hundred thousand rows have the bits of libxgboost`(name: String) throws {
        let bytes = try ModelFixtures.bytes("categories-\(name).json")
        let (predictor, reference) = (
            try Predictor(BoosterModel(bytes, file: name)), try Booster(model: bytes, threads: 1)
        )
        var random = SplitMix64(41)
        var rows: [Double] = []
        var values: [Float] = []
        for _ in 0..<100_000 {
            for column in 0..<3 {
                let (double, float): (Double, Float)
                if random.uniform() < 0.2 {
                    (double, float) = Self.odd[Int.random(in: 0..<Self.odd.count, using: &random)]
                } else {
                    double = column == 1 ? (random.normal() * 8).rounded() / 8 : (random.uniform() * 26).rounded() / 2
                    float = Float(double)
                }
                rows.append(double)
                values.append(float)
            }
        }
        let margins = try reference.predictMargin(DataMatrix(values, columnCount: 3, threads: 1))
        var inputs = predictor.makeInputs()
        var wrong = 0
        for row in margins.indices {
            for column in 0..<3 { inputs.set(column, rows[3 * row + column]) }
            if predictor.margin(inputs).bitPattern != margins[row].bitPattern { wrong += 1 }
        }
        #expect(wrong == 0)
        // The file says the same in binary, written by that library.
        let text = try BoosterModel(reference.model(format: .json), file: name)
        #expect(try BoosterModel(reference.model(format: .ubj), file: name) == text)
        #expect(try BoosterModel(bytes, file: name).booster == text.booster)
    }

    /// A full tree of depth 4: features 0 and 1 with sets, feature 2 with thresholds.
    private func randomTree(_ random: inout SplitMix64) -> DecisionTree {
        var tree = DecisionTree(left: [], right: [], feature: [], condition: [], defaultLeft: [], cover: [])
        for node in 0..<31 {
            let isLeaf = node >= 15
            tree.left.append(isLeaf ? -1 : Int32(2 * node + 1))
            tree.right.append(isLeaf ? -1 : Int32(2 * node + 2))
            tree.feature.append(isLeaf ? 0 : Int32.random(in: 0..<3, using: &random))
            tree.condition.append(isLeaf ? Float(node) : Float.random(in: 0..<8, using: &random))
            tree.defaultLeft.append(Bool.random(using: &random))
            tree.cover.append(Float.random(in: 1..<9, using: &random))
            guard !isLeaf, tree.feature[node] < 2 else { continue }
            let set = (0..<8).filter { _ in Bool.random(using: &random) }.map(Int32.init)
            tree.categories[Int32(node)] = set.isEmpty ? [3] : set
            // What XGBoost writes there means nothing.
            tree.condition[node] = .nan
        }
        return tree
    }

    /// The mean of a tree where only the features of `known` are known: the definition, by recursion.
    private func expectation(_ tree: DecisionTree, _ row: [Float], _ known: Set<Int>, _ node: Int = 0) -> Double {
        guard tree.left[node] >= 0 else { return Double(tree.condition[node]) }
        let (left, right) = (Int(tree.left[node]), Int(tree.right[node]))
        let value = row[Int(tree.feature[node])]
        guard known.contains(Int(tree.feature[node])) else {
            let (one, other) = (Double(tree.cover[left]), Double(tree.cover[right]))
            let sum = one * expectation(tree, row, known, left) + other * expectation(tree, row, known, right)
            return sum / (one + other)
        }
        let isRight =
            if value.isNaN {
                !tree.defaultLeft[node]
            } else if let set = tree.categories[Int32(node)] {
                value >= 0 && set.contains(Int32(value))
            } else {
                value >= tree.condition[node]
            }
        return expectation(tree, row, known, isRight ? right : left)
    }

    @Test(arguments: [UInt64(1), 2, 3])
    func `sets below sets decide as the sets do, and contributions are Shapley's`(seed: UInt64) throws {
        var random = SplitMix64(seed)
        for _ in 0..<20 {
            let trees = [randomTree(&random), randomTree(&random)]
            let model = BoosterModel(
                booster: .trees(trees), baseScore: 0.5, featureCount: 3, featureNames: [], version: [3, 2, 0])
            let predictor = try Predictor(model)
            var inputs = predictor.makeInputs()
            for _ in 0..<50 {
                let row = (0..<3).map { _ in
                    random.uniform() < 0.25 ? Float.nan : Float((random.uniform() * 10).rounded() - 1)
                }
                for (index, value) in row.enumerated() { inputs.set(index, Double(value)) }
                func value(_ known: Set<Int>) -> Double {
                    trees.reduce(0) { $0 + expectation($1, row, known) }
                }
                #expect(Double(predictor.margin(inputs)) == value([0, 1, 2]), "seed \(seed), row \(row)")
                var contributions: [Double] = []
                let bias = predictor.contributions(&inputs, into: &contributions)
                #expect(abs(bias - value([])) < 1e-9)
                for feature in 0..<3 {
                    let (a, b) = ((feature + 1) % 3, (feature + 2) % 3)
                    let wanted =
                        (value([feature]) - value([])) / 3 + (value([0, 1, 2]) - value([a, b])) / 3
                        + (value([feature, a]) - value([a])) / 6 + (value([feature, b]) - value([b])) / 6
                    #expect(abs(contributions[feature] - wanted) < 1e-9, "seed \(seed), feature \(feature) of \(row)")
                }
            }
        }
    }

    @Test func `a row with nothing set is one with everything missing`() throws {
        let predictor = try ModelFixtures.ensemble("categories-partition-3.2.0.json")
        var inputs = predictor.makeInputs()
        let fresh = predictor.margin(inputs)
        let others = (0..<12).map { shop in
            for column in 0..<3 { inputs.set(column, Double(column == 0 ? shop : 1)) }
            return predictor.margin(inputs)
        }
        #expect(others.contains { $0 != fresh })
        for column in 0..<3 { inputs.set(column, .nan) }
        #expect(predictor.margin(inputs) == fresh)
    }

    @Test(arguments: [[], [-1], [1 << 24], [.min], [.max]] as [[Int32]])
    func `what is no set of categories is refused`(set: [Int32]) throws {
        let tree = DecisionTree(
            left: [1, -1, -1], right: [2, -1, -1], feature: [0, 0, 0], condition: [0, 1, 2],
            defaultLeft: [true, false, false], cover: [2, 1, 1], categories: [0: set])
        let error = #expect(throws: ModelError.self) {
            try Predictor(
                BoosterModel(
                    booster: .trees([tree]), baseScore: 0.5, featureCount: 1, featureNames: [], version: [3, 2, 0]))
        }
        #expect(error?.description.contains("splits on no categories") == true)
    }

    @Test(arguments: [
        (#""split_type":[1,1,1,"#, #""split_type":[2,1,1,"#, "does not list"),
        (#""categories_nodes":[0,"#, #""categories_nodes":[9,"#, "does not list"),
        (#""categories_segments":[0,"#, #""categories_segments":[-1,"#, "not where it says"),
        (#""categories_segments":[0,"#, #""categories_segments":[99,"#, "not where it says"),
        (#""categories_segments":[0,"#, #""categories_segments":["#, "not where it says"),
        (#""categories_sizes":["#, #""categories_sizes":[2147483647,"#, "not where it says"),
        (#""categories_sizes":["#, #""sizes":["#, "categories_sizes"),
    ])
    func `sets that are not where the file says are refused`(found: String, replacement: String, reason: String) throws
    {
        let name = "categories-partition-3.2.0-one-tree.json"
        let text = String(decoding: try ModelFixtures.bytes(name), as: UTF8.self)
        let changed = text.replacing(found, with: replacement)
        #expect(changed != text)
        let error = #expect(throws: ModelError.self) { try BoosterModel(Array(changed.utf8), file: name) }
        #expect(error?.description.contains(reason) == true, "\(String(describing: error))")
    }
}
