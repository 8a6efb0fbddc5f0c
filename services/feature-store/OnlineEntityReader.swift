import FeatureEngine
import FeatureStore
import RedisClient
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
            let blob = { (number: Int, index: Int) in blobs[number * feed.views.count + index] }
            let known = try known(places, entities, feed, blob, under: watermark, watermarkKey)
            for (number, place) in places.enumerated() {
                states[place] = feed.views.enumerated().map { index, view in
                    let answer = Self.answer(view, blob(number, index), under: watermark, known: known[place])
                    var state: EntityState?
                    if case .state(let found) = answer { state = found }
                    return OnlineState(view: view, state: state, partition: partition, nextOffset: watermark.nextOffset)
                }
            }
        }
        return states
    }

    /// What the partition's filter says of the entities that lack a blob in one of the views, by their places.
    private func known(
        _ places: [Int], _ entities: [String], _ feed: ViewFeed, _ blob: (Int, Int) -> [UInt8]?,
        under watermark: Watermark, _ watermarkKey: String
    ) throws(RedisError) -> [Int: KnownEntities.Answer] {
        let asked = places.enumerated().filter { number, _ in
            feed.views.enumerated().contains { index, view in
                if case .ask = Self.answer(view, blob(number, index), under: watermark, known: nil) {
                    true
                } else {
                    false
                }
            }
        }.map(\.element)
        let key = OnlineKeys.known(watermarkKey: watermarkKey)
        let answers = try store.known(asked.map { Array(entities[$0].utf8) }, key: key)
        return Dictionary(uniqueKeysWithValues: zip(asked, answers))
    }

    private static func answer(
        _ view: StreamView, _ blob: [UInt8]?, under watermark: Watermark, known: KnownEntities.Answer?
    ) -> OnlineView.Answer {
        guard let blob else { return OnlineView.answer(view, blob: nil, under: watermark, known: known) }
        return OnlineView.answer(view, blob: blob.span, under: watermark, known: known)
    }
}
