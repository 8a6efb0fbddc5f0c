import FeatureEngine
import Foundation
import PostgresOfflineStore
import ServiceRuntime
import TestSupport
import Testing

@testable import FraudModel
@testable import Training

private func champion(_ store: MemoryModelStore, _ set: TrainingSet, rounds: Int = 30) throws {
    let run = TrainingRun(parameters: Rows.parameters(rounds: rounds))
    _ = try run.finish(run.train(set, ServiceRuntime()), set, registry: store, ServiceRuntime(), rows: Rows.noRows)
}

private func memoryStore() throws -> MemoryModelStore {
    MemoryModelStore(modelsFolder: try TestEnvironment.temporaryFolder("models") + "/models")
}

@Suite struct DecayTests {
    private func check(_ store: MemoryModelStore, _ labelled: TrainingSet) throws -> (DriftReport, DriftCheck.Outcome) {
        let outcome = try DriftCheck.run(store, service: "shop", hash: "00112233aabbccdd") {
            RecentRows(all: labelled, labelled: labelled)
        }
        guard case .report(let report, _) = outcome else { throw TestServerError("no report") }
        return (report, outcome)
    }

    /// Rows whose inputs are of `Rows.set`, and whose label is another's.
    private func relabelled(_ count: Int, _ label: (_ isFraud: Bool, _ random: inout SplitMix64) -> Bool?)
        -> TrainingSet
    {
        let rows = Rows.set(count, seed: 42, startHour: 21_000)
        var mixed = TrainingSet(
            serviceName: "shop", definitionHash: "00112233aabbccdd", featureNames: ["v__a", "v__b"],
            kinds: [.number, .number])
        var random = SplitMix64(43)
        var vector = FeatureVector(count: 2)
        for row in 0..<count {
            for index in 0..<2 { vector.numbers[index] = Double(rows.values[2 * row + index]) }
            guard let isFraud = label(rows.labels[row] == 1, &random) else { continue }
            mixed.append(vector, label: isFraud ? 1 : 0, timeMillis: rows.timesMillis[row], id: rows.ids[row])
        }
        return mixed
    }

    @Test func `a model that finds frauds worse has drifted, though its inputs have not`() throws {
        let store = try memoryStore()
        try champion(store, Rows.set(20_000, seed: 41))
        let (same, _) = try check(store, Rows.set(4_000, seed: 42, startHour: 21_000))
        #expect(same.decay?.isDecided == true && same.decay?.isDecayed == false && !same.isDrifted)
        let (worse, outcome) = try check(store, relabelled(2_000) { _, random in random.uniform() < 0.1 })
        #expect(worse.entries.allSatisfy { !$0.isDrifted } && worse.decay?.isDecayed == true && worse.isDrifted)
        #expect(outcome.reasonToStay == nil && outcome.reasonToTrain == "version 1 finds frauds worse than it did")
        #expect(worse.text.contains("it has become worse") && DriftPage(worse).html.contains("it has become worse"))
        // The page does not say of the data what is only true of the model.
        #expect(DriftPage(worse).html.contains("No distribution has drifted."))
        // Rows that the model was fitted on say nothing.
        let (known, _) = try check(store, Rows.set(2_000, seed: 41))
        #expect(known.decay?.rows == 0 && known.decay?.isDecided == false)
    }

    @Test func `fewer frauds alone do not make a model worse`() throws {
        let store = try memoryStore()
        try champion(store, Rows.set(20_000, seed: 41))
        // Every eighth fraud: average precision falls by itself.
        var seen = 0
        let rare = relabelled(8_000) { isFraud, _ in
            guard isFraud else { return false }
            seen += 1
            return seen.isMultiple(of: 8) ? true : nil
        }
        let decay = try #require(try check(store, rare).0.decay)
        #expect(decay.isDecided && !decay.isDecayed, "\(decay)")
        let model = try ScoringModel.load(
            directory: store.directory(of: #require(try store.champion(of: "shop"))), version: "1")
        let plain = ModelMetrics(
            scores: try rare.probabilities(0..<rare.count, of: model), labels: rare.labels, threshold: 0.5)
        let before = try #require(decay.before)
        #expect(try #require(plain.averagePrecision) < before - 0.08)
        #expect(abs(try #require(decay.averagePrecision) - before) < 0.05)
    }

    @Test func `what is injected drifts, and leaves no report`() throws {
        let store = try memoryStore()
        try champion(store, Rows.set(4_000, seed: 44))
        func check(_ text: String) throws -> DriftCheck.Outcome {
            try DriftCheck.run(
                store, service: "shop", hash: "00112233aabbccdd", injections: [try #require(DriftInjection(text))]
            ) { RecentRows(all: Rows.set(1_000, seed: 45)) }
        }
        for text in ["v__b*3", "v__b=missing", "v__a*-1"] {
            #expect(try check(text).reasonToStay == nil, "\(text)")
        }
        #expect(try check("v__b*1").reasonToStay != nil)
        #expect(store.drifts.isEmpty)
        #expect(throws: CommandError.self) { try check("v__c*2") }
        for text in ["", "a", "*2", "a*x", "a*inf", "=missing"] { #expect(DriftInjection(text) == nil, "\(text)") }
    }
}

@Suite struct RetrainingTests {
    private func retraining(
        _ set: TrainingSet, recent: TrainingSet? = nil, in store: MemoryModelStore, approve: Bool = false
    ) -> Retraining {
        var run = TrainingRun(parameters: Rows.parameters(rounds: 30))
        run.needsApproval = approve
        let check = recent.map { rows in
            { try DriftCheck.run(store, service: "shop", hash: "00112233aabbccdd") { RecentRows(all: rows) } }
        }
        return Retraining(service: "shop", run: run, check: check, rows: { set }, replayed: Rows.noRows)
    }

    @Test func `a better champion stays through many runs, and no model is left by any`() throws {
        let store = try memoryStore()
        try champion(store, Rows.set(6_000, seed: 51, signal: 1.5))
        // Drift goes on and new rows arrive, but what can be learnt from them is less.
        for run in 0..<3 {
            let set = Rows.set(6_000 + 100 * run, seed: 51, signal: 1.5, startHour: 0)
            let moved = Rows.set(1_000, seed: 52 + UInt64(run), signal: 60)
            let decision = try retraining(set, recent: moved, in: store).decide(store, ServiceRuntime())
            guard run > 0 else {
                guard case .stayed(let reason) = decision else { throw TestServerError("trained on the same rows") }
                #expect(reason == "the data of version 1 have drifted, and version 1 was trained on these rows")
                continue
            }
            guard case .trained(let outcome) = decision else { throw TestServerError("stayed") }
            #expect(outcome.verdict.name == "kept" && outcome.version == nil, "\(outcome.verdict)")
            // Again on the same rows: it is known what comes of it.
            guard
                case .stayed(let reason) = try retraining(set, recent: moved, in: store).decide(store, ServiceRuntime())
            else { throw TestServerError("trained on the same rows") }
            #expect(reason.contains("training on these rows was tried"))
        }
        #expect(store.models.map(\.version) == [1])
        #expect(store.decisions.map(\.decision) == ["stayed", "kept", "stayed", "kept", "stayed"])
        #expect(store.decisions.allSatisfy { $0.champion == 1 && $0.version == nil })
    }

    @Test func `without drift, beside another process and while a promotion waits nothing is trained`() throws {
        let store = try memoryStore()
        let set = Rows.set(6_000, seed: 53, signal: 0)
        func decide(_ recent: TrainingSet, approve: Bool = false) throws -> String {
            let retraining = self.retraining(
                Rows.set(6_000, seed: 54), recent: recent, in: store, approve: approve)
            switch try retraining.decide(store, ServiceRuntime()) {
            case .stayed(let reason): return reason
            case .trained(let outcome): return outcome.verdict.name
            }
        }
        try champion(store, set, rounds: 1)
        #expect(try decide(Rows.set(1_000, seed: 55, signal: 0)) == "version 1 stays: nothing has drifted")
        store.isLocked = true
        let moved = Rows.set(1_000, seed: 56, signal: 60)
        #expect(try decide(moved) == "another process is at it")
        store.isLocked = false
        #expect(try decide(moved, approve: true) == "requested")
        #expect(try decide(moved, approve: true) == "version 2 waits for a second person already")
        #expect(store.models.map(\.version) == [1, 2] && store.champions == ["shop": 1])
        #expect(store.decisions.map(\.decision) == ["stayed", "stayed", "requested", "stayed"])
        #expect(store.decisions.map(\.version) == [nil, nil, 2, nil])
    }

    @Test func `a training that cannot be is a decision too, and one that was stopped is none`() throws {
        let store = try memoryStore()
        let few = retraining(Rows.set(3, seed: 57), recent: Rows.set(3, seed: 57), in: store)
        #expect(throws: CommandError.self) { try few.decide(store, ServiceRuntime()) }
        #expect(store.decisions.map(\.decision) == ["failed"])
        let stopped = ServiceRuntime()
        stopped.stop()
        #expect(throws: CommandError.self) {
            try retraining(Rows.set(4_000, seed: 58), in: store).decide(store, stopped)
        }
        #expect(store.decisions.count == 1 && store.models.isEmpty)
    }
}
