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

    /// Describes a part.
    public init(rows: Int, frauds: Int, fromMillis: Int64, toMillis: Int64) {
        self.rows = rows
        self.frauds = frauds
        self.fromMillis = fromMillis
        self.toMillis = toMillis
    }
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
    public var threshold: Float
    /// How the threshold was found, in words.
    public var thresholdRule: String
    /// Rounds the model was cut to.
    public var rounds: Int
    /// What XGBoost was told, by its names.
    public var parameters: [String: String]
    /// A hash over the values, labels and times of all rows.
    public var fingerprint: String
    /// Rows trees were fitted on, rows that stopped the fitting and set the threshold, and rows kept for `metrics`.
    public var fit: DataPart, stopping: DataPart, holdout: DataPart
    /// Measured on the holdout.
    public var metrics: ModelMetrics
    /// The inputs' distributions in the rows fitted on, in order.
    public var reference: [ReferenceDistribution]
    /// The distribution of the score on the holdout.
    public var scoreReference: ReferenceDistribution

    /// Describes a model.
    public init(
        serviceName: String, definitionHash: String, features: [ModelFeature], threshold: Float, thresholdRule: String,
        rounds: Int, parameters: [String: String], fingerprint: String, fit: DataPart, stopping: DataPart,
        holdout: DataPart, metrics: ModelMetrics, reference: [ReferenceDistribution],
        scoreReference: ReferenceDistribution
    ) {
        self.serviceName = serviceName
        self.definitionHash = definitionHash
        self.features = features
        self.threshold = threshold
        self.thresholdRule = thresholdRule
        self.rounds = rounds
        self.parameters = parameters
        self.fingerprint = fingerprint
        self.fit = fit
        self.stopping = stopping
        self.holdout = holdout
        self.metrics = metrics
        self.reference = reference
        self.scoreReference = scoreReference
    }
}
