import StreamRecovery

/// Carries out the protocol's steps in the simulated world, as `transform` does with real servers. `tick` does one thing that
/// the outside can see; between two ticks the owner can be killed, or left lying while another one takes over.
final class SimulatedOwner {
    let partition: Int
    private let world: SimulatedWorld
    private var machine: PartitionProtocol
    private var step: PartitionProtocol.Step?
    private var progress = 0  // what of the step is done
    private var redisConnection = 0
    private var postgresConnection = 0
    private var disturbances = 0
    private var reader: Int64 = 0  // a Kafka offset
    private var lastSerial: Int?
    private var identified: Int?
    private var filter: Set<Int> = []
    private var firstEvents: [Int: Int64] = [:]
    private var states: [Int: SimulatedBlob] = [:]  // kept from batch to batch
    private var dirty: [Int] = []
    private var pending: [SimulatedPlace] = []
    private var onward: [SimulatedRecord] = []  // events that go on by their other key

    private struct Batch {
        var from: Int64 = 0
        var to: Int64 = 0
        var read: [(position: Int64, record: SimulatedRecord)] = []
        var accepted: [(position: Int64, record: SimulatedRecord)] = []
        var rows: [SimulatedPlace: [Int64]] = [:]
        var letters: [(position: Int64, record: SimulatedRecord, isBare: Bool)] = []
        var duplicates: Int64 = 0
    }
    private var batch = Batch()

    /// Whether everything produced is stored and online.
    private(set) var isIdle = false
    /// Why it stopped for good.
    private(set) var mismatch: LogMismatch?
    private(set) var retreats = 0
    private var quietPolls = 0

    init(_ partition: Int, in world: SimulatedWorld) {
        (self.partition, self.world) = (partition, world)
        disturbances = world.disturbances
        machine = PartitionProtocol(isOnline: SimulatedWorld.isOnline(partition), rules: world.rules)
        step = machine.next(.resume)
    }

    /// Goes on until everything is stored or it has stopped for good, which only a log made anew may cause; says how many steps
    /// that took.
    func settle(within limit: Int) -> Int {
        var steps = 0
        while !isIdle, mismatch == nil, steps < limit {
            tick()
            steps += 1
        }
        if let mismatch {
            if !world.isRecreated[partition] { world.report("\(partition) stopped: \(mismatch)") }
        } else if !isIdle {
            world.report("\(partition) never comes to rest")
        }
        return steps
    }

    /// Whatever it knew of being done is not known any more.
    func wake() { (isIdle, quietPolls) = (false, 0) }

    private var claim: PartitionClaim { machine.claim }
    private var isConnected: Bool {
        redisConnection == world.redisConnection && postgresConnection == world.postgresConnection
    }

    func tick() {
        isIdle = false
        guard mismatch == nil else { return }
        if disturbances != world.disturbances {
            disturbances = world.disturbances
            let next = machine.next(.disturbed)
            if next != .wait { begin(next) }
        }
        guard let step else { return begin(machine.next(.resume)) }
        if step != .claim, step != .wait, !isConnected {
            return tell(.failed(.lost(postgresConnection == world.postgresConnection ? .redis : .postgres)))
        }
        if let event = perform(step) { tell(event) }
    }

    private func tell(_ event: PartitionProtocol.Event) { begin(machine.next(event)) }

    private func begin(_ next: PartitionProtocol.Step) {
        (step, progress) = (next, 0)
        switch next {
        case .retreat:
            retreats += 1
            quietPolls = 0
            (states, dirty, pending, onward) = ([:], [], [], [])
            step = nil
        case .stop(let reason): mismatch = reason
        default: break
        }
    }

    /// One visible part of a step; an event when the step has come to its end.
    private func perform(_ step: PartitionProtocol.Step) -> PartitionProtocol.Event? {
        switch step {
        case .claim:
            world.postgres.partitions[partition].claim.epoch += 1
            lastSerial = world.postgres.partitions[partition].lastSerial
            (redisConnection, postgresConnection) = (world.redisConnection, world.postgresConnection)
            return .claimed(world.postgres.partitions[partition].claim, partitionCount: 4)
        case .noteCount(let count): return owned { $0.claim.partitionCount = count }
        case .loadIDs: return loadIDs()
        case .republish(let range):
            progress += 1
            let letters = world.postgres.letters.keys.filter {
                $0.partition == partition && range.contains($0.position)
            }
            if progress == 1 {
                pending = Array(letters)
                onward = sendsOn ? events(in: range) : []
            } else {
                flush()
            }
            return progress == 1 ? nil : .done
        case .notePublished(let position): return owned { $0.claim.published = position }
        case .readMark: return .mark(world.redis.marks[partition]?.value)
        case .beginGeneration(let generation): return owned { $0.claim.generation = generation }
        case .plant(let mark):
            return world.write(mark, partition, from: nil, next: claim.next) ? .done : .failed(.overtaken)
        case .replay(let from, let to): return replay(from, to)
        case .writeOnline(let from, let to): return writeOnline(from, to)
        case .inspectLog: return .log(low: claim.base, high: claim.base + Int64(world.logs[partition].count))
        case .identify(let position): return .verdict(isStored(position))
        case .rebase(let base):
            lastSerial = identified
            return owned {
                $0.claim.base = base
                $0.lastSerial = lastSerial
            }
        case .seek(let position):
            reader = position - claim.base
            return (0...Int64(world.logs[partition].count)).contains(reader) ? .done : .failed(.disturbed)
        case .compareRecord: return .verdict(batch.read.first?.record.serial == lastSerial)
        case .wait: return poll()
        case .prepare(let attempt): return prepare(attempt)
        case .commit(let published): return commit(published)
        case .publish:
            progress += 1
            if progress > 1 { flush() }
            return progress == 1 ? nil : .done
        case .retreat, .stop: return nil
        }
    }

    private func flush() {
        world.publishedLetters.formUnion(pending)
        world.rekey(onward)
        (pending, onward) = ([], [])
    }

    /// Whether its events go on to the log of their other key.
    private var sendsOn: Bool { world.hasRekeyed && partition < 2 }
    private var isRekeyed: Bool { partition == SimulatedWorld.rekeyed }

    private func events(in range: Range<Int64>) -> [SimulatedRecord] {
        world.postgres.events(of: partition, from: range.lowerBound, to: range.upperBound).map(\.record)
    }

    private func owned(_ change: (inout SimulatedPostgres.Partition) -> Void) -> PartitionProtocol.Event {
        guard !world.rules.contains(.fences) || world.postgres.partitions[partition].claim.epoch == claim.epoch else {
            return .failed(.fenced)
        }
        change(&world.postgres.partitions[partition])
        return .done
    }

    private func loadIDs() -> PartitionProtocol.Event {
        let events = world.postgres.events(of: partition, from: 0, to: .max)
        filter = Set(events.map(\.record.id))
        firstEvents = [:]
        for (position, record) in events where firstEvents[record.key] == nil { firstEvents[record.key] = position }
        let letters = world.postgres.letters.keys.filter { $0.partition == partition }.count
        return .counted(rows: Int64(events.count), letters: Int64(letters), removed: 0)
    }

    private func record(at position: Int64) -> SimulatedRecord? {
        let offset = Int(position - claim.base)
        return world.logs[partition].indices.contains(offset) ? world.logs[partition][offset] : nil
    }

    private func isStored(_ position: Int64) -> Bool {
        guard let record = record(at: position) else { return false }
        let place = SimulatedPlace(partition: partition, position: position)
        // Of a repeat nothing is stored that could tell it from another one.
        var isStored = false
        if let letter = world.postgres.letters[place] {
            isStored = letter == record.serial
        } else if isRekeyed {
            isStored = world.postgres.places[record.id] == place
        } else if let event = world.postgres.events[record.id] {
            isStored = event.place == place && event.record.serial == record.serial
        }
        if isStored { identified = record.serial }
        return isStored
    }

    // MARK: The online state

    /// One MGET: the watermark, and the blobs not seen before. What is missing is computed from Postgres.
    private func load(from: Int64) -> StepFailure? {
        for (_, record) in batch.accepted where states[record.key] == nil {
            var stored = world.redis.blobs[record.key]?.value
            if let blob = stored, !blob.isIntact, world.rules.contains(.overwritesDamage) {
                world.redis.blobs[record.key] = nil  // What cannot be read is removed, and is as good as lost.
                stored = nil
            }
            let use = BlobUse.plan(
                blob: stored.map { ($0.generation, $0.offset) }, under: claim.generation, from: from, next: claim.next,
                firstEvent: firstEvents[record.key])
            var state = SimulatedBlob(generation: claim.generation, offset: -1, events: [])
            switch use {
            case .ahead(let generation): return .unusable(generation: max(generation, claim.generation))
            case .usable:
                guard let stored, stored.isIntact else { return .other("a blob cannot be read") }
                state = stored
            case .fresh: break
            case .lost:
                guard world.rules.contains(.loadsLostEntities) else { break }
                state.events = world.postgres.events(of: partition, from: 0, to: from)
                    .filter { $0.record.key == record.key }.map(\.position)
                state.offset = state.events.last ?? -1
            }
            states[record.key] = state
        }
        return nil
    }

    private func apply() {
        for (position, record) in batch.accepted {
            guard var state = states[record.key], state.offset < position else { continue }
            batch.rows[SimulatedPlace(partition: partition, position: position)] = state.events
            state.events.append(position)
            state.offset = position
            states[record.key] = state
            firstEvents[record.key] = min(firstEvents[record.key] ?? position, position)
            if !dirty.contains(record.key) { dirty.append(record.key) }
        }
    }

    private func replay(_ from: Int64, _ to: Int64) -> PartitionProtocol.Event {
        let events = world.postgres.events(of: partition, from: from, to: to)
        batch = Batch(from: from)
        batch.accepted = Array(events.prefix(3))
        batch.to = events.count < 3 ? to : events[2].position + 1
        let mark = world.redis.marks[partition]?.value
        if let failure = load(from: from) { return .failed(failure) }
        apply()
        return .replayed(mark: mark, next: batch.to)
    }

    private func writeOnline(_ from: OnlineMark, _ to: OnlineMark) -> PartitionProtocol.Event? {
        guard dirty.isEmpty else {
            let key = dirty.removeFirst()
            guard let state = states[key] else { return nil }
            return world.redis.write(key, state, world.rules) ? nil : .failed(.overtaken)
        }
        return world.write(to, partition, from: from, next: claim.next) ? .done : .failed(.overtaken)
    }

    // MARK: A batch

    private func poll() -> PartitionProtocol.Event? {
        let log = world.logs[partition]
        let start = max(reader, machine.comparesNext ? 0 : claim.next - claim.base)
        guard start < log.count else {
            quietPolls += 1
            isIdle = quietPolls > 1
            return .quiet
        }
        let end = min(log.count, Int(start) + 1 + world.random.below(5))
        reader = start
        quietPolls = 0
        batch = Batch(from: claim.next)
        batch.read = (Int(start)..<end).map { (claim.base + Int64($0), log[$0]) }
        return .records(batch.read.count, first: claim.base + start)
    }

    private func prepare(_ attempt: BatchAttempt) -> PartitionProtocol.Event {
        if attempt.isRepeat { (states, dirty) = ([:], []) }
        let read = batch.read
        batch = Batch(from: claim.next)
        batch.read = read
        var taken: [(position: Int64, record: SimulatedRecord)] = []
        var ids: Set<Int> = []
        for (position, record) in read.prefix(attempt.limit) {
            let isForeign = SimulatedWorld.isOnline(partition) && SimulatedWorld.home(of: record.key) != partition
            if let refusal = attempt.refusals[position] {
                if case .bare = refusal {
                    batch.letters.append((position, record, true))
                } else {
                    batch.letters.append((position, record, false))
                }
            } else if record.content == .malformed || (isForeign && world.rules.contains(.checksHome)) {
                batch.letters.append((position, record, false))
            } else {
                let isSuspect = !filter.insert(record.id).inserted || attempt.isCareful
                let isKnown = isSuspect && isStored(id: record.id)
                let isRepeat = !ids.insert(record.id).inserted
                if isKnown || isRepeat {
                    batch.duplicates += 1
                } else if isRekeyed, world.postgres.events[record.id] == nil {
                    batch.letters.append((position, record, false))
                } else {
                    taken.append((position, record))
                }
            }
            batch.to = position + 1
        }
        batch.accepted = taken
        var prepared = PreparedBatch(
            records: min(attempt.limit, read.count), to: batch.to,
            outgoing: batch.letters.count + (sendsOn ? taken.count : 0))
        guard SimulatedWorld.isOnline(partition) else { return .prepared(prepared) }
        prepared.mark = world.redis.marks[partition]?.value
        if let failure = load(from: claim.next) { return .failed(failure) }
        apply()
        return .prepared(prepared)
    }

    private func isStored(id: Int) -> Bool {
        isRekeyed ? world.postgres.places[id] != nil : world.postgres.events[id] != nil
    }

    private func commit(_ published: Int64) -> PartitionProtocol.Event {
        let stored = world.postgres.partitions[partition].claim
        if world.rules.contains(.fences), stored.epoch != claim.epoch || stored.next != claim.next {
            return .failed(.fenced)
        }
        for (_, record) in batch.accepted {
            if case .poison = record.content { return .failed(.refused(isUnique: false, reason: "poison")) }
        }
        if batch.letters.contains(where: { $0.record.content == .poison(letterToo: true) && !$0.isBare }) {
            return .failed(.refused(isUnique: false, reason: "a letter too large"))
        }
        let ids = batch.accepted.map(\.record.id)
        if ids.contains(where: { isStored(id: $0) }) || Set(ids).count < ids.count {
            return .failed(.refused(isUnique: true, reason: "unique"))
        }
        let last = batch.read.last { $0.position < batch.to }
        world.postgres.partitions[partition].claim.next = batch.to
        world.postgres.partitions[partition].claim.published = published
        world.postgres.partitions[partition].claim.duplicates += batch.duplicates
        world.postgres.partitions[partition].lastSerial = last?.record.serial
        for (position, record) in batch.accepted {
            let place = SimulatedPlace(partition: partition, position: position)
            if isRekeyed {
                world.postgres.places[record.id] = place
            } else {
                world.postgres.events[record.id] = (place, record)
            }
        }
        onward = sendsOn ? batch.accepted.map(\.record) : []
        world.postgres.rows.merge(batch.rows) { $1 }
        pending = batch.letters.map { SimulatedPlace(partition: partition, position: $0.position) }
        for letter in batch.letters {
            world.postgres.letters[SimulatedPlace(partition: partition, position: letter.position)] =
                letter.record.serial
        }
        for (position, record) in batch.read where position < batch.to {
            world.note(record, at: SimulatedPlace(partition: partition, position: position))
        }
        lastSerial = last?.record.serial
        // The answer may be lost although it happened.
        return world.random.below(60) == 0 ? .failed(.lost(.postgres)) : .done
    }
}
