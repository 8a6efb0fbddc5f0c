public import FeatureEngine

/// What a request at this moment would get of one entity, and the place in the log it is of.
public struct OnlineStates: Sendable {
    /// The partition that the entity's events are on.
    public let partition: Int
    /// Where the partition's watermark is kept.
    public let watermarkKey: String
    /// How far the partition is complete; nil when the store knows nothing of it under these definitions.
    public let watermark: Watermark?
    /// The entity's state in each view of the feed; nil where nothing is certain: its blob was lost or damaged, or a rebuild is not
    /// done.
    public let states: [EntityState?]
}

extension OnlineStore {
    /// Reads an entity's state in every view of a feed, by the rules of `OnlineView`. `partitions` is the count of the feed's topic, at
    /// least 1.
    public func states(
        of entity: String, in feed: ViewFeed, _ repository: FeatureRepository, partitions: Int
    ) throws(Failure) -> OnlineStates {
        let partition = Int(EntityPlacement.partition(of: entity, among: partitions, by: feed.source.partitioner))
        let watermarkKey = OnlineKeys.watermark(hash8: repository.hash8, topic: feed.topic, partition: partition)
        let keys = feed.views.map {
            OnlineKeys.blob(project: repository.project, view: $0.name, hash8: repository.hash8, entity: entity)
        }
        let (watermark, blobs) = try read(watermarkKey: watermarkKey, blobKeys: keys)
        var states: [EntityState?] = []
        for (view, blob) in zip(feed.views, blobs) {
            func answer(_ known: KnownEntities.Answer?) -> OnlineView.Answer {
                guard let blob else { return OnlineView.answer(view, blob: nil, under: watermark, known: known) }
                return OnlineView.answer(view, blob: blob.span, under: watermark, known: known)
            }
            var result = answer(nil)
            if case .ask = result {
                let key = OnlineKeys.known(watermarkKey: watermarkKey)
                result = answer(try known(Array(entity.utf8).span, key: key))
            }
            if case .state(let state) = result { states.append(state) } else { states.append(nil) }
        }
        return OnlineStates(partition: partition, watermarkKey: watermarkKey, watermark: watermark, states: states)
    }
}
