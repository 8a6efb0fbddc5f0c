public import FeatureEngine

/// What feeds a stream view: the topic whose records make its state, and the field that keys that topic. Everything that lies by
/// partition (watermarks, blobs' owners, positions that are served) follows from it, and nothing else says it a second time.
///
///     source's topic  ──key──▶  partition  ──▶  the entity's state in this view, under the partition's watermark
///
/// Today every view of a source is fed by the source's own topic, keyed by their common join key.
public struct ViewFeed: Sendable {
    /// The view.
    public let view: StreamView
    /// The topic.
    public let topic: String
    /// The field of the source's rows that is the key of the topic's records.
    public let keyIndex: Int
    /// Partitions of the topic; nil until Kafka has said how many. At least 1.
    public var partitionCount: Int?

    /// The feed of a view.
    public init(_ view: StreamView, partitionCount: Int? = nil) {
        self.view = view
        topic = view.source.topic
        keyIndex = view.source.keyIndex
        self.partitionCount = partitionCount
    }

    /// The partition of a row's entity; nil while the count is not known.
    public func partition(of row: SourceRow) -> Int32? {
        guard let partitionCount else { return nil }
        return row.withCanonicalBytes(keyIndex) {
            EntityPlacement.partition(of: $0, among: partitionCount, by: view.source.partitioner)
        }
    }

    /// The partition of an entity by its key's bytes; nil while the count is not known.
    public func partition(of entity: ByteString) -> Int32? {
        partitionCount.map { EntityPlacement.partition(of: entity.bytes, among: $0, by: view.source.partitioner) }
    }
}

extension FeatureRepository {
    /// The feeds of a source's views, in their order.
    public func feeds(of source: SourceSchema) -> [ViewFeed] { views(of: source).map { ViewFeed($0) } }

    /// The feeds of a topic: the views whose state its records make.
    public func feeds(by topic: String) -> [ViewFeed] { views.map { ViewFeed($0) }.filter { $0.topic == topic } }
}
