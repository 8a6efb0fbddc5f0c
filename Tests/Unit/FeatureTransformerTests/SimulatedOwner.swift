import FeatureStore
import FeatureTransformer

/// One owner of a partition, as far as it has come. `step` does one thing that the outside can see; between two steps it can be
/// killed, or left lying while another owner takes over.
final class SimulatedOwner {
    private enum Phase {
        case claim, republish, flushRepublished, notePublished, readWatermark, setGeneration, plant
        case replayLoad(Int), poll, load, commit, publish, flush
        case writeBlob(Int), moveWatermark
    }

    let partition: Int
    private let world: SimulatedWorld
    private var phase = Phase.claim
    private var redisConnection = 0, postgresConnection = 0
    private var epoch = 0, next = 0, published = 0, generation = 0
    private var flushed = 0
    private var rebuildAbove: Int?
    private var states: [Int: SimulatedBlob] = [:]  // kept from batch to batch
    private var unpublished: Set<SimulatedPosition> = []
    // The batch in hand
    private var from = 0, to = 0
    private var isReplay = false
    private var accepted: [(offset: Int, record: SimulatedRecord)] = []
    private var rows: [(SimulatedPosition, Int, [Int])] = []
    private var letters: Set<SimulatedPosition> = []
    private var repeats = 0
    private var dirty: [Int] = []

    init(_ partition: Int, in world: SimulatedWorld) { (self.partition, self.world) = (partition, world) }

    /// Whether everything produced is stored and online.
    private(set) var isIdle = false

    private func assignAgain() {
        phase = .claim
        states = [:]
        unpublished = []
    }

    /// False when a server was restarted since the assignment.
    private var isConnected: Bool {
        redisConnection == world.redisConnection && postgresConnection == world.postgresConnection
    }

    func step() {
        isIdle = false
        if case .claim = phase {} else if !isConnected { return assignAgain() }
        switch phase {
        case .claim: claim()
        case .republish:
            if world.keeps(.republishesFromPostgres) {
                unpublished = world.postgres.letters.filter {
                    $0.partition == partition && $0.offset >= published && $0.offset < next
                }
            }
            phase = .flushRepublished
        case .flushRepublished:
            world.publishedLetters.formUnion(unpublished)
            unpublished = []
            phase = .notePublished
        case .notePublished:
            guard world.postgres.partitions[partition].epoch == epoch else { return assignAgain() }
            world.postgres.partitions[partition].published = next
            flushed = next
            phase = .readWatermark
        case .readWatermark: readWatermark()
        case .setGeneration:
            guard world.postgres.partitions[partition].epoch == epoch else { return assignAgain() }
            world.postgres.partitions[partition].generation = generation
            phase = .plant
        case .plant:
            if let stored = world.redis.watermarks[partition], Int(stored.generation) >= generation {
                return assignAgain()
            }
            world.redis.watermarks[partition] = Watermark(generation: UInt64(generation), nextOffset: 0)
            phase = .replayLoad(0)
        case .replayLoad(let start): replayLoad(start)
        case .poll: poll()
        case .load: load()
        case .commit: commit()
        case .publish:
            unpublished = letters
            phase = .flush
        case .flush:
            world.publishedLetters.formUnion(unpublished)
            unpublished = []
            phase = .writeBlob(0)
        case .writeBlob(let index): writeBlob(index)
        case .moveWatermark: moveWatermark()
        }
    }

    private func claim() {
        world.postgres.partitions[partition].epoch += 1
        let state = world.postgres.partitions[partition]
        (epoch, next, published, generation) = (state.epoch, state.next, state.published, state.generation)
        (redisConnection, postgresConnection) = (world.redisConnection, world.postgresConnection)
        phase = .republish
    }

    private func readWatermark() {
        let watermark = world.redis.watermarks[partition]
        var start = OnlineStart.plan(watermark: watermark, generation: Int64(generation), next: Int64(next))
        if let rebuildAbove, rebuildAbove >= generation { start = .rebuild }
        switch start {
        case .replay(let offset): phase = .replayLoad(Int(offset))
        case .rebuild:
            generation = 1 + max(generation, watermark.map { Int($0.generation) } ?? 0, rebuildAbove ?? 0)
            phase = .setGeneration
        }
        rebuildAbove = nil
    }

    /// The next stored events from `start` on, onto their blobs.
    private func replayLoad(_ start: Int) {
        guard start < next else {
            phase = .poll
            return
        }
        isReplay = true
        accepted = world.postgres.events.values.filter {
            $0.partition == partition && $0.offset >= start && $0.offset < next
        }
        .sorted { $0.offset < $1.offset }.prefix(3).map { ($0.offset, world.logs[partition][$0.offset]) }
        (from, to) = (start, accepted.count < 3 ? next : accepted[2].offset + 1)
        states = [:]
        guard readBlobs(limit: next) else { return }
        apply()
        phase = .writeBlob(0)
    }

    private func poll() {
        isReplay = false
        (from, to) = (next, min(world.ends[partition], next + 1 + world.random.below(4)))
        guard from < to else {
            isIdle =
                world.redis.watermarks[partition] == Watermark(generation: UInt64(generation), nextOffset: Int64(next))
            if !isIdle { assignAgain() }  // asked in idle ticks too
            return
        }
        (accepted, letters, repeats) = ([], [], 0)
        var ids: Set<Int> = []
        for offset in from..<to {
            let record = world.logs[partition][offset]
            if record.isMalformed || (world.keeps(.checksPartition) && SimulatedWorld.home(of: record.key) != partition)
            {
                letters.insert(SimulatedPosition(partition: partition, offset: offset))
            } else if world.postgres.events[record.id] != nil
                || (world.keeps(.dedupesWithinBatch) && !ids.insert(record.id).inserted)
            {
                repeats += 1
            } else {
                accepted.append((offset, record))
            }
        }
        phase = .load
    }

    private func load() {
        guard readBlobs(limit: next) else { return }
        apply()
        phase = .commit
    }

    /// One MGET: the watermark and the blobs not seen before.
    private func readBlobs(limit: Int) -> Bool {
        if world.keeps(.asksWatermarkOnRead),
            world.redis.watermarks[partition] != Watermark(generation: UInt64(generation), nextOffset: Int64(from))
        {
            assignAgain()
            return false
        }
        for (_, record) in accepted where states[record.key] == nil {
            let empty = SimulatedBlob(generation: generation, offset: -1, events: [])
            guard let blob = world.redis.blobs[record.key] else {
                states[record.key] = empty
                continue
            }
            switch BlobStanding.of(
                generation: UInt64(blob.generation), offset: Int64(blob.offset), under: UInt64(generation),
                next: Int64(limit))
            {
            case .usable: states[record.key] = blob
            case .outdated: states[record.key] = empty
            case .ahead:
                rebuildAbove = max(generation, blob.generation)
                assignAgain()
                return false
            }
        }
        return true
    }

    private func apply() {
        (rows, dirty) = ([], [])
        for (offset, record) in accepted {
            let state = states[record.key] ?? SimulatedBlob(generation: generation, offset: -1, events: [])
            guard state.offset < offset else { continue }
            rows.append((SimulatedPosition(partition: partition, offset: offset), record.id, state.events))
            states[record.key] = SimulatedBlob(generation: generation, offset: offset, events: state.events + [offset])
            if !dirty.contains(record.key) { dirty.append(record.key) }
        }
    }

    private func commit() {
        let state = world.postgres.partitions[partition]
        if world.keeps(.fencesWrites), state.epoch != epoch || state.next != from { return assignAgain() }
        world.postgres.partitions[partition].next = to
        world.postgres.partitions[partition].published = flushed
        world.postgres.partitions[partition].duplicates += repeats
        for (position, id, events) in rows {
            if world.postgres.events[id] == nil { world.postgres.events[id] = position }
            world.postgres.rows[position] = events
        }
        world.postgres.letters.formUnion(letters)
        phase = letters.isEmpty ? .writeBlob(0) : .publish
    }

    private func writeBlob(_ index: Int) {
        guard index < dirty.count else {
            phase = .moveWatermark
            return
        }
        guard let blob = states[dirty[index]] else { return }
        if world.keeps(.comparesBlobs), let stored = world.redis.blobs[dirty[index]],
            (stored.generation, stored.offset) > (blob.generation, blob.offset)
        {
            return assignAgain()
        }
        world.redis.blobs[dirty[index]] = blob
        phase = .writeBlob(index + 1)
    }

    private func moveWatermark() {
        let before = Watermark(generation: UInt64(generation), nextOffset: Int64(from))
        let after = Watermark(generation: UInt64(generation), nextOffset: Int64(to))
        let stored = world.redis.watermarks[partition]
        if world.keeps(.comparesWatermark), stored != before, stored != after { return assignAgain() }
        world.redis.watermarks[partition] = after
        if isReplay {
            phase = .replayLoad(to)
        } else {
            (next, flushed) = (to, to)
            phase = .poll
        }
    }
}
