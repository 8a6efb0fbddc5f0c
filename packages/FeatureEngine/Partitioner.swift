/// How the producers of a topic choose the partition of a key. Whoever reads an entity's state looks where this says.
public enum Partitioner: String, CaseIterable, Hashable, Sendable {
    /// As Java's clients do, and librdkafka with `partitioner=murmur2_random`.
    case murmur2
    /// As librdkafka does by default (`consistent_random`): kcat, and the Confluent clients for Python, Go and .NET.
    case consistent
}
