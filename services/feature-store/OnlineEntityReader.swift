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

    /// The states of each entity in a feed's views, in their order: one round trip for each partition that has some of them, and one
    /// more where some have no blob. Where a partition has no watermark, a `CommandError` says so.
    func read(_ entities: [String], _ feed: ViewFeed, partitions: Int) throws -> [[OnlineState]] {
        try store.states(of: entities, in: feed, repository, partitions: partitions).map { found in
            guard let watermark = found.watermark else {
                throw CommandError(
                    .unavailable,
                    "the online store knows nothing of partition \(found.partition) of \(feed.topic) under these definitions (\(found.watermarkKey) is absent, or no watermark): is `needletail transform` running?"
                )
            }
            return zip(feed.views, found.states).map { view, state in
                OnlineState(view: view, state: state, partition: found.partition, nextOffset: watermark.nextOffset)
            }
        }
    }
}
