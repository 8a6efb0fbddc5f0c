public import FeatureEngine

/// An on-demand view: features computed at the moment of a request, from its fields and from stream features.
public final class OnDemandView: Sendable {
    /// One feature.
    public struct Feature: Sendable {
        /// Its name within the view.
        public let name: String
        /// What it computes.
        public let expression: Expression
        /// The expression as it is written.
        public let text: String
        /// Whether it is a number or a category.
        public let kind: FeatureKind
    }

    /// The view's name.
    public let name: String
    /// The source whose fields are the request's.
    public let source: SourceSchema
    /// The views it reads, in the order of its file; `request` is left out.
    public let inputs: [String]
    /// The features in declared order.
    public let features: [Feature]

    init(name: String, source: SourceSchema, inputs: [String], features: [Feature]) {
        self.name = name
        self.source = source
        self.inputs = inputs
        self.features = features
    }
}
