public import FeatureEngine

/// What feeds stream views: the topic whose records make their state, and the field that keys that topic. Everything that lies by
/// partition (who owns an entity, its watermark, the position an answer is of) follows from it, and nothing else says it again.
///
///     topic  ──key──▶  partition  ──▶  the entity's state in each of the feed's views, under the partition's watermark
///
/// Views whose join key is the key of the source's topic are fed by that topic. A view of another entity is fed by a topic that
/// `transform` writes, `<topic>.by-<entity>`: the same events by that entity's key, each once in effect.
public struct ViewFeed: Sendable {
    /// The source of the events.
    public let source: SourceSchema
    /// The topic.
    public let topic: String
    /// The field of the source's rows that is the key of the topic's records.
    public let keyIndex: Int
    /// The views it makes the state of, in the order they are defined in.
    public let views: [StreamView]

    init(source: SourceSchema, topic: String, keyIndex: Int, views: [StreamView]) {
        (self.source, self.topic, self.keyIndex, self.views) = (source, topic, keyIndex, views)
    }

    /// A source's own topic, as a feed of no view.
    public init(own source: SourceSchema) {
        self.init(source: source, topic: source.topic, keyIndex: source.keyIndex, views: [])
    }

    /// Whether its topic is one that `transform` writes: the source's events by another key.
    public var isRekeyed: Bool { keyIndex != source.keyIndex }

    /// The topic that feeds a view.
    public static func topic(of view: StreamView) -> String {
        view.joinKeyIndex == view.source.keyIndex
            ? view.source.topic : rekeyedTopic(view.source.topic, entity: view.entityName)
    }

    /// The topic of a source's events by an entity's key.
    static func rekeyedTopic(_ topic: String, entity: String) -> String { "\(topic).by-\(entity)" }

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
    /// The feeds of a source's views that `transform` writes the topics of.
    public func rekeyedFeeds(of source: SourceSchema) -> [ViewFeed] {
        ViewFeed.feeds(of: views(of: source)).filter(\.isRekeyed)
    }

    /// Every feed, by source. The events of a source that has no views are read all the same: theirs is a feed of none.
    public var feeds: [ViewFeed] {
        sources.flatMap { source in
            let feeds = ViewFeed.feeds(of: views(of: source))
            guard !feeds.contains(where: { $0.topic == source.topic }) else { return feeds }
            return [ViewFeed(own: source)] + feeds
        }
    }
}
