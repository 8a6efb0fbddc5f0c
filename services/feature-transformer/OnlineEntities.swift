import FeatureEngine
import FeatureStore
import StreamRecovery

/// The online state of one partition's entities, as far as it was needed since the claim. The online store holds the same after
/// every batch, so dropping it costs only reading it again.
struct OnlineEntities {
    /// More entities than this are not kept from batch to batch.
    static let limit = 200_000
    /// So many lost blobs in one batch are no accident of single keys: everything is made again.
    static let lostMax = 64

    /// What is kept beside an entity's states, by its place.
    private struct Entity {
        /// Of its blobs, one a view.
        let keys: [String]
        let hash: UInt64
        var isDirty = false
    }

    private var states: EntityStates
    private let prefixes: [String]
    private var entities: [Entity] = []
    private var unseen: [Int] = []
    private var dirty: [Int] = []
    /// Where each entity of the partition has its first event.
    private(set) var firstEvents = FirstEvents()

    var views: [StreamView] { states.views }

    init(_ feed: ViewFeed, project: String, hash8: String) {
        states = EntityStates(feed.views, keyIndex: feed.keyIndex)
        prefixes = feed.views.map { OnlineKeys.blob(project: project, view: $0.name, hash8: hash8, entity: "") }
    }

    /// Forgets the states, and where each entity begins stays known.
    mutating func removeAll() {
        states.removeAll()
        entities.removeAll(keepingCapacity: true)
        unseen.removeAll(keepingCapacity: true)
        dirty.removeAll(keepingCapacity: true)
    }

    /// Forgets where entities begin, too.
    mutating func forget() {
        removeAll()
        firstEvents = FirstEvents()
    }

    /// Notes a stored event.
    mutating func note(key hash: UInt64, at position: Int64) { firstEvents.note(hash, at: position) }

    /// Makes room between batches.
    mutating func trim() {
        if entities.count > Self.limit { removeAll() }
    }

    /// The place of a row's entity, which `load` then fills.
    mutating func place(of row: SourceRow) -> Int { row.withCanonicalBytes(states.keyIndex) { place(of: $0) } }

    mutating func place(of key: Span<UInt8>) -> Int {
        let (place, isNew) = states.place(of: key)
        guard isNew else { return place }
        let text = states.key(place).description
        entities.append(Entity(keys: prefixes.map { $0 + text }, hash: FNV1a64.hash(key)))
        unseen.append(place)
        return place
    }

    /// One round trip: the watermark, and the blobs of all entities not seen before. `from` is the first position to be applied,
    /// `next` is N. Gives the entities whose blobs are lost: their states are to be computed from Postgres.
    mutating func load(
        watermarkKey: String, generation: UInt64, from: Int64, next: Int64, store: any OnlineStore
    ) throws -> (mark: Watermark?, lost: [ByteString]) {
        let (watermark, blobs) = try store.read(
            watermarkKey: watermarkKey, blobKeys: unseen.flatMap { entities[$0].keys })
        // Without it the blobs mean nothing: the protocol sees that it is not as it was left.
        guard let watermark, watermark.generation == generation else { return (watermark, []) }
        var lost: [ByteString] = []
        var damaged: [(key: String, bytes: [UInt8])] = []
        var index = 0
        for place in unseen {
            var isLost = false
            for view in views.indices {
                let blob = blobs[index]
                index += 1
                let stored = try state(view, blob, watermark)
                if stored == nil, let blob, !isOutdated(blob, watermark) {
                    damaged.append((entities[place].keys[view], blob))
                }
                switch BlobUse.plan(
                    blob: stored.map { ($0.generation, $0.offset) }, under: generation, from: from, next: next,
                    firstEvent: firstEvents[entities[place].hash])
                {
                case .usable: if let stored { states[place, view] = stored }
                case .fresh: states[place, view] = EntityState(views[view], generation: generation)
                case .lost:
                    states[place, view] = EntityState(views[view], generation: generation)
                    isLost = true
                case .ahead(let ahead):
                    throw StepError(.unusable(generation: ahead), "a blob is ahead of Postgres")
                }
            }
            if isLost { lost.append(states.key(place)) }
        }
        // What cannot be read is removed, unless somebody wrote there since: nothing may go by its position.
        if !damaged.isEmpty { try store.discard(damaged) }
        guard lost.count <= Self.lostMax else {
            throw StepError(.unusable(generation: generation), "\(lost.count) blobs of known entities are gone")
        }
        unseen.removeAll(keepingCapacity: true)
        return (watermark, lost)
    }

    /// What a blob holds; nil when it cannot be read, or is of a generation before.
    private func state(_ view: Int, _ blob: [UInt8]?, _ watermark: Watermark) throws -> EntityState? {
        guard let blob else { return nil }
        do throws(OnlineFault) {
            return try OnlineView.state(views[view], blob: blob.span, under: watermark)
        } catch {
            guard error == .ahead else { return nil }
            let generation = EntityState.position(ofBlob: blob)?.generation ?? watermark.generation
            throw StepError(
                .unusable(generation: max(generation, watermark.generation)), "a blob is of a later generation")
        }
    }

    private func isOutdated(_ blob: [UInt8], _ watermark: Watermark) -> Bool {
        EntityState.position(ofBlob: blob).map { $0.generation < watermark.generation } ?? false
    }

    /// The features of one view at an event's time, before the event.
    func evaluate(_ place: Int, view: Int, row: SourceRow, into vector: inout FeatureVector) {
        states.evaluate(place, view: view, row, into: &vector)
    }

    /// Applies one event; false when it was too old for every window. What an entity has applied already (a replay meets that)
    /// is passed over.
    @discardableResult mutating func insert(_ place: Int, row: SourceRow, at position: Int64) -> Bool {
        var isKept = true
        firstEvents.note(entities[place].hash, at: position)
        var isChanged = false
        for view in views.indices {
            let insertion = states.insert(place, view: view, row, at: position)
            if insertion != .known { isChanged = true }
            if insertion == .tooOld { isKept = false }
        }
        if isChanged, !entities[place].isDirty {
            entities[place].isDirty = true
            dirty.append(place)
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
                let state = states[place, view]
                blob.reserveCapacity(64 + state.count * 32)
                state.encode(into: &blob)
                blobs.append((entities[place].keys[view], blob))
            }
            entities[place].isDirty = false
        }
        dirty.removeAll(keepingCapacity: true)
        return blobs
    }
}
