import FeatureStore
import FeatureTransformer
import TestSupport

/// The rules of recovery, each of which a simulation can leave out to see that it is needed.
enum RecoveryRule: CaseIterable {
    /// At assignment the dead letters of [P, N) are published again, out of Postgres.
    case republishesFromPostgres
    /// The watermark is read with every batch's blobs.
    case asksWatermarkOnRead
    /// The watermark only moves from where its owner left it.
    case comparesWatermark
    /// A batch is deduplicated against itself.
    case dedupesWithinBatch
    /// A record in a partition that is not its key's is a dead letter.
    case checksPartition
    /// A blob is written only over an older position.
    case comparesBlobs
    /// Postgres refuses a write whose epoch or N is not the newest.
    case fencesWrites
}

/// Where a record lies.
struct SimulatedPosition: Hashable {
    let partition: Int, offset: Int
}

struct SimulatedRecord {
    let id: Int, key: Int, isMalformed: Bool
}

/// The offsets of a key's events: all that a feature can depend on.
struct SimulatedBlob: Equatable {
    var generation: Int, offset: Int, events: [Int]
}

struct SimulatedPostgres {
    struct Partition {
        var epoch = 0, next = 0, published = 0, generation = 0, duplicates = 0
    }
    var partitions: [Partition]
    var events: [Int: SimulatedPosition] = [:]  // by event id
    var rows: [SimulatedPosition: [Int]] = [:]  // what each event's features were computed from
    var letters: Set<SimulatedPosition> = []
}

struct SimulatedRedis {
    var blobs: [Int: SimulatedBlob] = [:]
    var watermarks: [Int: Watermark] = [:]
}

/// Two partitions of a log, the stores, and what the right answer is. Every method is one step that happens whole or not at all.
final class SimulatedWorld {
    static let partitionCount = 2, keyCount = 5, logLength = 40

    private let omitted: RecoveryRule?
    var random: SeededRandom
    var postgres = SimulatedPostgres(partitions: Array(repeating: .init(), count: partitionCount))
    var redis = SimulatedRedis()
    /// Raised when a server was restarted: open connections are gone.
    private(set) var redisConnection = 0, postgresConnection = 0
    var publishedLetters: Set<SimulatedPosition> = []
    private(set) var logs: [[SimulatedRecord]] = []
    /// How much of each log has been produced.
    var ends: [Int]
    private(set) var wrong: [String] = []
    private var oldPostgres: [SimulatedPostgres] = []
    private var oldRedis: [SimulatedRedis] = []

    init(seed: UInt64, without omitted: RecoveryRule?) {
        self.omitted = omitted
        random = SeededRandom(seed: seed)
        ends = Array(repeating: 0, count: Self.partitionCount)
        var nextID = 0
        for partition in 0..<Self.partitionCount {
            var log: [SimulatedRecord] = []
            for _ in 0..<Self.logLength {
                let choice = random.below(20)
                if choice < 4, let repeated = log.filter({ !$0.isMalformed }).randomElement(using: &random) {
                    log.append(repeated)
                    continue
                }
                let home = choice == 4 ? 1 - partition : partition
                let key = home + Self.partitionCount * random.below(Self.keyCount)
                log.append(SimulatedRecord(id: nextID, key: key, isMalformed: choice == 5))
                nextID += 1
            }
            logs.append(log)
        }
    }

    static func home(of key: Int) -> Int { key % partitionCount }

    /// Whether owners keep to a rule.
    func keeps(_ rule: RecoveryRule) -> Bool { rule != omitted }

    func report(_ text: String) { wrong.append(text) }

    // MARK: The right answer

    /// Offsets of the accepted events of one partition, with their record.
    func accepted(_ partition: Int, before end: Int = .max) -> [(offset: Int, record: SimulatedRecord)] {
        var seen: Set<Int> = []
        return logs[partition].prefix(max(0, min(end, ends[partition]))).enumerated().compactMap { offset, record in
            guard !record.isMalformed, Self.home(of: record.key) == partition, seen.insert(record.id).inserted else {
                return nil
            }
            return (offset, record)
        }
    }

    /// What the API would see now: every blob is a prefix of the truth, and complete up to the watermark.
    func checkOnline() {
        for (key, blob) in redis.blobs {
            let truth = accepted(Self.home(of: key)).filter { $0.record.key == key }.map(\.offset)
            if blob.events != truth.filter({ $0 <= blob.offset }) { report("key \(key) is served \(blob.events)") }
        }
        for (partition, watermark) in redis.watermarks {
            for (offset, record) in accepted(partition, before: Int(watermark.nextOffset)) {
                let blob = redis.blobs[record.key].flatMap { $0.generation < Int(watermark.generation) ? nil : $0 }
                if blob?.events.contains(offset) != true {
                    report("offset \(offset) is not online though acknowledged")
                }
            }
        }
    }

    /// At rest: every record is accounted for exactly once, everywhere.
    func checkAtRest() {
        checkOnline()
        for partition in 0..<Self.partitionCount {
            let truth = accepted(partition)
            var before: [Int: [Int]] = [:]
            for (offset, record) in truth {
                let row = postgres.rows[SimulatedPosition(partition: partition, offset: offset)]
                if row != before[record.key, default: []] {
                    report("row \(partition)/\(offset) was computed from \(row ?? [-1])")
                }
                before[record.key, default: []].append(offset)
            }
            let rows = postgres.rows.keys.filter { $0.partition == partition }.count
            let letters = postgres.letters.filter { $0.partition == partition }
            let state = postgres.partitions[partition]
            if state.next != ends[partition] || rows != truth.count
                || rows + letters.count + state.duplicates != state.next
            {
                report(
                    "partition \(partition): \(rows) rows, \(letters.count) letters, \(state.duplicates) repeats of \(state.next)"
                )
            }
            if !letters.isSubset(of: publishedLetters) { report("dead letters of \(partition) were never published") }
        }
    }

    // MARK: Faults

    func keepSnapshots() {
        if random.below(10) == 0 { oldPostgres.append(postgres) }
        if random.below(10) == 0 { oldRedis.append(redis) }
    }

    func produce() {
        let partition = random.below(Self.partitionCount)
        ends[partition] = min(Self.logLength, ends[partition] + 1 + random.below(4))
    }

    func fail() {
        switch random.below(4) {
        case 0:  // emptied behind our back, connections stay
            redis = SimulatedRedis()
        case 1:  // restarted, empty
            redis = SimulatedRedis()
            redisConnection += 1
        case 2:  // restarted from an older snapshot
            guard let old = oldRedis.randomElement(using: &random) else { return }
            redis = old
            redisConnection += 1
        default:  // restored from a backup
            guard let old = oldPostgres.randomElement(using: &random) else { return }
            postgres = old
            postgresConnection += 1
        }
    }
}

extension SeededRandom {
    /// A number from 0 to `end` − 1.
    mutating func below(_ end: Int) -> Int { Int.random(in: 0..<end, using: &self) }
}
