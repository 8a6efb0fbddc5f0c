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
        var index = 0
        for place in unseen {
            for view in views.indices {
                var state = EntityState(views[view], generation: generation)
                if let blob = blobs[index], let stored = try Self.read(blob, views[view], generation, next) {
                    state = stored
                }
                entities[place].states[view] = state
                index += 1
            }
        }
        unseen.removeAll(keepingCapacity: true)
        return watermark
    }

    /// The state of a blob, nil for one of an older generation.
    private static func read(_ blob: [UInt8], _ view: StreamView, _ generation: UInt64, _ next: Int64) throws
        -> EntityState?
    {
        guard let position = EntityState.position(ofBlob: blob) else {
            throw Reassign("a blob is too short", rebuildAbove: generation)
        }
        switch BlobStanding.of(generation: position.generation, offset: position.offset, under: generation, next: next)
        {
        case .outdated: return nil
        case .ahead: throw Reassign("a blob is ahead of Postgres", rebuildAbove: max(generation, position.generation))
        case .usable: break
        }
        do { return try EntityState(view, blob: blob.span) } catch {
            throw Reassign("a blob cannot be read: \(error)", rebuildAbove: generation)
        }
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
