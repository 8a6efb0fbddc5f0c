import Testing

/// Owners that are killed and left lying, Redis emptied and set back, Postgres restored, at every point between two visible
/// steps: thousands of seeded schedules against the right answer, and the same without single rules.
@Suite struct RecoverySimulationTests {
    static func run(seed: UInt64, without omitted: RecoveryRule? = nil) -> [String] {
        let world = SimulatedWorld(seed: seed, without: omitted)
        var owners: [SimulatedOwner] = []
        for _ in 0..<500 {
            world.keepSnapshots()
            switch world.random.below(100) {
            case 0..<8: world.produce()
            case 8..<10: world.fail()
            case 10..<13 where !owners.isEmpty: owners.remove(at: world.random.below(owners.count))  // kill -9
            case 13..<17 where owners.count < 5:
                // A new owner; the one before may not know yet.
                owners.append(SimulatedOwner(world.random.below(SimulatedWorld.partitionCount), in: world))
            default: owners.randomElement(using: &world.random)?.step()
            }
            world.checkOnline()
            if !world.wrong.isEmpty { return world.wrong }
        }
        world.ends = world.ends.map { _ in SimulatedWorld.logLength }
        for partition in 0..<SimulatedWorld.partitionCount {
            let last = SimulatedOwner(partition, in: world)
            var steps = 0
            while !last.isIdle, steps < 5_000 {
                last.step()
                steps += 1
            }
            if !last.isIdle { world.report("partition \(partition) never comes to rest") }
        }
        world.checkAtRest()
        return world.wrong
    }

    @Test(arguments: 0..<4)
    func `whatever fails, everything is counted once and served as it is`(block: UInt64) {
        for seed in block * 500..<(block + 1) * 500 {
            let wrong = Self.run(seed: seed)
            #expect(wrong.isEmpty, "seed \(seed)")
            if !wrong.isEmpty { return }
        }
    }

    @Test(arguments: RecoveryRule.allCases)
    func `without one rule something goes wrong`(rule: RecoveryRule) {
        #expect((0..<3_000).contains { !Self.run(seed: $0, without: rule).isEmpty })
    }
}
