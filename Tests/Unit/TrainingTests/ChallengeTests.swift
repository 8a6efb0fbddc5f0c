import FeatureEngine
import Foundation
import FraudModel
import PostgresOfflineStore
import ServiceRuntime
import TestSupport
import Testing

@testable import Training

/// What becomes of a trained model, over a registry in memory.
@Suite struct ChallengeTests {
    private let store: MemoryModelStore

    init() throws { store = MemoryModelStore(modelsFolder: try TestEnvironment.temporaryFolder("models") + "/models") }

    /// Trains on a set and lets the model stand against the champion.
    private func train(
        _ set: TrainingSet, rounds: Int = 10, forces: Bool = false, holdoutFromHour: Int? = nil,
        rows: @escaping (Any, Set<UInt64>) throws -> TrainingSet = Rows.noRows
    ) throws -> TrainingRun.Outcome {
        var run = TrainingRun(parameters: Rows.parameters(rounds: rounds))
        run.forces = forces
        run.options.holdoutFromMillis = holdoutFromHour.map { Int64($0) * Rows.hour }
        let runtime = ServiceRuntime()
        let trained = try run.train(set, runtime)
        return try run.finish(trained, set, registry: store, runtime) { try rows($0, $1) }
    }

    @Test func `the first model with frauds enough serves`() throws {
        let few = try train(Rows.set(1_000, seed: 1))
        #expect(few.verdict.name == "undecided" && few.verdict.reason.contains("no decision is made under 50"))
        #expect(store.champions.isEmpty)
        let enough = try train(Rows.set(4_000, seed: 1))
        #expect(enough.verdict == .promoted("there was no champion"))
        #expect(store.champions == ["shop": 2])
        #expect(FileManager.default.fileExists(atPath: store.modelsFolder + "/2/needletail.json"))
    }

    @Test func `a better model takes over, an equal or worse one does not`() throws {
        let set = Rows.set(6_000, seed: 2)
        _ = try train(set, rounds: 1)
        let better = try train(set, rounds: 60)
        #expect(better.verdict.name == "promoted", "\(better.verdict)")
        let comparison = try #require(better.comparison)
        #expect(comparison.confidence >= 0.95)
        // The same rows for both.
        #expect(comparison.challenger.rows == comparison.champion.rows)
        #expect(comparison.challenger.frauds == comparison.champion.frauds)
        let same = try train(set, rounds: 60)
        #expect(same.verdict.name == "kept" && same.comparison?.confidence == 0.5, "\(same.verdict)")
        #expect(same.verdict.reason.contains("ties with") && same.comparison?.difference == 0...0)
        let worse = try train(set, rounds: 1)
        #expect(worse.verdict.name == "kept" && worse.verdict.reason.contains("does not beat"), "\(worse.verdict)")
        #expect(store.champions == ["shop": 2])
        #expect(store.models.count == 4)
    }

    @Test func `luck on few frauds is not a better model`() throws {
        // Seeds of the subsample only: none of these is better than another.
        let set = Rows.set(4_000, seed: 3, signal: 0.6)
        _ = try train(set)
        var promoted = 0
        for seed in 1...6 {
            var run = TrainingRun(parameters: Rows.parameters())
            run.parameters.subsample = 0.5
            run.parameters.seed = seed
            let trained = try run.train(set, ServiceRuntime())
            let outcome = try run.finish(trained, set, registry: store, ServiceRuntime(), rows: Rows.noRows)
            if outcome.verdict.name == "promoted" { promoted += 1 }
        }
        #expect(promoted <= 1)
    }

    @Test func `rows the champion was fitted or stopped on do not count`() throws {
        // Hours 0…5,999. The champion saw all but the newest 100.
        let set = Rows.set(6_000, seed: 4)
        _ = try train(set, rounds: 1, holdoutFromHour: 4_000)
        _ = try train(set, rounds: 1, forces: true, holdoutFromHour: 5_200)
        let challenger = try train(set, rounds: 60)
        #expect(challenger.verdict.name == "promoted", "\(challenger.verdict)")
        let rows = try #require(challenger.comparison).champion.rows
        #expect(rows == 800)  // of 1,200 in the challenger's holdout
        _ = try train(set, rounds: 1, forces: true, holdoutFromHour: 5_400)
        let later = try train(set, rounds: 60, holdoutFromHour: 3_000)
        #expect(try #require(later.comparison).champion.rows == 600)
        #expect(store.champions == ["shop": 5], "\(later.verdict)")
    }

    @Test func `too few frauds that both models have not seen leave it undecided`() throws {
        let set = Rows.set(6_000, seed: 5)
        var run = TrainingRun(parameters: Rows.parameters(rounds: 1))
        run.forces = true
        run.options.holdoutFromMillis = 5_900 * Rows.hour
        let seen = try run.train(set, ServiceRuntime())
        _ = try run.finish(seen, set, registry: store, ServiceRuntime(), rows: Rows.noRows)
        let outcome = try train(set, rounds: 60)
        #expect(outcome.verdict.name == "undecided", "\(outcome.verdict)")
        #expect(outcome.verdict.reason.contains("newer than all that version 1 was fitted or stopped on"))
        #expect(outcome.comparison == nil)
        #expect(store.champions == ["shop": 1])
        let forced = try train(set, rounds: 60, forces: true)
        #expect(forced.verdict.name == "promoted" && forced.verdict.reason.hasPrefix("by --force, although only"))
    }

    @Test func `a champion of other definitions whose folder lacks them leaves it undecided`() throws {
        _ = try train(Rows.set(6_000, seed: 6, hash: "ffffffffffffffff"))
        let outcome = try train(Rows.set(6_000, seed: 6), rounds: 60)
        #expect(outcome.verdict.name == "undecided")
        #expect(outcome.verdict.reason.contains("other definitions") && outcome.verdict.reason.contains("--force"))
        #expect(store.champions == ["shop": 1])
    }

    @Test func `a champion without a folder serves nobody`() throws {
        let set = Rows.set(4_000, seed: 7)
        _ = try train(set)
        try FileManager.default.removeItem(atPath: store.modelsFolder + "/1")
        let outcome = try train(set, rounds: 1)
        #expect(outcome.verdict.name == "promoted" && outcome.verdict.reason.contains("cannot be loaded"))
    }

    @Test func `a margin asks for more than being ahead`() throws {
        let set = Rows.set(6_000, seed: 2)
        _ = try train(set, rounds: 1)
        var run = TrainingRun(parameters: Rows.parameters(rounds: 60))
        run.margin = 0.5
        let wide = try run.finish(
            run.train(set, ServiceRuntime()), set, registry: store, ServiceRuntime(), rows: Rows.noRows)
        #expect(wide.verdict.name == "kept", "\(wide.verdict)")
        #expect(wide.verdict.reason.contains("by more than the margin of 0.5000"))
        let comparison = try #require(wide.comparison)
        #expect(comparison.confidence == 0 && comparison.difference.lowerBound > 0)
        run.margin = comparison.difference.lowerBound / 2
        let narrow = try run.finish(
            run.train(set, ServiceRuntime()), set, registry: store, ServiceRuntime(), rows: Rows.noRows)
        #expect(narrow.verdict.isPromoted, "\(narrow.verdict)")
    }

    @Test func `a promotion that needs a second person waits, and says who asked`() throws {
        let set = Rows.set(4_000, seed: 1)
        var run = TrainingRun(parameters: Rows.parameters())
        (run.needsApproval, run.actor) = (true, "schedule")
        let outcome = try run.finish(
            run.train(set, ServiceRuntime()), set, registry: store, ServiceRuntime(), rows: Rows.noRows)
        #expect(outcome.verdict.name == "requested", "\(outcome.verdict)")
        #expect(outcome.verdict.reason.contains("needletail models promote 1 --approve"))
        #expect(store.champions.isEmpty)
        #expect(store.requests.map(\.note.actor) == ["schedule"] && store.requests.map(\.version) == [1])
    }

    @Test func `another promotion meanwhile is looked at again`() throws {
        let set = Rows.set(6_000, seed: 8)
        _ = try train(Rows.set(6_000, seed: 8, signal: 0), rounds: 1)
        var best = TrainingRun(parameters: Rows.parameters(rounds: 60))
        best.forces = true
        let trained = try best.train(set, ServiceRuntime())
        store.beforePromotion = { [store] in
            _ = try best.finish(trained, set, registry: store, ServiceRuntime(), rows: Rows.noRows)
        }
        // Better than version 1, but not than the one that came between.
        let outcome = try train(set, rounds: 30)
        #expect(outcome.verdict.name == "kept", "\(outcome.verdict)")
        #expect(outcome.comparedWith == "3")
        #expect(store.champions == ["shop": 3])
        #expect(store.models.map(\.version) == [1, 2, 3])
    }

    @Test func `a training that was stopped registers nothing and says so by 75`() throws {
        let set = Rows.set(4_000, seed: 9)
        let run = TrainingRun(parameters: Rows.parameters())
        let trained = try run.train(set, ServiceRuntime())
        let stopped = ServiceRuntime()
        stopped.stop()
        let error = #expect(throws: CommandError.self) {
            try run.finish(trained, set, registry: store, stopped, rows: Rows.noRows)
        }
        #expect(error?.exitCode == .temporaryFailure)
        #expect(throws: CommandError(.temporaryFailure, "stopped before the end: no model was registered or written."))
        {
            try run.train(set, stopped)
        }
        #expect(store.models.isEmpty)
        #expect(!FileManager.default.fileExists(atPath: store.modelsFolder))
    }
}

@Suite struct DriftCheckTests {
    @Test func `drift is of the champion, of these definitions, and is kept`() throws {
        let store = MemoryModelStore(modelsFolder: try TestEnvironment.temporaryFolder("models") + "/models")
        func check(_ set: TrainingSet, hash: String = "00112233aabbccdd") throws -> DriftCheck.Outcome {
            try DriftCheck.run(store, service: "shop", hash: hash) { RecentRows(all: set) }
        }
        let none = try check(Rows.set(600, seed: 11))
        #expect(none.reasonToStay == nil && none.reasonToTrain == "there is no champion")
        let run = TrainingRun(parameters: Rows.parameters())
        let set = Rows.set(4_000, seed: 12)
        _ = try run.finish(
            run.train(set, ServiceRuntime()), set, registry: store, ServiceRuntime(), rows: Rows.noRows)
        let other = try check(Rows.set(0, seed: 1), hash: "ffffffffffffffff")
        #expect(other.reasonToStay == nil)
        #expect(other.reasonToTrain == "version 1 was trained on other definitions")
        #expect(store.drifts.isEmpty)
        #expect(try check(Rows.set(1_000, seed: 13)).reasonToStay == "version 1 stays: nothing has drifted")
        let few = try check(Rows.set(100, seed: 13, signal: 60))
        #expect(few.reasonToStay == "version 1 stays: there are too few recent rows to decide")
        let moved = try check(Rows.set(1_000, seed: 14, signal: 60))
        #expect(moved.reasonToStay == nil && moved.reasonToTrain == "the data of version 1 have drifted")
        #expect(store.drifts.map(\.isDrifted) == [false, false, true])
        #expect(store.drifts.map(\.rows) == [1_000, 100, 1_000])
    }
}

@Suite struct FolderRegistrationTests {
    private func model(_ folder: String) throws -> (TrainedModel, MemoryModelStore) {
        let set = Rows.set(2_000, seed: 21)
        let trained = try TrainingRun(parameters: Rows.parameters()).train(set, ServiceRuntime()).model
        return (trained, MemoryModelStore(modelsFolder: folder + "/models"))
    }

    @Test func `a lost row is written again under the folder's number, and serves where nothing does`() throws {
        let (trained, store) = try model(TestEnvironment.temporaryFolder("register"))
        for version in ["3", "4"] {
            try ModelDirectory.install(
                model: trained.bytes, card: trained.card, as: version, in: store.modelsFolder)
        }
        let third = FolderRegistration(directory: store.modelsFolder + "/3/", forces: false)
        #expect(try third.register(third.card(), in: store) == "version 3 is registered and now the champion.")
        #expect(try third.register(third.card(), in: store) == "version 3 is registered and the champion.")
        let fourth = FolderRegistration(directory: store.modelsFolder + "/4", forces: false)
        #expect(try fourth.register(fourth.card(), in: store).contains("version 3 stays the champion"))
        let forced = FolderRegistration(directory: store.modelsFolder + "/4", forces: true)
        #expect(try forced.register(forced.card(), in: store) == "version 4 is registered and now the champion.")
        #expect(store.models.map(\.version) == [3, 4])
        // A later training steps over the folders that are there.
        #expect(try [store.unusedVersion(), store.unusedVersion(), store.unusedVersion()] == [1, 2, 5])
    }

    @Test func `where two people are needed a forced one asks, and the reason given is kept`() throws {
        let (trained, store) = try model(TestEnvironment.temporaryFolder("register"))
        for version in ["3", "4"] {
            try ModelDirectory.install(
                model: trained.bytes, card: trained.card, as: version, in: store.modelsFolder)
        }
        // Where nothing serves, nothing is replaced.
        let third = FolderRegistration(directory: store.modelsFolder + "/3", forces: false, needsApproval: true)
        #expect(try third.register(third.card(), in: store) == "version 3 is registered and now the champion.")
        var fourth = FolderRegistration(
            directory: store.modelsFolder + "/4", forces: true, needsApproval: true, actor: "ana", reason: "it won")
        let asked = try fourth.register(fourth.card(), in: store)
        #expect(asked.contains("is to be champion: it won. Somebody else agrees with: "), "\(asked)")
        #expect(asked.hasSuffix("needletail models promote 4 --approve"), "\(asked)")
        #expect(store.champions == ["shop": 3])
        #expect(store.requests.map(\.version) == [4] && store.requests.map(\.replacing) == [3])
        #expect(store.requests.map(\.note.actor) == ["ana"])
        fourth.needsApproval = false
        #expect(try fourth.register(fourth.card(), in: store) == "version 4 is registered and now the champion.")
        #expect(store.champions == ["shop": 4] && store.notes.last?.reason == "it won")
        #expect(store.notes.map(\.isForced) == [false, true])
    }

    @Test func `a folder from elsewhere is copied, what is no model is refused`() throws {
        let folder = try TestEnvironment.temporaryFolder("register")
        let (trained, store) = try model(folder)
        try ModelDirectory.write(model: trained.bytes, card: trained.card, to: folder + "/mine")
        let mine = FolderRegistration(directory: folder + "/mine", forces: false)
        #expect(try mine.register(mine.card(), in: store) == "version 1 is registered and now the champion.")
        let copy = try ScoringModel.load(directory: store.modelsFolder + "/1")
        #expect(copy.card == trained.card)
        for (path, code) in [(folder + "/none", ExitCode.noInput), (folder + "/mine/model.json", .dataError)] {
            let error = #expect(throws: CommandError.self) {
                try FolderRegistration(directory: path, forces: false).card()
            }
            #expect(error?.exitCode == code)
        }
        // The number is taken by another model.
        var other = trained.card
        other.fingerprint = "another"
        try ModelDirectory.write(model: trained.bytes, card: other, to: store.modelsFolder + "/1")
        let taken = FolderRegistration(directory: store.modelsFolder + "/1", forces: true)
        #expect(throws: CommandError.self) { try taken.register(taken.card(), in: store) }
    }
}
