import FeatureEngine
public import FeatureStore

/// The topics of a pipeline, by name.
public enum PipelineTopics {
    /// What the API answered.
    public static let predictions = "predictions"

    /// Where refused records of a topic go.
    public static func deadLetters(of topic: String) -> String { "\(topic).dlq" }

    /// The topics `transform` consumes: those that feed views, labels of every source, and predictions; sorted, each once.
    public static func consumed(_ repository: FeatureRepository) -> [String] {
        let topics = repository.feeds.map(\.topic) + repository.sources.compactMap { $0.label?.topic } + [predictions]
        return Set(topics).sorted()
    }

    /// Every topic the pipeline needs, those of dead letters included; sorted.
    public static func all(_ repository: FeatureRepository) -> [String] {
        let consumed = consumed(repository)
        return (consumed + consumed.map(deadLetters(of:))).sorted()
    }
}
