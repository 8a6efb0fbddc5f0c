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
        try states(of: [entity], in: feed, repository, partitions: partitions)[0]
    }

    /// The same of many entities, in their order: one read for each partition that has some of them, and one question where some of
    /// these have no blob.
    public func states(
        of entities: [String], in feed: ViewFeed, _ repository: FeatureRepository, partitions: Int
    ) throws(Failure) -> [OnlineStates] {
        let placed = entities.map {
            Int(EntityPlacement.partition(of: $0, among: partitions, by: feed.source.partitioner))
        }
        var found = [OnlineStates?](repeating: nil, count: entities.count)
        for (partition, places) in Dictionary(grouping: entities.indices, by: { placed[$0] }) {
            let watermarkKey = OnlineKeys.watermark(hash8: repository.hash8, topic: feed.topic, partition: partition)
            let keys = places.flatMap { place in
                feed.views.map {
                    OnlineKeys.blob(
                        project: repository.project, view: $0.name, hash8: repository.hash8, entity: entities[place])
                }
            }
            let (watermark, blobs) = try read(watermarkKey: watermarkKey, blobKeys: keys)
            func answers(_ number: Int, known: KnownEntities.Answer? = nil) -> [OnlineView.Answer] {
                feed.views.enumerated().map { index, view in
                    guard let blob = blobs[number * feed.views.count + index] else {
                        return OnlineView.answer(view, blob: nil, under: watermark, known: known)
                    }
                    return OnlineView.answer(view, blob: blob.span, under: watermark, known: known)
                }
            }
            var all = places.indices.map { answers($0) }
            let asked = all.indices.filter { all[$0].contains(where: \.isQuestion) }
            if !asked.isEmpty {
                let said = try known(
                    asked.map { Array(entities[places[$0]].utf8) }, key: OnlineKeys.known(watermarkKey: watermarkKey))
                for (number, known) in zip(asked, said) { all[number] = answers(number, known: known) }
            }
            for (place, answers) in zip(places, all) {
                found[place] = OnlineStates(
                    partition: partition, watermarkKey: watermarkKey, watermark: watermark,
                    states: answers.map(\.certain))
            }
        }
        return found.compactMap(\.self)
    }
}

extension OnlineView.Answer {
    fileprivate var isQuestion: Bool {
        if case .ask = self { true } else { false }
    }

    /// The state; nil where nothing is certain.
    fileprivate var certain: EntityState? {
        if case .state(let state) = self { state } else { nil }
    }
}
