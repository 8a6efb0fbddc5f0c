/// One input of a model.
public struct ModelFeature: Hashable, Sendable {
    /// `<view>__<feature>`.
    public let name: String
    /// The values of a category, sorted by bytes: the model's input is the index, any other value is missing. Nil for a number.
    public let categories: [String]?

    /// Describes an input.
    public init(name: String, categories: [String]? = nil) {
        self.name = name
        self.categories = categories
    }
}

/// How well a model did on rows it never saw. A metric that is not defined there is nil.
public struct ModelMetrics: Hashable, Sendable {
    /// Rows measured on, and the frauds among them.
    public var rows = 0, frauds = 0
    /// Average precision.
    public var averagePrecision: Double?
    /// Area under the ROC curve.
    public var rocAUC: Double?
    /// Recall at a false positive rate of 0.1 %.
    public var recallAtLowFalsePositives: Double?
    /// Recall at a precision of 0.9.
    public var recallAtHighPrecision: Double?
    /// The best F1 any threshold reaches.
    public var bestF1: Double?
    /// At the model's threshold.
    public var precision: Double?, recall: Double?, f1: Double?
    /// How far probabilities are from shares of frauds: the mean over ten equal spans of probability, weighted with their rows.
    public var calibrationError: Double?
    /// The mean squared distance of probability and label.
    var brier: Double?

    /// No rows.
    public init() {}

    /// Measures scores against labels, 1 for fraud.
    public init(scores: [Float], labels: [Float], threshold: Float) {
        let curve = RankingCurve(scores: scores, labels: labels)
        rows = scores.count
        frauds = curve.positives
        averagePrecision = curve.averagePrecision
        rocAUC = curve.rocAUC
        recallAtLowFalsePositives = curve.recall(atFalsePositiveRate: 0.001)
        recallAtHighPrecision = curve.recall(atPrecision: 0.9)
        bestF1 = curve.bestF1
        (precision, recall, f1) = curve.at(threshold: threshold)
        guard !scores.isEmpty else { return }
        calibrationError = Self.calibrationError(scores, labels)
        brier =
            zip(scores, labels).reduce(0) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) } / Double(scores.count)
    }

    private static func calibrationError(_ scores: [Float], _ labels: [Float]) -> Double {
        var bins = Array(repeating: (probabilities: 0.0, frauds: 0.0), count: 10)
        for (score, label) in zip(scores, labels) {
            let bin = min(9, max(0, Int(score * 10)))
            bins[bin].probabilities += Double(score)
            bins[bin].frauds += Double(label)
        }
        return bins.reduce(0) { $0 + abs($1.probabilities - $1.frauds) } / Double(scores.count)
    }
}

/// One part of the rows a model was made from.
public struct DataPart: Hashable, Sendable {
    /// Rows, and the frauds among them.
    public var rows = 0, frauds = 0
    /// Event times of the oldest and the newest row, ms UTC.
    public var fromMillis: Int64 = 0, toMillis: Int64 = 0

    /// No rows.
    public init() {}
}

/// Everything about a model that XGBoost's own file has no place for: `needletail.json` in the model's directory. Holds
/// no clock time of its making, so the same rows and seed make the same bytes.
public struct ModelCard: Hashable, Sendable {
    /// The feature service whose vectors the model takes.
    public var serviceName: String
    /// The definitions it was trained on. It refuses vectors of any other.
    public var definitionHash: String
    /// The inputs in order.
    public var features: [ModelFeature]
    /// A row is called fraud at or above this probability.
    public var threshold: Float = 0.5
    /// How the threshold was found, in words.
    public var thresholdRule = ""
    /// Rounds the model was cut to.
    public var rounds = 0
    /// What XGBoost was told, by its names.
    public var parameters: [String: String] = [:]
    /// A hash over the values, labels and times of all rows.
    public var fingerprint = ""
    /// Rows trees were fitted on; rows that stopped the fitting, calibrated and set the threshold; and rows kept for `metrics`.
    public var fit = DataPart(), stopping = DataPart(), holdout = DataPart()
    /// Measured on the holdout.
    public var metrics = ModelMetrics()
    /// The inputs' distributions in the rows fitted on, in order.
    public var reference: [ReferenceDistribution] = []
    /// The distribution of the score on the holdout.
    public var scoreReference = ReferenceDistribution(numbers: [])

    /// What made the margins those of true probabilities; nil where the rows had too few frauds for it. It is in the model's file.
    public var calibration: PlattScaling?
    /// Simpler models fitted and measured on the same rows.
    public var baselines: [Baseline] = []
    /// The revision of the definitions and the program, as git names it; empty where there is none.
    public var revision = ""

    /// A model that nothing is known of yet but what it takes.
    public init(serviceName: String, definitionHash: String, features: [ModelFeature]) {
        self.serviceName = serviceName
        self.definitionHash = definitionHash
        self.features = features
    }
}

/// A simpler model fitted on the same rows: what the model is worth is what it is better by.
public struct Baseline: Hashable, Sendable {
    /// What it is.
    public let name: String
    /// How many features it takes.
    public let features: Int
    /// Measured on the holdout.
    public let metrics: ModelMetrics
    /// Why there is none; nil where there is one.
    public let reason: String?
}
