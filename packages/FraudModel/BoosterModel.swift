/// One tree as XGBoost's files describe it: parallel arrays by node, node 0 the root, a child of −1 none.
public struct DecisionTree: Hashable, Sendable {
    /// Left child by node, −1 for a leaf.
    public var left: [Int32]
    /// Right child by node, −1 for a leaf.
    public var right: [Int32]
    /// Feature a node splits on.
    public var feature: [Int32]
    /// Threshold of a split (left is `value < threshold`), value of a leaf.
    public var condition: [Float]
    /// Whether a missing value goes left.
    public var defaultLeft: [Bool]
    /// Sum of hessians that reached the node in training: what SHAP weighs the branches with.
    public var cover: [Float]
    /// The categories that go right, by the nodes that split on categories and not on a threshold.
    public var categories: [Int32: [Int32]]

    /// Describes a tree.
    public init(
        left: [Int32], right: [Int32], feature: [Int32], condition: [Float], defaultLeft: [Bool], cover: [Float],
        categories: [Int32: [Int32]] = [:]
    ) {
        self.left = left
        self.right = right
        self.feature = feature
        self.condition = condition
        self.defaultLeft = defaultLeft
        self.cover = cover
        self.categories = categories
    }
}

/// What an XGBoost model file says, before it is compiled: one logistic output, trees or a linear function.
public struct BoosterModel: Hashable, Sendable {
    /// The boosters that are understood. Any other is refused by its name.
    public enum Booster: Hashable, Sendable {
        /// A sum of trees.
        case trees([DecisionTree])
        /// A sum of trees with a weight each (`dart`).
        case weightedTrees([DecisionTree], weights: [Float])
        /// A weight a feature, then the bias (`gblinear`); a missing value adds nothing.
        case linear([Float])
    }

    /// The trees or weights.
    public var booster: Booster
    /// The probability the sum starts from, as a margin.
    public var baseScore: Float
    /// Number of features a row has.
    public var featureCount: Int
    /// The features' names; empty when the file has none.
    public var featureNames: [String]
    /// The version of XGBoost that wrote the file.
    public var version: [Int]

    /// Describes a model.
    public init(booster: Booster, baseScore: Float, featureCount: Int, featureNames: [String], version: [Int]) {
        self.booster = booster
        self.baseScore = baseScore
        self.featureCount = featureCount
        self.featureNames = featureNames
        self.version = version
    }
}

/// Why a model was refused.
public enum ModelError: Error, Hashable, Sendable, CustomStringConvertible {
    /// No model where one was said to be.
    case notFound(String)
    /// The file cannot be read as what it should be: the file, then the reason.
    case malformed(String, String)
    /// The model is a kind that is not scored here.
    case unsupported(String)
    /// Model and definitions (or columns) do not belong together.
    case mismatch(String)
    /// The directory could not be written: its path, then the reason.
    case unwritable(String, String)

    public var description: String {
        switch self {
        case .notFound(let path): "there is no model at \(path)"
        case .malformed(let file, let reason): "\(file) is not a model: \(reason)"
        case .unsupported(let reason): reason
        case .mismatch(let reason): reason
        case .unwritable(let path, let reason): "cannot write the model to \(path): \(reason)"
        }
    }
}
