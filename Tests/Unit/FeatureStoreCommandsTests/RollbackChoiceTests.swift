import ServiceRuntime
import Testing

@testable import FeatureStoreCommands

@Suite struct RollbackChoiceTests {
    /// The place chosen among sets, newest first; a negative number is a set whose row has no champions.
    private func place(_ sets: Int64...) -> Int? {
        RollbackChoice.place(in: sets.map { RollbackChoice.Row(set: abs($0), hasChampions: $0 > 0) })
    }

    @Test func `the rollout before comes back, of a whole rollout and of one that was cut off`() {
        #expect(place() == nil)
        #expect(place(1) == nil)
        #expect(place(-1) == nil)
        #expect(place(2, 2, -2) == nil)
        #expect(place(2, 1) == 1)
        #expect(place(-2, 1) == 1)
        // Begun again by the same command, and cut off again.
        #expect(place(-2, -2, 1) == 2)
        #expect(place(-2, 2, 1) == 2)
    }

    @Test func `a taking back that was cut off goes on, however often`() {
        #expect(place(-1, 2, 1) == 2)
        #expect(place(-1, -1, 2, 1) == 3)
        #expect(place(-1, -1, -1, 2, 1) == 4)
        // One of a rollout that was cut off itself.
        #expect(place(-1, -2, 1) == 2)
        // What it had when it last served.
        #expect(place(-1, 3, 1, 2, 1) == 2)
    }

    @Test func `a whole taking back is taken back`() {
        #expect(place(1, 2, 1) == 1)
        #expect(place(1, -1, 2, 1) == 2)
    }

    @Test func `where no model ever serves, going back never leads forward`() {
        #expect(place(-2, -1) == 1)
        #expect(place(-1, -2, -1) == 2)
        #expect(place(-1, -1, -2, -1) == 3)
        #expect(place(-3, -1, -2, -1) == 1)
    }
}

@Suite struct RolloutApprovalTests {
    @Test func `where a second person has to agree, a rollout is left to whoever does`() async throws {
        let needed = ["PROMOTION_APPROVAL": "true"]
        let settings = try Settings([], declared: FeaturesRolloutCommand.settings, environment: needed)
        let error = await #expect(throws: CommandError.self) {
            try await FeaturesRolloutCommand().run(settings, ServiceRuntime())
        }
        #expect(error?.exitCode == .noPermission)
        #expect(error?.message.contains("--approve=false") == true)
        let agreed = try Settings(
            ["--approve=false"], declared: FeaturesRolloutCommand.settings, environment: needed)
        #expect(!agreed[Setting<Bool>.needsApproval])
    }

    @Test func `going back needs nobody else`() throws {
        let names = FeaturesRollbackCommand.settings.map { $0.name }
        #expect(!names.contains("approve") && !names.contains("force") && names.contains("wait-seconds"))
    }
}
