import Glibc

/// A compiled model: what turns a row into a margin. Closed, so a call is a switch and not a lookup. Immutable and shared;
/// each thread brings its own `ModelInputs`.
public enum Predictor: Sendable {
    /// A sum of trees (`gbtree`, `dart`).
    case trees(TreeEnsemble)
    /// A weighted sum (`gblinear`).
    case linear(LinearModel)
    /// A logistic regression, the baseline.
    case logistic(LogisticModel)

    /// Compiles what a file says. What is no tree, a number that is none where it counts, or sums that could pass float32's range are
    /// refused.
    public init(_ model: BoosterModel) throws(ModelError) {
        guard model.baseScore > 0, model.baseScore < 1 else {
            throw .malformed("the model", "its base_score is \(model.baseScore), not a probability between 0 and 1")
        }
        guard (1...BoosterModel.mostFeatures).contains(model.featureCount) else {
            throw .malformed("the model", "it has \(model.featureCount) features")
        }
        // The rounding of libxgboost: 1/p in float32, then its logarithm.
        let baseMargin = -logf(1 / model.baseScore - 1)
        self =
            switch model.booster {
            case .linear(let values): .linear(try LinearModel(values, model.featureCount, baseMargin: baseMargin))
            case .trees(let trees): .trees(try TreeEnsemble(trees, model.featureCount, baseMargin: baseMargin))
            case .weightedTrees(let trees, let weights):
                .trees(try TreeEnsemble(trees, weights: weights, model.featureCount, baseMargin: baseMargin))
            }
    }

    /// Number of features of a row.
    public var featureCount: Int {
        switch self {
        case .trees(let ensemble): ensemble.featureCount
        case .linear(let model): model.featureCount
        case .logistic(let model): model.terms.count
        }
    }

    /// Number of trees; 0 for a linear model.
    public var treeCount: Int {
        switch self {
        case .trees(let ensemble): ensemble.treeCount
        case .linear, .logistic: 0
        }
    }

    /// A row with every value missing.
    public func makeInputs() -> ModelInputs {
        if case .trees(let ensemble) = self { return ModelInputs(count: featureCount, ensemble.categories) }
        return ModelInputs(count: featureCount)
    }

    /// The margin of a row: the sum before the logistic function, with libxgboost's bits.
    public func margin(_ inputs: ModelInputs) -> Float {
        switch self {
        case .trees(let ensemble): ensemble.margin(inputs)
        case .linear(let model): model.margin(inputs)
        case .logistic(let model): model.margin(inputs)
        }
    }

    /// The margins of rows that stand one after the other.
    func margins(of inputs: [Float]) -> [Float] {
        let columns = featureCount
        var slots = makeInputs()
        return (0..<inputs.count / columns).map { row in
            for column in 0..<columns { slots.set(column, Double(inputs[row * columns + column])) }
            return margin(slots)
        }
    }

    /// The probability of a row.
    public func probability(_ inputs: ModelInputs) -> Float { Self.logistic(margin(inputs)) }

    /// The SHAP values of one row: one a feature, replacing what `contributions` held; returns the bias. Bias and contributions
    /// add up to the margin.
    public func contributions(_ inputs: inout ModelInputs, into contributions: inout [Double]) -> Double {
        contributions.removeAll(keepingCapacity: true)
        contributions.append(contentsOf: repeatElement(0, count: featureCount))
        switch self {
        case .trees(let ensemble): return ensemble.addContributions(&inputs, to: &contributions)
        case .linear(let model): return model.addContributions(inputs, to: &contributions)
        case .logistic(let model): return model.addContributions(inputs, to: &contributions)
        }
    }

    /// The logistic function in float32, as libxgboost computes it.
    public static func logistic(_ margin: Float) -> Float {
        1 / (expf(min(-margin, 88.7)) + 1 + 1e-16)
    }
}

/// A row for one thread: filled by `set`, read by `Predictor`.
public struct ModelInputs: Sendable {
    /// By feature: the value, +∞ for missing. Behind them the same with −∞ for missing, then a zero, which leaves compare with.
    /// Last the slots of splits on categories.
    var slots: [Float]
    let count: Int
    var scratch = TreeEnsemble.Scratch()
    private let categories: CategorySplits?

    init(count: Int, _ categories: CategorySplits? = nil) {
        self.count = count
        self.categories = categories
        slots = Array(repeating: .infinity, count: Self.slotCount(of: count) + (categories?.slotCount ?? 0))
        for index in count..<2 * count { slots[index] = -.infinity }
        slots[2 * count] = 0
        for index in 0..<count { categories?.fill(&slots, index, .nan) }
    }

    /// Slots of a row without those of splits on categories.
    static func slotCount(of count: Int) -> Int { 2 * count + 1 }

    /// Sets a feature. NaN is missing. An infinity, or a double past float32's range, counts as the largest float32,
    /// which falls on the same side of every threshold and which libxgboost accepts.
    @inlinable
    public mutating func set(_ index: Int, _ value: Double) { set(index, float: Self.float(value)) }

    @usableFromInline
    mutating func set(_ index: Int, float value: Float) {
        slots[index] = value.isNaN ? .infinity : value
        slots[index + count] = value.isNaN ? -.infinity : value
        categories?.fill(&slots, index, value)
    }

    subscript(index: Int) -> Float { slots[index] == .infinity ? .nan : slots[index] }

    /// The float32 a value is compared as: see `set`.
    @inlinable
    public static func float(_ value: Double) -> Float {
        let largest = Float.greatestFiniteMagnitude
        return value.isNaN ? .nan : min(max(Float(value), -largest), largest)
    }
}

/// A weight a feature and a bias; a missing value adds nothing.
public struct LinearModel: Sendable {
    let featureCount: Int
    private let weights: [Float]  // a weight a feature, then the bias
    private let baseMargin: Float

    init(_ values: [Float], _ featureCount: Int, baseMargin: Float) throws(ModelError) {
        guard values.count == featureCount + 1 else {
            throw .malformed("the model", "it has \(values.count) weights for \(featureCount) features and a bias")
        }
        guard values.allSatisfy(\.isFinite) else { throw .malformed("the model", "it has a weight that is no number") }
        self.featureCount = featureCount
        self.baseMargin = baseMargin
        weights = values
    }

    func margin(_ inputs: ModelInputs) -> Float {
        var sum = weights[featureCount] + baseMargin
        for index in 0..<featureCount where !inputs[index].isNaN { sum += inputs[index] * weights[index] }
        return sum
    }

    func addContributions(_ inputs: ModelInputs, to contributions: inout [Double]) -> Double {
        for index in 0..<featureCount where !inputs[index].isNaN {
            contributions[index] += Double(inputs[index] * weights[index])
        }
        return Double(weights[featureCount] + baseMargin)
    }
}
