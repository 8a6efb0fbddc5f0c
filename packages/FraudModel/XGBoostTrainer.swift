internal import GradientBoosting
internal import JSON

/// What a training run may vary.
public struct TrainingParameters: Hashable, Sendable {
    /// Depth of a tree at most.
    public var depth = 6
    /// What a tree's values are multiplied with.
    public var learningRate = 0.1
    /// Rounds at most.
    public var rounds = 600
    /// Rounds without a better average precision after which fitting stops.
    public var patience = 40
    /// Share of the rows each tree sees.
    public var subsample = 1.0
    /// Seed of everything random.
    public var seed = 17
    /// Threads, 0 for all cores. The model does not depend on it.
    public var threads = 0

    /// The defaults.
    public init() {}
}

/// Fits boosted trees with libxgboost, round by round, and cuts them to the round that ranked the stopping rows best.
struct XGBoostTrainer: Trainer {
    /// What may be varied.
    let parameters: TrainingParameters

    /// A trainer with these parameters.
    init(_ parameters: TrainingParameters = .init()) { self.parameters = parameters }

    /// XGBoost's names for what decides the model.
    var named: [String: String] {
        [
            "objective": "binary:logistic", "tree_method": "hist", "max_depth": "\(parameters.depth)",
            "learning_rate": "\(parameters.learningRate)", "subsample": "\(parameters.subsample)",
            "seed": "\(parameters.seed)", "max_bin": "256",
        ]
    }

    /// Fits as `Trainer` says; the bytes are a `model.json` of XGBoost with the features' names.
    func fit(
        _ rows: TrainingRows, stopping: TrainingRows, features: [ModelFeature],
        progress: (_ round: Int, _ averagePrecision: Double?) -> Bool
    ) throws(TrainingError) -> FittedModel {
        let bytes: [UInt8]
        let rounds: Int
        do {
            let (booster, best) = try boost(rows, stopping, columns: features.count, progress)
            let cut = try booster.prefix(rounds: best)
            try cut.setFeatureNames(features.map(\.name))
            (bytes, rounds) = (try cut.model(format: .json), best)
        } catch let error as BoostingError {
            throw .library(error.description)
        } catch {
            throw .cancelled
        }
        do throws(ModelError) {
            let predictor = try Predictor(BoosterModel(json: bytes, file: "model.json"))
            return FittedModel(predictor: predictor, bytes: bytes, rounds: rounds)
        } catch {
            throw .model(error)
        }
    }

    private func boost(
        _ rows: TrainingRows, _ stopping: TrainingRows, columns: Int, _ progress: (Int, Double?) -> Bool
    ) throws -> (Booster, best: Int) {
        func matrix(_ rows: TrainingRows) throws(BoostingError) -> DataMatrix {
            try DataMatrix(rows.inputs, columnCount: columns, labels: rows.labels, threads: parameters.threads)
        }
        let training = try matrix(rows)
        let watched = stopping.count == 0 ? nil : try matrix(stopping)
        let booster = try Booster(
            [training] + (watched.map { [$0] } ?? []), parameters: named.sorted { $0.key < $1.key }.map { ($0, $1) })
        if parameters.threads > 0 { try booster.set("nthread", "\(parameters.threads)") }
        // Without a fraud to stop by, a modest number of rounds.
        let canStop = stopping.labels.contains(1)
        let rounds = canStop ? parameters.rounds : min(parameters.rounds, 100)
        var (best, bestPrecision) = (rounds, -1.0)
        for round in 0..<rounds {
            try booster.update(round: round, on: training)
            var precision: Double?
            if canStop, let watched {
                precision =
                    RankingCurve(scores: try booster.predictMargin(watched), labels: stopping.labels).averagePrecision
            }
            guard progress(round, precision) else { throw TrainingError.cancelled }
            guard let precision else { continue }
            if precision > bestPrecision {
                (best, bestPrecision) = (round + 1, precision)
            } else if round + 1 - best >= parameters.patience {
                break
            }
        }
        return (booster, best)
    }

    /// The same model with the margin m made a·m + b: leaves times a, and the margin that the sum starts from. What libxgboost makes of
    /// the file is still what is served, bit by bit, and contributions still add up to the margin.
    static func scaling(_ fitted: FittedModel, by scaling: PlattScaling) throws(TrainingError) -> FittedModel {
        do {
            let root = try JSONTree.parse(fitted.bytes)
            let bytes = try Booster(model: root.scalingTrees(by: scaling).bytes()).model(format: .json)
            let predictor = try Predictor(BoosterModel(json: bytes, file: "model.json"))
            return FittedModel(predictor: predictor, bytes: bytes, rounds: fitted.rounds)
        } catch let error as ModelError {
            throw .model(error)
        } catch {
            throw .library("\(error)")
        }
    }
}

extension JSONTree {
    /// The member's value made another by `change`; what is not there stays away.
    fileprivate func changing(_ key: String, _ change: (JSONTree) -> JSONTree) -> JSONTree {
        guard case .object(var members) = self else { return self }
        for index in members.indices where members[index].key == key {
            members[index].value = change(members[index].value)
        }
        return .object(members)
    }

    fileprivate func scalingTrees(by scaling: PlattScaling) -> JSONTree {
        func times(_ value: JSONTree) -> JSONTree {
            guard case .number(let text) = value, let number = Float(text) else { return value }
            return .number("\(Float(Double(number) * scaling.slope))")
        }
        func scaled(_ tree: JSONTree) -> JSONTree {
            let children = tree["left_children"]?.array ?? []
            return tree.changing("split_conditions") { conditions in
                .array(zip(conditions.array ?? [], children).map { $1 == .number("-1") ? times($0) : $0 })
            }.changing("base_weights") { .array(($0.array ?? []).map(times)) }
        }
        return changing("learner") { learner in
            learner.changing("gradient_booster") { booster in
                booster.changing("model") { model in
                    model.changing("trees") { .array(($0.array ?? []).map(scaled)) }
                }
            }.changing("learner_model_param") { parameters in
                parameters.changing("base_score") { score in
                    let start = Float(score.string ?? "").map { Double($0) } ?? 0.5
                    return .string("\(Float(scaling.probability(ofMargin: PlattScaling.logit(start))))")
                }
            }
        }
    }
}
