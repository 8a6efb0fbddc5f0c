/// What a training does beside fitting.
public struct TrainingOptions: Sendable {
    /// The event time the holdout begins at, ms UTC; nil for the newest fifth.
    public var holdoutFromMillis: Int64?
    /// What the threshold is chosen for.
    public var threshold = ThresholdRule.precision(0.9)
    /// Whether the logistic and the request-only baseline are fitted too.
    public var fitsBaselines = true
    /// What the card calls the program's and the definitions' revision.
    public var revision = ""

    /// The defaults.
    public init() {}
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
    /// The logistic baseline's file; empty without one.
    public let logistic: [UInt8]
}

/// Makes a model of the rows of a set: splits, fits, calibrates, picks the threshold and measures, each on its own rows.
public enum ModelTrainer {
    /// Trains. `progress` hears of each round with the average precision on the rows that stop the fitting, and returns whether to
    /// go on.
    public static func train(
        _ set: TrainingSet, _ parameters: TrainingParameters, options: TrainingOptions = .init(),
        progress: (_ round: Int, _ averagePrecision: Double?) -> Bool = { _, _ in true }
    ) throws(TrainingError) -> TrainedModel {
        let split = TimeSplit(set, holdoutFromMillis: options.holdoutFromMillis)
        try requireBothClasses(set, set.describe(split.fit))
        try requireAmount(set, options.threshold)
        let features = set.features(in: split.fit)
        let stopping = set.rows(split.stopping, for: features)
        let trainer = XGBoostTrainer(parameters)
        var fitted = try trainer.fit(
            set.rows(split.fit, for: features), stopping: stopping, features: features, progress: progress)
        let scaling = PlattScaling(margins: fitted.predictor.margins(of: stopping.inputs), labels: stopping.labels)
        if let scaling { fitted = try XGBoostTrainer.scaling(fitted, by: scaling) }

        var card = ModelCard(serviceName: set.serviceName, definitionHash: set.definitionHash, features: features)
        (card.rounds, card.parameters, card.fingerprint) = (fitted.rounds, trainer.named, set.fingerprint())
        (card.fit, card.stopping) = (set.describe(split.fit), set.describe(split.stopping))
        (card.holdout, card.calibration, card.revision) = (set.describe(split.holdout), scaling, options.revision)
        choose(options.threshold, &card, set, split.stopping, fitted.predictor.margins(of: stopping.inputs))
        measure(fitted.predictor, &card, set, split)
        var logistic: [UInt8] = []
        if options.fitsBaselines {
            (card.baselines, logistic) = try baselines(set, split, features, trainer, card.threshold) {
                progress(fitted.rounds - 1, nil)
            }
        }
        do throws(ModelError) {
            let model = try ScoringModel(fitted.predictor, names: set.featureNames, card: card, version: "new")
            return TrainedModel(
                bytes: fitted.bytes, card: card, model: model, holdout: split.holdout, logistic: logistic)
        } catch {
            throw .model(error)
        }
    }

    /// Fits on a split and measures on its holdout, for what compares ways of fitting. The threshold plays no part.
    static func metrics(
        _ set: TrainingSet, _ split: TimeSplit, _ trainer: some Trainer, columns: [Int]? = nil, threshold: Float = 0.5,
        isGoingOn: () -> Bool
    ) throws(TrainingError) -> (metrics: ModelMetrics, fitted: FittedModel) {
        let all = set.features(in: split.fit)
        let features = columns.map { $0.map { all[$0] } } ?? all
        let fitted = try trainer.fit(
            set.rows(split.fit, for: all, columns: columns),
            stopping: set.rows(split.stopping, for: all, columns: columns),
            features: features, progress: { _, _ in isGoingOn() })
        let holdout = set.rows(split.holdout, for: all, columns: columns)
        let scores = fitted.predictor.margins(of: holdout.inputs).map(Predictor.logistic)
        return (ModelMetrics(scores: scores, labels: holdout.labels, threshold: threshold), fitted)
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

    /// The amount that a threshold of money goes by is a number that the rows have.
    private static func requireAmount(_ set: TrainingSet, _ rule: ThresholdRule) throws(TrainingError) {
        guard case .money(_, let amount) = rule, set.numbers(of: amount, in: []) == nil else { return }
        throw .refused("the threshold's \(amount) is no number among the features")
    }

    private static func choose(
        _ rule: ThresholdRule, _ card: inout ModelCard, _ set: TrainingSet, _ rows: [Int], _ margins: [Float]
    ) {
        var amounts: [Float]?
        if case .money(_, let amount) = rule { amounts = set.numbers(of: amount, in: rows) }
        let days = Double(card.stopping.toMillis - card.stopping.fromMillis) / 86_400_000
        let choice = rule.choose(
            scores: margins.map(Predictor.logistic), labels: rows.map { set.labels[$0] }, days: days, amounts: amounts)
        card.threshold = min(choice?.threshold ?? 0.5, 1)
        let hasFraud = rows.contains { set.labels[$0] == 1 }
        card.thresholdRule =
            choice?.words
            ?? (hasFraud
                ? "0.5: the known amounts of the frauds that should set it add up to no more than 0"
                : "0.5: the rows that should set it hold no fraud")
    }

    private static func measure(_ predictor: Predictor, _ card: inout ModelCard, _ set: TrainingSet, _ split: TimeSplit)
    {
        let scores = predictor.margins(of: set.inputs(split.holdout, for: card.features)).map(Predictor.logistic)
        card.metrics = ModelMetrics(
            scores: scores, labels: split.holdout.map { set.labels[$0] }, threshold: card.threshold)
        card.scoreReference = ReferenceDistribution(numbers: scores)
        let inputs = set.inputs(split.fit, for: card.features)
        let columns = card.features.count
        card.reference = card.features.enumerated().map { index, feature in
            let column = stride(from: index, to: inputs.count, by: columns).map { inputs[$0] }
            return feature.categories.map { ReferenceDistribution(indexes: column, values: $0) }
                ?? ReferenceDistribution(numbers: column)
        }
    }

    private static func baselines(
        _ set: TrainingSet, _ split: TimeSplit, _ features: [ModelFeature], _ trainer: XGBoostTrainer,
        _ threshold: Float,
        isGoingOn: () -> Bool
    ) throws(TrainingError) -> ([Baseline], logistic: [UInt8]) {
        var made: [Baseline] = []
        func add(_ name: String, _ trainer: some Trainer, _ columns: [Int]) throws(TrainingError) -> [UInt8] {
            do throws(TrainingError) {
                let (metrics, fitted) = try metrics(
                    set, split, trainer, columns: columns, threshold: threshold, isGoingOn: isGoingOn)
                made.append(Baseline(name: name, features: columns.count, metrics: metrics, reason: nil))
                return fitted.bytes
            } catch {
                // A baseline that cannot be fitted says why, and is no reason to have no model.
                guard error != .cancelled else { throw error }
                made.append(
                    Baseline(name: name, features: columns.count, metrics: ModelMetrics(), reason: "\(error)"))
                return []
            }
        }
        let logistic = try add("logistic", LogisticTrainer(), Array(features.indices))
        if !set.requestOnly.isEmpty, set.requestOnly.count < features.count {
            _ = try add("request only", trainer, set.requestOnly)
        }
        return (made, logistic)
    }
}
