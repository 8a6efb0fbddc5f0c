import FeatureEngine
import Foundation
import FraudModel
import GradientBoosting

/// Scoring and explaining one row at a time, beside libxgboost doing the same.
enum ModelCases {
    static func score(rounds: Int) throws -> [ReportLine] {
        let columns = 39
        let (trained, booster) = try train(columns: columns)
        let rows = (0..<500).map { row in
            (0..<columns).map { column in Double(trained.values[row * columns + column]) }
        }
        let floats = rows.map { $0.map(Float.init) }
        // libxgboost remembers what it has predicted for a matrix, so each row comes in a new one, as a request's would.
        func matrix(_ row: [Float]) throws -> DataMatrix { try DataMatrix(row, columnCount: columns, threads: 1) }
        let described = try BoosterModel(json: booster.model(format: .json), file: "model.json")
        let model = try ScoringModel(described, card: nil, version: "bench")
        var scorer = model.makeScorer()
        let vectors = rows.map { row in
            var vector = FeatureVector(count: columns)
            vector.numbers = row
            return vector
        }
        var contributions: [Double] = []
        var (ours, theirs, ourSHAP, theirSHAP): ([Double], [Double], [Double], [Double]) = ([], [], [], [])
        var sum: Float = 0
        for round in 0...rounds {  // Round 0 warms up.
            let repeats = 20
            let fast = Measurement.here {
                for _ in 0..<repeats { for vector in vectors { sum += scorer.probability(of: vector) } }
            }
            let slow = try Measurement.here { for row in floats { sum += try booster.predict(matrix(row))[0] } }
            let explained = Measurement.here {
                for vector in vectors { sum += Float(scorer.contributions(of: vector, into: &contributions)) }
            }
            let slowlyExplained = try Measurement.here {
                for row in floats.prefix(100) { sum += try booster.predictContributions(matrix(row))[0] }
            }
            guard round > 0 else { continue }
            ours.append(fast.cpuSeconds * 1e6 / Double(repeats * rows.count))
            theirs.append(slow.cpuSeconds * 1e6 / Double(rows.count))
            ourSHAP.append(explained.cpuSeconds * 1e6 / Double(rows.count))
            theirSHAP.append(slowlyExplained.cpuSeconds * 1e6 / 100)
        }
        precondition(sum.isFinite, "the scores are numbers")
        let note = "\(model.predictor.treeCount) trees of depth 6"
        return [
            ReportLine(
                "score a row", "µs", Rounds(values: ours), baseline: "libxgboost, its matrix included",
                Rounds(values: theirs), note: note),
            ReportLine(
                "explain a row", "µs", Rounds(values: ourSHAP), baseline: "libxgboost, its matrix included",
                Rounds(values: theirSHAP), note: note),
        ]
    }

    /// A model that splits everywhere: the label depends on all columns.
    private static func train(columns: Int) throws -> (trained: (values: [Float], labels: [Float]), booster: Booster) {
        var state: UInt64 = 1
        func uniform() -> Float {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Float(state >> 40) / 16_777_216
        }
        var (values, labels) = ([Float](), [Float]())
        for _ in 0..<20_000 {
            let row = (0..<columns).map { _ in uniform() < 0.1 ? Float.nan : uniform() }
            let score = row.enumerated().reduce(Float(0)) {
                $0 + ($1.element.isNaN ? 0.5 : $1.element) * Float($1.offset % 5)
            }
            labels.append(score + 6 * uniform() > 42 ? 1 : 0)
            values += row
        }
        let matrix = try DataMatrix(values, columnCount: columns, labels: labels)
        let booster = try Booster(
            [matrix], parameters: [("objective", "binary:logistic"), ("tree_method", "hist"), ("max_depth", "6")])
        for round in 0..<400 { try booster.update(round: round, on: matrix) }
        try booster.set("nthread", "1")
        return ((values, labels), booster)
    }
}
