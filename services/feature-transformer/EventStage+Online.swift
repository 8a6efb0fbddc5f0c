import FeatureEngine
import FeatureStore
import KafkaClient
import Observability
import Pipeline
import PostgresOfflineStore
import RedisOnlineStore
import StreamRecovery

extension Watermark {
    /// What the protocol knows of it.
    var mark: OnlineMark { OnlineMark(generation: generation, next: nextOffset, target: target) }

    init(_ mark: OnlineMark, newestMillis: Int64) {
        self.init(
            generation: mark.generation, nextOffset: mark.next, target: mark.target, newestMillis: newestMillis)
    }
}

/// What events have beside a table: a state in the online store. Whatever is written there goes by compare-and-set, so a second
/// owner that does not know yet that it is fenced can do no harm.
extension EventStage {
    func readMark(_ stores: Stores) throws -> OnlineMark? {
        let (stored, _) = try stores.online().read(watermarkKey: watermarkKey, blobKeys: [])
        // Before the restore it is taken as it is; after, any other byte than was left is another writer's.
        if left == nil { left = stored }
        guard stored == left else { return nil }
        return stored?.mark
    }

    func plant(_ mark: OnlineMark, stores: Stores) throws {
        let planted = Watermark(mark, newestMillis: -1)
        guard try stores.online().plant(watermarkKey, planted) == .accepted else {
            throw StepError(.overtaken, "another owner planted a watermark")
        }
        left = planted
    }

    /// The watermark and the states of the entities placed. What the online store has lost is computed from Postgres, so that no
    /// row depends on Redis having kept a key.
    func load(from: Int64, _ claim: PartitionClaim, _ stores: Stores) throws -> OnlineMark? {
        let (stored, lost) = try entities.load(
            watermarkKey: watermarkKey, generation: claim.generation, from: from, next: claim.next,
            store: stores.online())
        guard stored == left else { return nil }
        if !lost.isEmpty {
            metrics.lostBlobs.add(lost.count)
            try stores.postgres().scanEvents(feed, partition: partition.partition, before: from, keys: lost) {
                row, position in
                let place = entities.place(of: row)
                entities.insert(place, row: row, at: position.offset)
            }
        }
        return stored?.mark
    }

    /// Broken off when a step has bytes enough.
    private struct StepIsFull: Error {}

    func replay(
        from: Int64, _ claim: PartitionClaim, stores: Stores
    ) throws -> (mark: OnlineMark?, next: Int64, unusable: UnusableEvents) {
        positions.removeAll(keepingCapacity: true)
        entities.trim()
        var bytes = 0
        let store = try stores.postgres()
        _ = store.takeUnusable()  // what other scans of this connection passed over
        do {
            try store.scanEvents(
                feed, partition: partition.partition, offsets: from..<claim.next, limit: Self.replayStep
            ) { row, position in
                if taken < rows.count { rows[taken] = row } else { rows.append(row) }
                positions.append(position.offset)
                for index in source.fields.indices { bytes += row.bytes(index).count }
                if bytes > Self.replayBytes { throw StepIsFull() }
            }
        } catch is StepIsFull {}
        let unusable = store.takeUnusable()
        let isLast = taken + unusable.count < Self.replayStep && bytes <= Self.replayBytes
        let next = isLast ? claim.next : max(positions.last ?? from, unusable.last?.offset ?? from) + 1
        places = (0..<taken).map { entities.place(of: rows[$0]) }
        let mark = try load(from: from, claim, stores)
        for slot in 0..<taken { entities.insert(places[slot], row: rows[slot], at: positions[slot]) }
        if rows.count > 2 * Self.replayStep { rows.removeLast(rows.count - Self.replayStep) }
        return (mark, next, unusable)
    }

    func writeOnline(from: OnlineMark, to: OnlineMark, newestMillis: Int64, stores: Stores) throws {
        let store = try stores.online()
        guard let before = left, before.mark == from else { throw StepError(.overtaken, "the watermark is not known") }
        try writeKnown(under: before, to: store, stores)
        guard try store.write(entities.changedBlobs()) == .accepted else {
            throw StepError(.overtaken, "a newer blob is stored")
        }
        let after = Watermark(to, newestMillis: newestMillis)
        guard try store.move(watermarkKey, from: before, to: after) == .accepted else {
            throw StepError(.overtaken, "the watermark is not as it was left")
        }
        left = after
    }

    /// Readers must know an entity before the watermark says that it has events. Single bits as entities come; all of them after
    /// a claim, and when more room is needed.
    private func writeKnown(under watermark: Watermark, to store: any OnlineStore, _ stores: Stores) throws {
        let key = OnlineKeys.known(watermarkKey: watermarkKey)
        var bits: [Int] = []
        for slot in 0..<taken where places.count == taken && places[slot] >= 0 {
            if let new = rows[slot].withCanonicalBytes(feed.keyIndex, { known.insert($0) }) { bits += new }
        }
        if known.isFull { try enlargeKnown(stores) }
        if isKnownStored {
            guard !bits.isEmpty else { return }
            if try store.add(bits, to: key, byteCount: known.byteCount) == .accepted { return }
        }
        guard try store.replace(known, key: key, watermarkKey: watermarkKey, under: watermark) == .accepted else {
            throw StepError(.overtaken, "the watermark is not as it was left")
        }
        isKnownStored = true
    }

    /// A filter of this kind does not grow: a larger one is made of the keys that are stored.
    private func enlargeKnown(_ stores: Stores) throws {
        var larger = KnownEntities(room: known.count * 4)
        try stores.postgres().scanIDs(feed, partition: partition.partition) { _, key, _ in
            _ = key.withUnsafeBufferPointer { larger.insert($0.span) }
        }
        known = larger
        isKnownStored = false
    }

    func noteAlive(_ stores: Stores) throws {
        if let left, !isKnownStored {
            positions.removeAll(keepingCapacity: true)
            try writeKnown(under: left, to: stores.online(), stores)
        }
        try stores.online().noteAlive(OnlineKeys.alive(watermarkKey: watermarkKey), millis: WallClock.nowMillis())
    }
}
