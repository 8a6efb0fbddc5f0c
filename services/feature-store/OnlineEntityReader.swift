import FeatureEngine
import FeatureStore
import RedisOnlineStore
import ServiceRuntime

/// What the online store says of one entity in one view, and the place in the log it is of.
struct OnlineState {
    let view: StreamView
    /// Nil where nothing is certain.
    let state: EntityState?
    let partition: Int
    let nextOffset: Int64

    /// The answer at a moment.
    func answer(atMillis: Int64, topic: String) -> OnlineAnswer {
        var vector = FeatureVector(count: view.features.count)
        state?.evaluate(atMillis: atMillis, into: &vector)
        return OnlineAnswer(
            view: view, vector: vector, generation: state?.generation, offset: state?.offset, events: state?.count,
            topic: topic, partition: partition, nextOffset: nextOffset)
    }
}

/// Reads the online state of many entities at once. One connection, one thread.
struct OnlineEntityReader {
    /// Entities of one read: with their views, what one MGET may ask for.
    static let batch = 500

    private let repository: FeatureRepository
    private let store: RedisOnlineStore

    init(_ repository: FeatureRepository, _ store: RedisOnlineStore) {
        (self.repository, self.store) = (repository, store)
    }

    /// The states of each entity in a feed's views, in their order: one round trip for each partition that has some of them. Where a
    /// partition has no watermark, a `CommandError` says so.
    func read(_ entities: [String], _ feed: ViewFeed, partitions: Int) throws -> [[OnlineState]] {
        let placed = entities.indices.map {
            Int(EntityPlacement.partition(of: entities[$0], among: partitions, by: feed.source.partitioner))
        }
        var states: [[OnlineState]] = entities.map { _ in [] }
        for (partition, places) in Dictionary(grouping: entities.indices, by: { placed[$0] }) {
            let watermarkKey = OnlineKeys.watermark(hash8: repository.hash8, topic: feed.topic, partition: partition)
            let keys = places.flatMap { place in
                feed.views.map {
                    OnlineKeys.blob(
                        project: repository.project, view: $0.name, hash8: repository.hash8, entity: entities[place])
                }
            }
            let (watermark, blobs) = try store.read(watermarkKey: watermarkKey, blobKeys: keys)
            guard let watermark else {
                throw CommandError(
                    .unavailable,
                    "the online store knows nothing of partition \(partition) of \(feed.topic) under these definitions (\(watermarkKey) is absent, or no watermark): is `needletail transform` running?"
                )
            }
            for (number, place) in places.enumerated() {
                for (index, view) in feed.views.enumerated() {
                    let state = try state(
                        view, blobs[number * feed.views.count + index], under: watermark, watermarkKey, entities[place])
                    states[place].append(
                        OnlineState(
                            view: view, state: state, partition: partition, nextOffset: watermark.nextOffset))
                }
            }
        }
        return states
    }

    /// What a reader says of one view of one entity; nil where nothing is certain.
    private func state(
        _ view: StreamView, _ blob: [UInt8]?, under watermark: Watermark, _ watermarkKey: String, _ entity: String
    ) throws -> EntityState? {
        func answer(_ known: KnownEntities.Answer?) -> OnlineView.Answer {
            guard let blob else { return OnlineView.answer(view, blob: nil, under: watermark, known: known) }
            return OnlineView.answer(view, blob: blob.span, under: watermark, known: known)
        }
        var result = answer(nil)
        if case .ask = result {
            let key = OnlineKeys.known(watermarkKey: watermarkKey)
            result = answer(try store.known(Array(entity.utf8).span, key: key))
        }
        guard case .state(let state) = result else { return nil }
        return state
    }
}
