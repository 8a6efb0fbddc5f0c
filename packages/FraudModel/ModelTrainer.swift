public import GradientBoosting

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

    /// XGBoost's names for what decides the model.
    var named: [String: String] {
        [
            "objective": "binary:logistic", "tree_method": "hist", "max_depth": "\(depth)",
            "learning_rate": "\(learningRate)", "subsample": "\(subsample)", "seed": "\(seed)", "max_bin": "256",
        ]
    }
}

/// Why no model was made.
public enum TrainingError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The rows cannot teach anything; the sentence says why.
    case refused(String)
    /// The caller wanted to stop.
    case cancelled
    /// libxgboost refused.
    case boosting(BoostingError)
    /// The trained model could not be compiled.
    case model(ModelError)

    public var description: String {
        switch self {
        case .refused(let reason): reason
        case .cancelled: "the training was stopped"
        case .boosting(let error): error.description
        case .model(let error): error.description
        }
    }
}

/// A model that was trained, not yet written anywhere.
public struct TrainedModel: Sendable {
    /// XGBoost's own file, cut to the best round.
    public let bytes: [UInt8]
    /// Everything beside it.
    public let card: ModelCard
    /// Ready to score.
    public let model: ScoringModel
    /// The rows it was measured on.
    public let holdout: [Int]
}

/// Fits a model on the rows of a set.
public enum ModelTrainer {
    /// Splits, fits, picks the threshold and measures. `progress` hears of each round with the average precision on the rows that
    /// stop the fitting, and returns whether to go on.
    public static func train(
        _ set: TrainingSet, _ parameters: TrainingParameters = .init(), holdoutFromMillis: Int64? = nil,
        progress: (_ round: Int, _ averagePrecision: Double?) -> Bool = { _, _ in true }
    ) throws(TrainingError) -> TrainedModel {
        let split = TimeSplit(set, holdoutFromMillis: holdoutFromMillis)
        let fit = set.describe(split.fit)
        try requireBothClasses(set, fit)
        let features = set.featureNames.enumerated().map { index, name in
            ModelFeature(name: name, categories: set.categories(index, in: split.fit))
        }
        let named = parameters.named
        let booster: Booster
        let best: Int
        do {
            (booster, best) = try Self.fit(set, split, features, named, parameters, progress)
        } catch let error as BoostingError {
            throw .boosting(error)
        } catch {
            throw .cancelled
        }
        let bytes: [UInt8]
        do throws(BoostingError) {
            let cut = try booster.prefix(rounds: best)
            try cut.setFeatureNames(set.featureNames)
            bytes = try cut.model(format: .json)
        } catch {
            throw .boosting(error)
        }
        return try finish(set, split, features, named, bytes, rounds: best)
    }

    private static func requireBothClasses(_ set: TrainingSet, _ fit: DataPart) throws(TrainingError) {
        guard set.count > 0 else { throw .refused("there is no row with a label that has arrived") }
        let frauds = set.labels.count { $0 == 1 }
        guard frauds > 0, frauds < set.count else {
            let word = frauds == 0 ? "legitimate" : "fraud"
            throw .refused("all \(set.count) labelled rows are \(word): a model needs both classes")
        }
        guard fit.frauds > 0, fit.frauds < fit.rows else {
            throw .refused(
                "the \(fit.rows) rows before the holdout hold \(fit.frauds) frauds: a model needs both classes there")
        }
    }

    private static func fit(
        _ set: TrainingSet, _ split: TimeSplit, _ features: [ModelFeature], _ named: [String: String],
        _ parameters: TrainingParameters, _ progress: (Int, Double?) -> Bool
    ) throws -> (Booster, best: Int) {
        func matrix(_ rows: [Int]) throws(BoostingError) -> DataMatrix {
            try DataMatrix(
                set.inputs(rows, for: features), columnCount: features.count, labels: rows.map { set.labels[$0] },
                threads: parameters.threads)
        }
        let training = try matrix(split.fit)
        let stopping = split.stopping.isEmpty ? nil : try matrix(split.stopping)
        let labels = split.stopping.map { set.labels[$0] }
        let booster = try Booster(
            [training] + (stopping.map { [$0] } ?? []), parameters: named.sorted { $0.key < $1.key }.map { ($0, $1) })
        if parameters.threads > 0 { try booster.set("nthread", "\(parameters.threads)") }
        // Without a fraud to stop by, a modest number of rounds.
        let canStop = labels.contains(1)
        let rounds = canStop ? parameters.rounds : min(parameters.rounds, 100)
        var (best, bestPrecision) = (rounds, -1.0)
        for round in 0..<rounds {
            try booster.update(round: round, on: training)
            var precision: Double?
            if canStop, let stopping {
                precision = RankingCurve(scores: try booster.predictMargin(stopping), labels: labels).averagePrecision
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

    private static func finish(
        _ set: TrainingSet, _ split: TimeSplit, _ features: [ModelFeature], _ named: [String: String], _ bytes: [UInt8],
        rounds: Int
    ) throws(TrainingError) -> TrainedModel {
        do throws(ModelError) {
            let described = try BoosterModel(json: bytes, file: "model.json")
            let predictor = try Predictor(described)
            let empty = ReferenceDistribution(numbers: [])
            var card = ModelCard(
                serviceName: set.serviceName, definitionHash: set.definitionHash, features: features, threshold: 0.5,
                thresholdRule: "0.5: the rows that should set it hold no fraud", rounds: rounds, parameters: named,
                fingerprint: set.fingerprint(), fit: set.describe(split.fit), stopping: set.describe(split.stopping),
                holdout: set.describe(split.holdout), metrics: ModelMetrics(), reference: [], scoreReference: empty)
            let unmeasured = try ScoringModel(predictor, names: described.featureNames, card: card, version: "new")
            let stopping = RankingCurve(
                scores: try set.probabilities(split.stopping, of: unmeasured),
                labels: split.stopping.map { set.labels[$0] })
            if let threshold = stopping.threshold() {
                card.threshold = threshold
                let precision = stopping.at(threshold: threshold).precision ?? 0
                card.thresholdRule =
                    precision >= 0.9 ? "precision of at least 0.9" : "best F1: no score has a precision of 0.9"
            }
            let scores = try set.probabilities(split.holdout, of: unmeasured)
            card.metrics = ModelMetrics(
                scores: scores, labels: split.holdout.map { set.labels[$0] }, threshold: card.threshold)
            card.scoreReference = ReferenceDistribution(numbers: scores)
            let inputs = set.inputs(split.fit, for: features)
            card.reference = features.enumerated().map { index, feature in
                let column = stride(from: index, to: inputs.count, by: features.count).map { inputs[$0] }
                return feature.categories.map { ReferenceDistribution(indexes: column, values: $0) }
                    ?? ReferenceDistribution(numbers: column)
            }
            let model = try ScoringModel(predictor, names: described.featureNames, card: card, version: "new")
            return TrainedModel(bytes: bytes, card: card, model: model, holdout: split.holdout)
        } catch {
            throw .model(error)
        }
    }
}
