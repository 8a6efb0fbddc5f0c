import Foundation
import StreamRecovery
import TestSupport
import Testing

/// Two faults at one moment, in the middle of a claim or of a batch: what each alone would survive must be survived together, and
/// within a bounded number of steps. The seeds of `RecoverySimulationTests` meet such moments by chance; these go through every
/// pair, and aim.
@Suite struct FaultPairTests {
    typealias Fault = SimulatedWorld.Fault

    /// What one partition needed to come back once the faults were over.
    struct Outcome {
        var wrong: [String] = []
        var steps = 0
        var claims = 0
        /// Whether it stopped and said so, for the log is another one.
        var isStopped = false
    }

    /// The log is whole and partly stored; the owner is killed or left alone; the next one is some steps into its claim; there the
    /// faults come; it is killed or goes on. Then rest.
    static func run(_ faults: [Fault], seed: UInt64) -> Outcome {
        let world = SimulatedWorld(seed: seed, rules: .all)
        let partition = world.random.below(2)
        var owner = SimulatedOwner(partition, in: world)
        let neighbour = SimulatedOwner(partition ^ 1, in: world)
        while world.logs[partition].count < SimulatedWorld.logLength {
            world.produce(partition, count: 1 + world.random.below(9))
            world.produce(partition ^ 1, count: 1)
            for _ in 0..<world.random.below(60) {
                owner.tick()
                neighbour.tick()
                world.keepCopies()
            }
        }
        for _ in 0...world.random.below(2) {
            if world.random.below(2) == 0 {
                owner = SimulatedOwner(partition, in: world)
                for _ in 0..<world.random.below(16) { owner.tick() }
            } else {
                for _ in 0..<world.random.below(8) { owner.tick() }
            }
            for fault in faults { world.inflict(fault, on: partition) }
            world.checkOnline()
        }
        if world.random.below(2) == 0 { owner = SimulatedOwner(partition, in: world) }
        return rest(owner, neighbour, world)
    }

    private static func rest(_ owner: SimulatedOwner, _ neighbour: SimulatedOwner, _ world: SimulatedWorld) -> Outcome {
        var outcome = Outcome()
        let retreats = owner.retreats
        for (index, owner) in [owner, neighbour].enumerated() {
            owner.wake()
            var steps = 0
            while !owner.isIdle, owner.mismatch == nil, steps < 2_000 {
                owner.tick()
                world.checkOnline()
                steps += 1
            }
            if index == 0 { (outcome.steps, outcome.isStopped) = (steps, owner.mismatch != nil) }
            if let mismatch = owner.mismatch, !world.isRecreated[owner.partition] {
                world.report("\(owner.partition) stopped: \(mismatch)")
            }
            if steps == 2_000 { world.report("\(owner.partition) never comes to rest") }
        }
        outcome.claims = owner.retreats - retreats
        let stopped = Set([owner, neighbour].filter { $0.mismatch != nil }.map(\.partition))
        world.checkAtRest(stopped: stopped)
        outcome.wrong = world.wrong
        return outcome
    }

    /// From each fault alone: the most steps of the protocol until everything is stored and served again, and the most claims. A
    /// step is what a reader of the stores could see: a query, a blob, a watermark. The log has 36 records of 4 entities, and a
    /// rebuild replays three events a step, so what follows a rebuild is most of these numbers.
    static let bounds: [Fault: (steps: Int, claims: Int)] = [
        .emptied: (115, 2), .restarted: (115, 2), .setBack: (98, 2), .disconnected: (88, 2), .restored: (185, 4),
        .tailLost: (80, 2), .recreated: (20, 2), .blobDamaged: (84, 2), .markDamaged: (115, 2), .blobLost: (80, 2),
    ]

    private static let share =
        (ProcessInfo.processInfo.environment["NEEDLETAIL_SIMULATION_SCHEDULES"].flatMap { UInt64($0) } ?? 5_500) / 110

    @Test(arguments: Fault.allCases)
    func `a partition comes back from each fault in so many steps`(fault: Fault) throws {
        let bound = try #require(Self.bounds[fault])
        var most = (steps: 0, claims: 0)
        for seed in 0..<Self.share * 2 {
            let outcome = Self.run([fault], seed: seed)
            #expect(outcome.wrong.isEmpty, "\(fault), seed \(seed)")
            if !outcome.wrong.isEmpty { return }
            most = (max(most.steps, outcome.steps), max(most.claims, outcome.claims))
        }
        #expect(most.steps <= bound.steps && most.claims <= bound.claims, "\(fault): \(most)")
    }

    @Test(arguments: Fault.allCases)
    func `two faults at once are no worse than wrong at neither`(first: Fault) {
        var most = (steps: 0, claims: 0)
        for second in Fault.allCases {
            for seed in 0..<Self.share {
                let outcome = Self.run([first, second], seed: seed)
                #expect(outcome.wrong.isEmpty, "\(first) and \(second), seed \(seed)")
                if !outcome.wrong.isEmpty { return }
                most = (max(most.steps, outcome.steps), max(most.claims, outcome.claims))
            }
        }
        #expect(most.steps <= 400 && most.claims <= 12, "\(first): \(most)")
    }

    @Test func `three at once: killed during a claim while a blob is damaged and Redis comes back from a copy`() {
        for seed in 0..<Self.share * 4 {
            for faults: [Fault] in [
                [.setBack, .blobDamaged, .markDamaged], [.emptied, .blobDamaged, .disconnected],
                [.restored, .blobDamaged, .blobLost], [.tailLost, .setBack, .blobDamaged],
            ] {
                let outcome = Self.run(faults, seed: seed)
                #expect(outcome.wrong.isEmpty, "\(faults), seed \(seed)")
                if !outcome.wrong.isEmpty { return }
            }
        }
    }
}
