import StreamRecovery
import TestSupport

/// Logs of two stages, the stores, and what the right answer is. Partitions 0 and 1 carry events with an online state, 2 and 3
/// are those of a table stage: labels, predictions; with `hasRekeyed` partition 4 carries the events of 0 and 1 by another key.
/// Every method is one step that happens whole or not at all.
final class SimulatedWorld {
    static let partitionCount = 4
    static let keyCount = 4
    static let logLength = 36

    let rules: RecoveryRules
    let hasRekeyed: Bool
    var random: SeededRandom
    var postgres = SimulatedPostgres(partitions: Array(repeating: .init(), count: partitionCount + 1))
    var redis = SimulatedRedis() { didSet { isOnlineChanged = true } }
    private var isOnlineChanged = false
    /// Raised when a server was restarted: open connections are gone.
    private(set) var redisConnection = 0
    private(set) var postgresConnection = 0
    /// Raised whenever a log may be another one.
    private(set) var disturbances = 0
    var publishedLetters: Set<SimulatedPlace> = []
    /// By Kafka offset.
    var logs: [[SimulatedRecord]] = Array(repeating: [], count: partitionCount + 1)
    /// Whether the log was made anew although records had been read.
    private(set) var isRecreated = Array(repeating: false, count: partitionCount + 1)
    private var hasLostTail = Array(repeating: false, count: partitionCount + 1)
    private(set) var isRestored = false
    /// What was read at each position, as first committed.
    private(set) var read: [SimulatedPlace: SimulatedRecord] = [:]
    private(set) var wrong: [String] = []
    private(set) var lostKeys: Set<Int> = []
    private(set) var foreignMarks: Set<Int> = []
    private var oldPostgres: [SimulatedPostgres] = []
    private var oldRedis: [(SimulatedRedis, Set<Int>)] = []
    var nextSerial = 0

    init(seed: UInt64, rules: RecoveryRules, hasRekeyed: Bool = false) {
        self.rules = rules
        self.hasRekeyed = hasRekeyed
        random = SeededRandom(seed: seed)
    }

    static func isOnline(_ partition: Int) -> Bool { partition < 2 || partition == rekeyed }
    /// The partition of a key's events: keys 0, 2, … belong to partition 0.
    static func home(of key: Int) -> Int { key < firstOtherKey ? key % 2 : rekeyed }

    func report(_ text: String) { wrong.append(text) }

    // MARK: The log

    func produce() { produce(random.below(Self.partitionCount), count: 1 + random.below(4)) }

    func produce(_ partition: Int, count: Int) {
        for _ in 0..<count where logs[partition].count < Self.logLength { append(partition) }
    }

    private func append(_ partition: Int) {
        // Of the first record something is always stored that tells it from another one.
        let choice = logs[partition].isEmpty ? 31 : random.below(32)
        let online = Self.isOnline(partition)
        var id = nextSerial
        var key = (online ? partition : partition - 2) + 2 * random.below(Self.keyCount)
        if choice < 5, let repeated = logs[partition].randomElement(using: &random), repeated.content == .sound {
            (id, key) = (repeated.id, repeated.key)
        } else if choice == 5, let foreign = logs[partition ^ 1].randomElement(using: &random),
            foreign.content == .sound, foreign.id != logs[partition ^ 1][0].id
        {
            id = foreign.id  // the same id in another partition: one of the two is a repeat
            sharedIDs.insert(id)
        } else if choice == 6, online {
            key += 1
        }
        let content: SimulatedRecord.Content =
            switch choice {
            case 7: .malformed
            case 8: .poison(letterToo: random.below(2) == 0)
            default: .sound
            }
        logs[partition].append(SimulatedRecord(serial: nextSerial, id: id, key: key, content: content))
        nextSerial += 1
    }

    func note(_ record: SimulatedRecord, at place: SimulatedPlace) {
        if let before = read[place], before.serial != record.serial { report("\(place) was two records") }
        read[place] = record
    }

    // MARK: The right answer

    func isLetter(_ record: SimulatedRecord, in partition: Int) -> Bool {
        record.content != .sound || (Self.isOnline(partition) && Self.home(of: record.key) != partition)
    }

    /// Positions of the accepted records of one partition. An id in two partitions is accepted where it is stored.
    private func accepted(_ partition: Int, before end: Int64) -> [(position: Int64, record: SimulatedRecord)] {
        var seen: Set<Int> = []
        return (0..<max(0, end)).compactMap { position in
            let place = SimulatedPlace(partition: partition, position: position)
            guard let record = read[place], !isLetter(record, in: partition), seen.insert(record.id).inserted else {
                return nil
            }
            if let stored = postgres.events[record.id], stored.place.partition != partition { return nil }
            return (position, record)
        }
    }

    /// What the API would see now: every blob is a prefix of the truth, and complete up to the watermark.
    func checkOnline() {
        guard isOnlineChanged else { return }
        isOnlineChanged = false
        let shared = sharedIDs
        var truth: [Int: [(position: Int64, record: SimulatedRecord)]] = [0: accepted(0, before: Self.limit)]
        truth[1] = accepted(1, before: Self.limit)
        for (key, stored) in redis.blobs {
            guard let blob = stored.value, blob.isIntact, key / 2 < Self.keyCount else { continue }
            let partition = Self.home(of: key)
            guard let mark = redis.marks[partition]?.value, mark.isWhole, blob.generation == mark.generation else {
                continue
            }
            let events = (truth[partition] ?? []).filter { $0.record.key == key && $0.position <= blob.offset }
            let sharedHere = Set(events.filter { shared.contains($0.record.id) }.map(\.position))
            if blob.events.filter({ !sharedHere.contains($0) && !isShared(partition, $0, shared) })
                != events.map(\.position).filter({ !sharedHere.contains($0) })
            {
                report("key \(key) is served \(blob.events) at \(blob.offset)")
            }
        }
        checkComplete()
        if hasRekeyed, !isRestored { checkRekeyedOnline() }
    }

    /// Whether a reader that trusts a whole watermark finds every event: not while a key is lost or damaged.
    private func checkComplete() {
        let shared = sharedIDs
        for (partition, stored) in redis.marks where partition != Self.rekeyed {
            guard let mark = stored.value, mark.isWhole, !foreignMarks.contains(partition) else { continue }
            for (position, record) in accepted(partition, before: mark.next) where !shared.contains(record.id) {
                // What was damaged or lost since, a reader sees: it does not decode, or a known entity has none.
                let stored = redis.blobs[record.key]
                if stored.map({ $0.value?.isIntact != true }) ?? lostKeys.contains(record.key) { continue }
                let blob = stored?.value
                if blob.map({ $0.generation == mark.generation && $0.events.contains(position) }) != true {
                    report("\(partition)/\(position) is not online though the state is whole up to \(mark.next)")
                }
            }
        }
    }

    private static let limit: Int64 = 300
    /// Ids that were produced to both partitions of events.
    private var sharedIDs: Set<Int> = []

    private func isShared(_ partition: Int, _ position: Int64, _ shared: Set<Int>) -> Bool {
        read[SimulatedPlace(partition: partition, position: position)].map { shared.contains($0.id) } ?? false
    }

    /// At rest: every record is accounted for exactly once, everywhere.
    func checkAtRest(stopped: Set<Int>) {
        isOnlineChanged = true
        checkOnline()
        for partition in 0..<Self.partitionCount {
            let claim = postgres.partitions[partition].claim
            let truth = accepted(partition, before: claim.next)
            var before: [Int: [Int64]] = [:]
            for (position, record) in truth {
                let place = SimulatedPlace(partition: partition, position: position)
                guard let stored = postgres.events[record.id], stored.place == place else {
                    report("\(place) is not stored")
                    continue
                }
                if Self.isOnline(partition), postgres.rows[place] != before[record.key, default: []] {
                    report("row \(place) was computed from \(postgres.rows[place] ?? [-1])")
                }
                before[record.key, default: []].append(position)
            }
            let rows = postgres.events.values.filter { $0.place.partition == partition }.count
            let letters = postgres.letters.keys.filter { $0.partition == partition }
            if rows != truth.count || Int64(rows + letters.count) + claim.duplicates + claim.gaps != claim.next {
                report(
                    "\(partition): \(rows) rows, \(letters.count) letters, \(claim.duplicates) repeats of \(claim.next)"
                )
            }
            for position in 0..<claim.next {
                let place = SimulatedPlace(partition: partition, position: position)
                guard let record = read[place] else { continue }
                if isLetter(record, in: partition) != (postgres.letters[place] != nil) { report("\(place): a letter?") }
            }
            if !publishedLetters.isSuperset(of: letters) { report("dead letters of \(partition) were never published") }
            guard !stopped.contains(partition) else { continue }
            let serials = Set(
                read.filter { $0.key.partition == partition && $0.key.position < claim.next }.values.map(\.serial))
            if !serials.isSuperset(of: logs[partition].map(\.serial)) { report("\(partition): records were skipped") }
        }
        if hasRekeyed { checkRekeyedAtRest() }
    }

    /// An owner that knows N writes a watermark; false when the stores' rules refuse it.
    func write(_ mark: OnlineMark, _ partition: Int, from: OnlineMark?, next: Int64) -> Bool {
        let isWritten =
            from.map { redis.move(partition, from: $0, to: mark, rules) } ?? redis.plant(mark, partition, rules)
        guard isWritten else { return false }
        foreignMarks.remove(partition)
        if from.map({ !$0.isWhole }) ?? true, mark.isWhole, mark.next < next {
            report("a rebuild of \(partition) is shown as whole at \(mark.next)")
        }
        return true
    }

    // MARK: Faults

    func keepCopies() {
        if disturbances == 0, random.below(10) == 0 { oldPostgres.append(postgres) }
        if random.below(10) == 0 { oldRedis.append((redis, foreignMarks)) }
    }

    /// A single key is only lost or damaged while the partition has one owner at most: a second one, fenced already but not
    /// aware of it, could write an older state where nothing readable is in its way.
    func fail(owned: [Int]) {
        let isAlone = [0, 1, Self.rekeyed].allSatisfy { partition in owned.count { $0 == partition } < 2 }
        switch random.below(11) {
        case 0: inflict(.emptied)
        case 1: inflict(.restarted)
        case 2: inflict(.setBack)
        case 3: inflict(.disconnected)
        case 4: inflict(.restored)
        case 5: inflict(.tailLost, on: random.below(Self.partitionCount))
        case 6: if random.below(4) == 0 { inflict(.recreated, on: random.below(Self.partitionCount)) }
        case 7, 8: if isAlone { inflict(.blobDamaged) }
        case 9: inflict(.markDamaged)
        default: if isAlone { inflict(.blobLost) }
        }
    }

    /// What can happen to the servers.
    enum Fault: CaseIterable {
        /// Redis is emptied behind our back, connections stay.
        case emptied
        /// Redis comes back empty.
        case restarted
        /// Redis comes back from an older copy.
        case setBack
        /// The connection to Redis or to Postgres breaks.
        case disconnected
        /// Postgres comes back from a backup.
        case restored
        /// The broker comes back without the records it had not synced.
        case tailLost
        /// The topic was made anew.
        case recreated
        /// Bytes of a blob are others.
        case blobDamaged
        /// Bytes of a watermark are others.
        case markDamaged
        /// One key of Redis is gone.
        case blobLost
    }

    /// Lets something happen, to what belongs to a partition where one is named.
    func inflict(_ fault: Fault, on partition: Int? = nil) {
        switch fault {
        case .emptied: redis = SimulatedRedis()
        case .restarted:
            redis = SimulatedRedis()
            redisConnection += 1
        case .setBack:
            guard let (old, foreign) = oldRedis.randomElement(using: &random) else { return }
            foreignMarks = foreign
            redis = old
            redisConnection += 1
        case .disconnected: if random.below(2) == 0 { redisConnection += 1 } else { postgresConnection += 1 }
        case .restored:
            guard let old = oldPostgres.randomElement(using: &random) else { return }
            postgres = old
            isRestored = true
            oldRedis = []  // A generation means the same state only while Postgres does not forget it.
            postgresConnection += 1
        case .tailLost: loseTail(partition ?? 0)
        case .recreated: recreate(partition ?? 0)
        case .blobDamaged: damageBlob(of: partition)
        case .markDamaged: damageMark(of: partition ?? random.below(2))
        case .blobLost:
            guard let key = blob(of: partition) else { return }
            redis.blobs[key] = nil
            lostKeys.insert(key)
        }
    }

    private func blob(of partition: Int?) -> Int? {
        redis.blobs.keys.filter { partition == nil || Self.home(of: $0) == partition }.sorted().randomElement(
            using: &random)
    }

    /// The broker comes back without the records it had not synced. Not together with a Postgres that was set back, which would
    /// lose the records for good, and not twice to the same depth: then `transform` stops and says so.
    private func loseTail(_ partition: Int) {
        guard !isRestored, !hasLostTail[partition], !isRecreated[partition], logs[partition].count > 1 else { return }
        hasLostTail[partition] = true
        logs[partition].removeLast(1 + random.below(min(4, logs[partition].count - 1)))
        oldPostgres = []
        disturbances += 1
    }

    private func recreate(_ partition: Int) {
        guard !isRestored, postgres.partitions[partition].claim.next > 0 else { return }
        isRecreated[partition] = true
        logs[partition] = []
        produce(partition, count: 1 + random.below(20))
        oldPostgres = []
        disturbances += 1
    }

    private func damageBlob(of partition: Int?) {
        guard let key = blob(of: partition) else { return }
        lostKeys.insert(key)
        guard var blob = redis.blobs[key]?.value, random.below(4) > 0 else {
            redis.blobs[key] = .garbage
            return
        }
        blob.isIntact = false
        switch random.below(5) {
        case 0: blob.generation ^= 1 << UInt64(random.below(62))
        case 1: blob.offset ^= 1 << Int64(random.below(62))
        default: break
        }
        redis.blobs[key] = .value(blob)
    }

    /// Any byte of it: by its checksum it is no watermark then, and without one it may be another possible one. Or it is whole and
    /// of a store that was rebuilt more often than Postgres, which was set back, knows.
    private func damageMark(of partition: Int) {
        guard var mark = redis.marks[partition]?.value else { return }
        let kind = random.below(4)
        switch kind {
        case 0:
            mark.generation ^= 1 << UInt64(random.below(62))
            foreignMarks.insert(partition)
        case 1: mark.next = postgres.partitions[partition].claim.next
        case 2: mark.next += 1_000
        default: break
        }
        mark.target = max(mark.target, mark.next)
        let isBelieved = kind == 0 || kind < 3 && !rules.contains(.checksumsMark)
        redis.marks[partition] = isBelieved && mark.generation > 0 ? .value(mark) : .garbage
    }
}

extension SeededRandom {
    /// A number from 0 to `end` − 1.
    mutating func below(_ end: Int) -> Int { Int.random(in: 0..<end, using: &self) }
}
