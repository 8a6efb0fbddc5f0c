import Foundation
import FraudModel
import GradientBoosting
import TestSupport

/// Small model files that other versions and boosters of XGBoost wrote, and random data to train new ones on.
enum ModelFixtures {
    static func bytes(_ name: String) throws -> [UInt8] {
        let path = "\(TestEnvironment.packageRoot)/Tests/Unit/FraudModelTests/Fixtures/\(name)"
        return [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
    }

    static func ensemble(_ name: String) throws -> Predictor {
        try Predictor(BoosterModel(json: bytes(name), file: name))
    }

    /// Rows with missing values, ties and large numbers; labels that depend on them.
    static func data(rows: Int, columns: Int, seed: UInt64) -> (values: [Float], labels: [Float]) {
        var random = SplitMix64(seed)
        var (values, labels) = ([Float](), [Float]())
        for _ in 0..<rows {
            var sum = 0.0
            for column in 0..<columns {
                let value =
                    switch column % 4 {
                    case 0: random.normal()
                    case 1: (random.normal() * 8).rounded() / 4
                    case 2: random.uniform() < 0.5 ? Double.nan : random.normal()
                    default: random.uniform() * 1e6
                    }
                values.append(Float(value))
                if column < 6 { sum += value.isNaN ? 0.7 : column % 4 == 3 ? value / 1e6 : value }
            }
            labels.append(random.uniform() < 1 / (1 + exp(-2 * (sum - 2))) ? 1 : 0)
        }
        return (values, labels)
    }

    static func train(
        _ data: (values: [Float], labels: [Float]), columns: Int, rounds: Int, _ more: [(String, String)] = []
    ) throws -> Booster {
        let matrix = try DataMatrix(
            data.values, columnCount: columns, labels: data.labels, threads: 1)
        let parameters = [
            ("objective", "binary:logistic"), ("tree_method", "hist"), ("nthread", "1"), ("base_score", "0.2"),
        ]
        let booster = try Booster([matrix], parameters: parameters + more)
        for round in 0..<rounds { try booster.update(round: round, on: matrix) }
        try booster.setFeatureNames((0..<columns).map { "feature \($0)" })
        return booster
    }
}
