public import FeatureEngine

/// What feeds stream views: the topic whose records make their state, and the field that keys that topic. Everything that lies by
/// partition (who owns an entity, its watermark, the position an answer is of) follows from it, and nothing else says it again.
///
///     topic  ──key──▶  partition  ──▶  the entity's state in each of the feed's views, under the partition's watermark
///
/// Today every view of a source is fed by the source's own topic, keyed by the join key they share, so a source is one feed. A
/// view of another entity would be fed by a topic that holds the same events by that entity's key: `topic(of:)` would name it.
public struct ViewFeed: Sendable {
    /// The source of the events.
    public let source: SourceSchema
    /// The topic.
    public let topic: String
    /// The field of the source's rows that is the key of the topic's records.
    public let keyIndex: Int
    /// The views it makes the state of, in the order they are defined in.
    public let views: [StreamView]

    /// The topic that feeds a view.
    public static func topic(of view: StreamView) -> String { view.source.topic }

    /// The field that keys the topic of a view.
    public static func keyIndex(of view: StreamView) -> Int { view.joinKeyIndex }

    /// The feeds of some views, in the order of their first one.
    public static func feeds(of views: [StreamView]) -> [ViewFeed] {
        var feeds: [ViewFeed] = []
        for view in views {
            let (topic, keyIndex) = (topic(of: view), keyIndex(of: view))
            guard !feeds.contains(where: { $0.topic == topic && $0.keyIndex == keyIndex }) else { continue }
            let fed = views.filter { Self.topic(of: $0) == topic && Self.keyIndex(of: $0) == keyIndex }
            feeds.append(ViewFeed(source: view.source, topic: topic, keyIndex: keyIndex, views: fed))
        }
        return feeds
    }

    /// The partition of a row's entity among those of the topic, at least one.
    public func partition(of row: SourceRow, among partitionCount: Int) -> Int32 {
        row.withCanonicalBytes(keyIndex) {
            EntityPlacement.partition(of: $0, among: partitionCount, by: source.partitioner)
        }
    }
}

extension FeatureRepository {
    /// Every feed, by source. The events of a source that has no views are read all the same: theirs is a feed of none.
    public var feeds: [ViewFeed] {
        sources.flatMap { source in
            let feeds = ViewFeed.feeds(of: views(of: source))
            guard !feeds.contains(where: { $0.topic == source.topic }) else { return feeds }
            return [ViewFeed(source: source, topic: source.topic, keyIndex: source.keyIndex, views: [])] + feeds
        }
    }
}
