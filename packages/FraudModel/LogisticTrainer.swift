internal import Glibc
internal import JSON
internal import LBFGS

/// Logistic regression, the baseline that trees have to beat.
///
/// As scikit-learn's usual pipeline: numbers get the mean where they are missing and are scaled to mean 0 and deviation 1, categories
/// become a column a value (none for a value that is missing or unseen), both classes weigh the same however rare one is, and the
/// weights are shrunk by C = 1 while the intercept is not. The loss is least at one place only, so where the search starts
/// does not matter.
struct LogisticTrainer: Trainer {
    /// The length of the gradient at which the search ends; see `Minimizer`.
    var tolerance = 1e-5
    /// Steps of the search at most.
    var iterations = 200

    /// scikit-learn's names for what decides the model.
    var named: [String: String] {
        ["penalty": "l2", "C": "1.0", "class_weight": "balanced", "solver": "lbfgs", "max_iter": "\(iterations)"]
    }

    /// Fits as `Trainer` says; nothing is stopped early. The bytes are JSON: the intercept, and for each feature its mean, deviation
    /// and weight, or the weight of each value.
    func fit(
        _ rows: TrainingRows, stopping: TrainingRows, features: [ModelFeature],
        progress: (_ round: Int, _ averagePrecision: Double?) -> Bool
    ) throws(TrainingError) -> FittedModel {
        let frauds = rows.labels.count { $0 == 1 }
        guard frauds > 0, frauds < rows.count else { throw .refused("logistic regression needs both classes") }
        let loss = Loss(rows, features)
        var minimizer = Minimizer()
        minimizer.tolerance = tolerance
        minimizer.iterations = iterations
        var evaluations = 0
        let weights: [Double]
        do throws(MinimizerError) {
            weights = try minimizer.minimum(from: Array(repeating: 0, count: loss.size)) { point, gradient in
                evaluations += 1
                guard progress(evaluations - 1, nil) else { return .nan }
                return loss.value(point, &gradient)
            }
        } catch {
            switch error {
            case .stopped: throw .cancelled
            case .library: throw .refused("logistic regression: \(error)")
            }
        }
        let model = loss.model(weights)
        return FittedModel(
            predictor: .logistic(model), bytes: model.json(features).bytes(pretty: true) + [0x0A], rounds: evaluations)
    }

    /// What is minimised: the mean weighted loss of the rows and the penalty.
    private struct Loss {
        let inputs: [Float]
        let labels: [Float]
        let columns: Int
        let means: [Double]
        let deviations: [Double]
        /// By feature: the first weight; a number has one, a category one a value. The intercept comes last.
        let places: [Int]
        let isCategory: [Bool]
        let size: Int
        let classWeights: (other: Double, fraud: Double)

        init(_ rows: TrainingRows, _ features: [ModelFeature]) {
            (inputs, labels, columns) = (rows.inputs, rows.labels, features.count)
            isCategory = features.map { $0.categories != nil }
            var (places, next) = ([Int](), 0)
            for feature in features {
                places.append(next)
                next += feature.categories?.count ?? 1
            }
            (self.places, size) = (places, next + 1)
            let count = Double(labels.count)
            let frauds = Double(labels.count { $0 == 1 })
            classWeights = (count / (2 * (count - frauds)), count / (2 * frauds))
            var (means, deviations) = ([Double](), [Double]())
            for column in 0..<columns {
                var (sum, present) = (0.0, 0.0)
                for row in 0..<labels.count {
                    let value = Double(rows.inputs[row * features.count + column])
                    if !value.isNaN { (sum, present) = (sum + value, present + 1) }
                }
                let mean = present > 0 ? sum / present : 0
                var squares = 0.0
                for row in 0..<labels.count {
                    let value = Double(rows.inputs[row * features.count + column])
                    if !value.isNaN { squares += (value - mean) * (value - mean) }
                }
                // What is missing has the mean, so it adds nothing to the deviation.
                let deviation = (squares / count).squareRoot()
                means.append(mean)
                deviations.append(deviation > 0 && deviation.isFinite ? deviation : 1)
            }
            (self.means, self.deviations) = (means, deviations)
        }

        func value(_ weights: [Double], _ gradient: inout [Double]) -> Double {
            for index in gradient.indices { gradient[index] = 0 }
            var loss = 0.0
            var scaled = [Double](repeating: 0, count: columns)
            let count = Double(labels.count)
            for row in 0..<labels.count {
                var margin = weights[size - 1]
                for column in 0..<columns {
                    let input = inputs[row * columns + column]
                    guard !input.isNaN else {
                        scaled[column] = -1
                        continue
                    }
                    if isCategory[column] {
                        scaled[column] = Double(input)
                        margin += weights[places[column] + Int(input)]
                    } else {
                        scaled[column] = (Double(input) - means[column]) / deviations[column]
                        margin += weights[places[column]] * scaled[column]
                    }
                }
                let isFraud = labels[row] == 1
                let weight = isFraud ? classWeights.fraud : classWeights.other
                loss += weight * (max(margin, 0) - (isFraud ? margin : 0) + log1p(exp(-abs(margin))))
                let residual = weight * (PlattScaling.logistic(margin) - (isFraud ? 1 : 0))
                gradient[size - 1] += residual
                for column in 0..<columns where !inputs[row * columns + column].isNaN {
                    if isCategory[column] {
                        gradient[places[column] + Int(scaled[column])] += residual
                    } else {
                        gradient[places[column]] += residual * scaled[column]
                    }
                }
            }
            for index in 0..<size - 1 {
                loss += weights[index] * weights[index] / 2
                gradient[index] = (gradient[index] + weights[index]) / count
            }
            gradient[size - 1] /= count
            return loss / count
        }

        func model(_ weights: [Double]) -> LogisticModel {
            let terms = (0..<columns).map { column in
                let end = column + 1 < columns ? places[column + 1] : size - 1
                return isCategory[column]
                    ? LogisticModel.Term.category(weights: Array(weights[places[column]..<end]))
                    : .number(mean: means[column], deviation: deviations[column], weight: weights[places[column]])
            }
            return LogisticModel(intercept: weights[size - 1], terms: terms)
        }
    }
}

/// A fitted logistic regression. What is missing, or unseen in a category, adds nothing.
public struct LogisticModel: Hashable, Sendable {
    enum Term: Hashable, Sendable {
        case number(mean: Double, deviation: Double, weight: Double)
        case category(weights: [Double])
    }
    let intercept: Double
    let terms: [Term]

    private func contribution(_ index: Int, _ value: Float) -> Double {
        guard !value.isNaN else { return 0 }
        switch terms[index] {
        case .number(let mean, let deviation, let weight): return weight * (Double(value) - mean) / deviation
        case .category(let weights): return weights.indices.contains(Int(value)) ? weights[Int(value)] : 0
        }
    }

    func margin(_ inputs: ModelInputs) -> Float {
        var sum = intercept
        for index in terms.indices { sum += contribution(index, inputs[index]) }
        return Float(sum)
    }

    func addContributions(_ inputs: ModelInputs, to contributions: inout [Double]) -> Double {
        for index in terms.indices { contributions[index] += contribution(index, inputs[index]) }
        return intercept
    }

    func json(_ features: [ModelFeature]) -> JSONTree {
        [
            "intercept": .number(intercept),
            "features": .array(
                zip(features, terms).map { feature, term in
                    switch term {
                    case .number(let mean, let deviation, let weight):
                        [
                            "name": .string(feature.name), "mean": .number(mean), "deviation": .number(deviation),
                            "weight": .number(weight),
                        ]
                    case .category(let weights):
                        [
                            "name": .string(feature.name),
                            "weights": .object(
                                zip(feature.categories ?? [], weights).map { .init($0, .number($1)) }),
                        ]
                    }
                }),
        ]
    }
}
