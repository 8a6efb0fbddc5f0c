import FeatureEngine
import FeatureStore
import Observability
import RedisClient
import RedisOnlineStore

/// The source of online state: one connection to Redis that only reads. Confined to one thread.
final class OnlineSource {
    private let url: String
    private var store: RedisOnlineStore?
    private var connection: RedisConnection?
    private var retry = Retry()

    init(url: String) { self.url = url }

    func ping() throws { _ = try run { _, connection in try connection.command("PING") } }

    private func run<Value>(_ body: (RedisOnlineStore, RedisConnection) throws -> Value) throws -> Value {
        do {
            return try retry.run(nowNanos: WallClock.monotonicNanos) {
                let connection =
                    try connection
                    ?? RedisConnection(
                        RedisAddress(url: url), connectTimeoutMillis: 1_000, commandTimeoutMillis: 1_000)
                let store = store ?? RedisOnlineStore(connection)
                (self.connection, self.store) = (connection, store)
                return try body(store, connection)
            }
        } catch {
            (store, connection) = (nil, nil)
            throw error
        }
    }

    /// One entity's state in the views of a source.
    struct Reading {
        let states: [EntityState?]
        /// How it stands, in a few words.
        let position: String
    }

    /// Reads the states of some views of one source; `partitions` is the topic's count.
    func read(
        _ entity: String, _ views: [StreamView], _ source: SourceSchema, _ repository: FeatureRepository,
        partitions: Int
    ) throws -> Reading {
        let partition = Int(EntityPlacement.partition(of: entity, among: partitions, by: source.partitioner))
        let watermarkKey = OnlineKeys.watermark(hash8: repository.hash8, topic: source.topic, partition: partition)
        let keys = views.map {
            OnlineKeys.blob(project: repository.project, view: $0.name, hash8: repository.hash8, entity: entity)
        }
        return try run { store, _ in
            let (watermark, blobs) = try store.read(watermarkKey: watermarkKey, blobKeys: keys)
            guard let watermark else {
                return Reading(states: views.map { _ in nil }, position: "the online store has no such partition yet")
            }
            let states = try zip(views, blobs).map { view, blob -> EntityState? in
                func answer(_ known: KnownEntities.Answer?) -> OnlineView.Answer {
                    guard let blob else { return OnlineView.answer(view, blob: nil, under: watermark, known: known) }
                    return OnlineView.answer(view, blob: blob.span, under: watermark, known: known)
                }
                var result = answer(nil)
                if case .ask = result {
                    let key = OnlineKeys.known(watermarkKey: watermarkKey)
                    result = answer(try store.known(Array(entity.utf8).span, key: key))
                }
                if case .state(let state) = result { return state } else { return nil }
            }
            let known = states.compactMap { $0 }.first
            let events = known.map { "\($0.count) events kept" } ?? "its state is not certain now"
            return Reading(
                states: states,
                position: "\(events), \(source.topic)/\(partition) read up to \(watermark.nextOffset)")
        }
    }
}
