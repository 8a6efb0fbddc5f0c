public import FeatureEngine

/// The features of one model, in the order of its input: columns of stream views and on-demand ones.
///
/// Immutable and shared; `assemble` may run on any number of threads at once.
public final class FeatureService: Sendable {
    enum Column: Sendable {
        case stream(view: Int, index: Int)
        case onDemand(ExpressionProgram)
    }

    /// The service's name.
    public let name: String
    /// 16 hex digits over everything that decides a value of this service.
    public let definitionHash: String
    /// The source whose events and requests it scores.
    public let source: SourceSchema
    /// The stream views it needs, those of its features first.
    public let views: [StreamView]
    /// `<view>__<feature>`, in the model's order.
    public let featureNames: [String]
    /// Whether each feature is a number or a category.
    public let kinds: [FeatureKind]
    /// The slots of what is computed from the request alone, with no view.
    public let requestOnly: [Int]

    private let columns: [Column]
    private let order: [Int]  // slots in an order in which each needs only those before it
    private let indexes: [String: Int]

    init(
        name: String, source: SourceSchema, views: [StreamView],
        columns: [(name: String, column: Column, kind: FeatureKind)],
        order: [Int], requestOnly: [Int], definitionHash: String
    ) {
        self.name = name
        self.source = source
        self.views = views
        self.columns = columns.map(\.column)
        self.order = order
        self.requestOnly = requestOnly
        self.definitionHash = definitionHash
        featureNames = columns.map(\.name)
        kinds = columns.map(\.kind)
        indexes = Dictionary(uniqueKeysWithValues: columns.enumerated().map { ($1.name, $0) })
    }

    /// The slot of a feature, by its full name.
    public func index(of featureName: String) -> Int? { indexes[featureName] }

    /// A vector of the service's size, all missing.
    public func makeVector() -> FeatureVector { FeatureVector(count: columns.count) }

    /// One vector a view, all missing, in the order of `views`.
    public func makeViewVectors() -> [FeatureVector] { views.map { FeatureVector(count: $0.features.count) } }

    /// Joins a request with its views' vectors (in the order of `views`) and computes the on-demand features.
    public func assemble(row: SourceRow, viewVectors: [FeatureVector], into vector: inout FeatureVector) {
        precondition(viewVectors.count == views.count && vector.count == columns.count, "a vector of another service")
        for slot in order {
            switch columns[slot] {
            case .stream(let view, let index):
                vector.numbers[slot] = viewVectors[view].numbers[index]
                vector.texts[slot] = viewVectors[view].texts[index]
            case .onDemand(let program): program.evaluate(row, viewVectors, into: &vector, at: slot)
            }
        }
    }
}
