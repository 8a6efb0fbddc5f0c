import Foundation
import StreamRecovery
import TestSupport
import Testing

/// Owners that are killed and left lying, Redis emptied, damaged and set back, Postgres restored, logs cut off and made anew, at
/// every point between two visible steps: seeded schedules against the right answer, and the same without single rules. The
/// steps are those of `PartitionProtocol`, which `transform` carries out with real servers.
///
/// NEEDLETAIL_SIMULATION_SCHEDULES=100000 runs as many instead of a few thousand.
@Suite struct RecoverySimulationTests {
    struct Outcome {
        var wrong: [String] = []
        /// The most steps a partition needed to come to rest, with up to a whole log before it.
        var steps = 0
        /// The most times it had to claim the partition for that.
        var claims = 0
    }

    static func run(seed: UInt64, without omitted: RecoveryRules = []) -> Outcome {
        let world = SimulatedWorld(seed: seed, rules: RecoveryRules.all.subtracting(omitted))
        var owners: [SimulatedOwner] = []
        for _ in 0..<600 {
            world.keepCopies()
            switch world.random.below(100) {
            case 0..<8: world.produce()
            case 8..<11: world.fail(owned: owners.map(\.partition))
            case 11..<14 where !owners.isEmpty: owners.remove(at: world.random.below(owners.count))  // kill -9
            case 14..<19 where owners.count < 7:
                // A new owner; the one before may not know yet.
                owners.append(SimulatedOwner(world.random.below(SimulatedWorld.partitionCount), in: world))
            default: owners.randomElement(using: &world.random)?.tick()
            }
            world.checkOnline()
            if !world.wrong.isEmpty { return Outcome(wrong: world.wrong) }
        }
        return rest(world)
    }

    /// No more faults: one owner a partition, until everything is stored.
    private static func rest(_ world: SimulatedWorld) -> Outcome {
        var outcome = Outcome()
        var stopped: Set<Int> = []
        for partition in 0..<SimulatedWorld.partitionCount {
            world.produce(partition, count: SimulatedWorld.logLength)
            let last = SimulatedOwner(partition, in: world)
            outcome.steps = max(outcome.steps, last.settle(within: 2_000))
            outcome.claims = max(outcome.claims, 1 + last.retreats)
            if last.mismatch != nil { stopped.insert(partition) }
        }
        world.checkAtRest(stopped: stopped)
        outcome.wrong = world.wrong
        return outcome
    }

    private static let schedules =
        ProcessInfo.processInfo.environment["NEEDLETAIL_SIMULATION_SCHEDULES"].flatMap { UInt64($0) } ?? 2_000

    @Test(arguments: 0..<4)
    func `whatever fails, everything is counted once, served as it is, and goes on`(block: UInt64) {
        let share = Self.schedules / 4
        for seed in block * share..<(block + 1) * share {
            let outcome = Self.run(seed: seed)
            #expect(outcome.wrong.isEmpty, "seed \(seed)")
            #expect(outcome.steps <= 400, "seed \(seed): from whatever damage, a log of 36 records takes so many steps")
            #expect(outcome.claims <= 12, "seed \(seed)")
            if !outcome.wrong.isEmpty { return }
        }
    }

    /// Where among the seeds each rule is first missed: at most so many schedules show that it is needed.
    static let needs: [(name: String, rule: RecoveryRules, seeds: Range<UInt64>)] = [
        ("dead letters are published again", .republishes, 0..<50),
        ("what a failure taught is remembered", .remembers, 700..<800),
        ("refused batches are halved", .halves, 0..<50),
        ("refused letters are bared", .baresLetters, 0..<50),
        ("the record before N is compared", .comparesRecordBefore, 0..<50),
        ("a planted watermark has a target", .plantsTarget, 0..<50),
        ("a filter is kept only under its own epochs", .followsEpochs, 23_500..<23_600),
        ("a shortened log goes on behind N", .rebases, 0..<50),
        ("a rebuild begins above what was seen", .rebuildsAbove, 0..<100),
        ("the watermark is compared", .comparesMark, 0..<100),
        ("blobs are compared", .comparesBlobs, 0..<200),
        ("writes are fenced", .fences, 0..<50),
        ("a record's home is checked", .checksHome, 0..<50),
        ("lost entities are loaded", .loadsLostEntities, 0..<100),
        ("damage is written over", .overwritesDamage, 0..<50),
        ("a watermark has a checksum", .checksumsMark, 0..<50),
    ]

    @Test(arguments: needs.indices)
    func `without one rule something goes wrong`(index: Int) {
        let (name, rule, seeds) = Self.needs[index]
        #expect(seeds.contains { !Self.run(seed: $0, without: rule).wrong.isEmpty }, "\(name)")
    }

    @Test func `every rule is left out once`() {
        #expect((Self.needs + RekeyedSimulationTests.needs).reduce(RecoveryRules()) { $0.union($1.rule) } == .all)
    }
}
