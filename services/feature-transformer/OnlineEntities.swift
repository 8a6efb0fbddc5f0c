import FeatureEngine
import FeatureStore
import RedisOnlineStore

/// The online state of one partition's entities, as far as it was needed since the assignment. Redis holds the same after
/// every batch, so dropping it costs only reading it again.
struct OnlineEntities {
    /// More entities than this are not kept from batch to batch.
    static let limit = 200_000

    struct Entity {
        var states: [EntityState]
        let keys: [String]
        var isDirty = false
    }

    let views: [StreamView]
    private let prefixes: [String]
    private var places: [String: Int] = [:]
    private var entities: [Entity] = []
    private var unseen: [Int] = []
    private var dirty: [Int] = []

    init(views: [StreamView], project: String, hash8: String) {
        self.views = views
        prefixes = views.map { OnlineKeys.blob(project: project, view: $0.name, hash8: hash8, entity: "") }
    }

    mutating func removeAll() {
        places.removeAll(keepingCapacity: true)
        entities.removeAll(keepingCapacity: true)
        unseen.removeAll(keepingCapacity: true)
        dirty.removeAll(keepingCapacity: true)
    }

    /// Makes room between batches.
    mutating func trim() {
        if entities.count > Self.limit { removeAll() }
    }

    /// The place of an entity, which `load` then fills.
    mutating func place(of key: String) -> Int {
        if let place = places[key] { return place }
        let place = entities.count
        entities.append(Entity(states: views.map { EntityState($0) }, keys: prefixes.map { $0 + key }))
        places[key] = place
        unseen.append(place)
        return place
    }

    /// One round trip: the watermark, and the blobs of all entities not seen before. `next` is N.
    mutating func load(
        watermarkKey: String, generation: UInt64, next: Int64, from redis: RedisOnlineStore
    ) throws -> Watermark? {
        let (watermark, blobs) = try redis.read(
            watermarkKey: watermarkKey, blobKeys: unseen.flatMap { entities[$0].keys })
        // Without it the blobs mean nothing: the caller sees that it is not as it was left.
        guard let watermark, watermark.generation == generation else { return watermark }
        var index = 0
        var damaged: [(key: String, bytes: [UInt8])] = []
        for place in unseen {
            for view in views.indices {
                let blob = blobs[index]
                index += 1
                do throws(OnlineFault) {
                    entities[place].states[view] = try Self.state(views[view], blob, watermark, next)
                } catch {
                    switch error {
                    case .absent, .outdated:
                        entities[place].states[view] = EntityState(views[view], generation: generation)
                    case .ahead:
                        let ahead = blob.flatMap { EntityState.position(ofBlob: $0) }?.generation ?? generation
                        throw Reassign("a blob is ahead of Postgres", rebuildAbove: max(generation, ahead))
                    case .unreadable: damaged.append((entities[place].keys[view], blob ?? []))
                    }
                }
            }
        }
        if !damaged.isEmpty {
            // Removed, so that the rebuild does not meet them again.
            try redis.discard(damaged)
            throw Reassign("\(damaged.count) blobs cannot be read", rebuildAbove: generation)
        }
        unseen.removeAll(keepingCapacity: true)
        return watermark
    }

    private static func state(_ view: StreamView, _ blob: [UInt8]?, _ watermark: Watermark, _ next: Int64)
        throws(OnlineFault) -> EntityState
    {
        guard let blob else { throw .absent }
        return try OnlineView.state(view, blob: blob.span, under: watermark, before: next)
    }

    /// The features of one view at an event's time, before the event.
    func evaluate(_ place: Int, view: Int, row: SourceRow, into vector: inout FeatureVector) {
        entities[place].states[view].evaluate(atMillis: row.eventTimeMillis, current: row, into: &vector)
    }

    /// Applies one event; false when it was too old for every window. What an entity has applied already (a replay meets that)
    /// is passed over.
    @discardableResult mutating func insert(_ place: Int, row: SourceRow, offset: Int64) -> Bool {
        var isKept = true
        for view in views.indices where entities[place].states[view].offset < offset {
            if entities[place].states[view].insert(row, offset: offset) == .tooOld { isKept = false }
            if !entities[place].isDirty {
                entities[place].isDirty = true
                dirty.append(place)
            }
        }
        return isKept
    }

    /// The blobs of everything that changed since the last call.
    mutating func changedBlobs() -> [(key: String, blob: [UInt8])] {
        var blobs: [(key: String, blob: [UInt8])] = []
        blobs.reserveCapacity(dirty.count * views.count)
        for place in dirty {
            for view in views.indices {
                var blob: [UInt8] = []
                blob.reserveCapacity(64 + entities[place].states[view].count * 32)
                entities[place].states[view].encode(into: &blob)
                blobs.append((entities[place].keys[view], blob))
            }
            entities[place].isDirty = false
        }
        dirty.removeAll(keepingCapacity: true)
        return blobs
    }
}
