import Dispatch
import FeatureEngine
import Foundation
import FraudModel
import JSON
import PostgresClient
import PostgresOfflineStore
import Synchronization
import TestSupport
import Testing

@Suite(.serialized) struct ModelRegistryTests {
    private struct Place {
        let url: String
        let folder: String

        init() throws {
            url = try TestServers.postgres().makeDatabase("registry")
            folder = try TestEnvironment.temporaryFolder("registry") + "/my models"
            try PostgresOfflineStore(url: url).migrate()
        }

        func registry() throws -> ModelRegistry {
            ModelRegistry(try PostgresConnection(url: url), modelsFolder: folder)
        }
    }

    /// Writes a model's folder and registers it, as training does.
    private func register(_ trained: TrainedModel, in registry: ModelRegistry) throws -> RegisteredModel {
        let version = try registry.nextVersion()
        let card = trained.card
        try ModelDirectory.install(
            model: trained.bytes, card: card, as: String(version), in: registry.modelsFolder)
        let entry = RegisteredModel(
            version: version, service: card.serviceName, definitionHash: card.definitionHash, folder: String(version),
            fingerprint: card.fingerprint, metrics: card.metrics.json.text(), card: card.json.text())
        #expect(try registry.insert(entry))
        return try #require(try registry.model(version: version))
    }

    private func train(_ shift: Double, rows: Int = 600) throws -> TrainedModel {
        try ModelTrainer.train(set(shift, rows: rows), parameters)
    }

    /// As it is read where nobody asks for the card.
    private func withoutCard(_ model: RegisteredModel) -> RegisteredModel {
        var copy = RegisteredModel(
            version: model.version, service: model.service, definitionHash: model.definitionHash, folder: model.folder,
            fingerprint: model.fingerprint, metrics: model.metrics, card: "null")
        copy.registeredMillis = model.registeredMillis
        (copy.isArchived, copy.isDeleted) = (model.isArchived, model.isDeleted)
        return copy
    }

    private func note(_ reason: String) -> ChangeNote { ChangeNote(actor: "tester", reason: reason) }

    private var parameters: TrainingParameters {
        var parameters = TrainingParameters()
        parameters.rounds = 5
        parameters.depth = 2
        parameters.threads = 1
        return parameters
    }

    private func set(_ shift: Double, rows: Int) -> TrainingSet {
        var set = TrainingSet(
            serviceName: "service", definitionHash: "00112233aabbccdd", featureNames: ["v__a"], kinds: [.number])
        var vector = FeatureVector(count: 1)
        for row in 0..<rows {
            let label: UInt8 = row % 5 == 0 ? 1 : 0
            vector.numbers[0] = Double(row * 7_919 % 101) / 50 + (label == 1 ? shift : 0)
            set.append(vector, label: label, timeMillis: Int64(row) * 1_000)
        }
        return set
    }

    @Test func `a registered model is found again, files and figures`() throws {
        let place = try Place()
        let registry = try place.registry()
        #expect(try registry.champion() == nil)
        #expect(try registry.models() == [])
        let trained = try train(1)
        let first = try register(trained, in: registry)
        let second = try register(trained, in: registry)
        #expect(second.version > first.version)
        #expect(try registry.models(of: "service").map(\.version) == [second.version, first.version])
        #expect(try registry.models(of: "another") == [])
        #expect(ModelMetrics(try JSONTree.parse(first.metrics)) == trained.card.metrics)
        #expect(first.fingerprint == trained.card.fingerprint)
        #expect(first.definitionHash == "00112233aabbccdd")
        let loaded = try ScoringModel.load(directory: registry.directory(of: first), version: first.name)
        #expect(loaded.card == trained.card)
        #expect(loaded.version == first.name)
        // Nothing half-written stays behind.
        let files = try FileManager.default.contentsOfDirectory(atPath: place.folder).sorted()
        #expect(files == [first.folder, second.folder].sorted())
        #expect(try registry.champion() == nil)
    }

    @Test func `a version is registered once`() throws {
        let registry = try Place().registry()
        let model = try register(train(1), in: registry)
        let again = RegisteredModel(
            version: model.version, service: "another", definitionHash: "", folder: "", fingerprint: "",
            metrics: "null",
            card: "null")
        #expect(try !registry.insert(again))
        #expect(try registry.model(version: model.version) == model)
        #expect(try registry.nextVersion() > model.version)
    }

    @Test func `a promotion is one step with its history`() throws {
        let place = try Place()
        let registry = try place.registry()
        let models = try (0..<3).map { _ in try register(train(1), in: registry) }
        try registry.promote(models[0], note("the first"), replacing: .some(nil))
        #expect(models[0].card.contains("threshold"))
        #expect(try registry.model(ModelRegistry.champion, of: "service") == models[0])
        #expect(try registry.champion(of: "service") == withoutCard(models[0]))
        #expect(try registry.models() == models.reversed().map(withoutCard))
        try registry.promote(models[1], note("better"), replacing: .some(models[0].version))
        #expect(try registry.model(ModelRegistry.champion, of: nil) == models[1])
        #expect(try registry.champion() == withoutCard(models[1]))
        // It was compared with a champion that is none any more.
        #expect(throws: ChampionChanged(champion: models[1].version)) {
            try registry.promote(models[2], note("stale"), replacing: .some(models[0].version))
        }
        #expect(throws: ChampionChanged(champion: models[1].version)) {
            try registry.promote(models[2], note("stale"), replacing: .some(nil))
        }
        try registry.promote(models[2], note("by hand"))
        let history = try registry.history(of: "service")
        #expect(history.map(\.version) == models.map(\.version))
        #expect(history.map(\.previous) == [nil, models[0].version, models[1].version])
        #expect(history.map(\.note.reason) == ["the first", "better", "by hand"])
        #expect(try registry.champion(of: "another") == nil)
    }

    @Test func `every change is one line of history, and what has an alias is not put away`() throws {
        let registry = try Place().registry()
        let models = try (0..<3).map { _ in try register(train(1), in: registry) }
        try registry.promote(models[0], note("first"), replacing: .some(nil))
        try registry.challenge(models[1], note("watch it"))
        #expect(
            try registry.aliases(of: "service") == ["champion": models[0].version, "challenger": models[1].version])
        #expect(throws: ModelChangeRefused.self) { try registry.archive(models[0], isArchived: true, note("no")) }
        #expect(throws: ModelChangeRefused.self) { try registry.delete(models[0], note("no")) }
        #expect(throws: ModelChangeRefused.self) { try registry.challenge(models[0], note("no")) }
        // Refused changes left nothing behind.
        #expect(try registry.history(of: "service").count == 2)

        try registry.promote(models[1], ChangeNote(actor: "a", reason: "better", approver: "b", isForced: true))
        #expect(try registry.aliases(of: "service") == ["champion": models[1].version])
        try registry.archive(models[2], isArchived: true, note("old"))
        #expect(throws: ModelChangeRefused.self) { try registry.promote(models[2], note("no")) }
        try registry.archive(models[2], isArchived: false, note("still good"))
        try registry.delete(models[2], note("wrong labels"))
        #expect(throws: ModelChangeRefused.self) { try registry.challenge(models[2], note("no")) }
        #expect(throws: ModelChangeRefused("version \(models[2].name) is deleted")) {
            try registry.archive(models[2], isArchived: false, note("no"))
        }
        #expect(try registry.model(version: models[2].version)?.isDeleted == true)
        #expect(throws: ChampionChanged.self) {
            try registry.rollBack(to: models[0], note("no"), replacing: models[0].version)
        }
        try registry.rollBack(to: models[0], note("false alarms"), replacing: models[1].version)
        #expect(try registry.champion(of: "service")?.version == models[0].version)

        let history = try registry.history(of: "service")
        #expect(
            history.map(\.action) == [.promote, .promote, .promote, .clear, .archive, .restore, .delete, .rollback])
        #expect(
            history.map(\.alias) == ["champion", "challenger", "champion", "challenger", nil, nil, nil, "champion"])
        #expect(history[2].note == ChangeNote(actor: "a", reason: "better", approver: "b", isForced: true))
        #expect(try registry.history(of: "service", alias: "challenger").count == 2)
    }

    @Test func `a request waits until somebody promotes, and goes with its model`() throws {
        let registry = try Place().registry()
        let models = try (0..<2).map { _ in try register(train(1), in: registry) }
        try registry.request(models[0], note("ask"), replacing: nil)
        try registry.request(models[1], ChangeNote(actor: "a", reason: "ask", isForced: true), replacing: nil)
        let pending = try #require(try registry.pendingRequest(of: "service"))
        #expect(pending.version == models[1].version && pending.note.actor == "a" && pending.note.isForced)
        try registry.delete(models[1], note("no"))
        #expect(try registry.pendingRequest(of: "service") == nil)
        try registry.request(models[0], note("ask"), replacing: nil)
        try registry.promote(models[0], note("yes"), replacing: .some(nil))
        #expect(try registry.pendingRequest(of: "service") == nil)
    }

    @Test func `two promotions at once leave one champion and a history without a gap`() throws {
        let place = try Place()
        let registry = try place.registry()
        let models = try (0..<2).map { _ in try register(train(1), in: registry) }
        let group = DispatchGroup()
        let isDone = Atomic(false)
        let wrongReadings = Mutex(0)
        let failures = Mutex<[String]>([])
        let rounds = 100
        for model in models {
            DispatchQueue(label: "promote").async(group: group) {
                do {
                    let mine = try place.registry()
                    for round in 0..<rounds {
                        try mine.promote(model, ChangeNote(actor: "tester", reason: "round \(round)"))
                    }
                } catch { failures.withLock { $0.append("\(error)") } }
            }
        }
        let reader = DispatchGroup()
        DispatchQueue(label: "read").async(group: reader) {
            do {
                let connection = try PostgresConnection(url: place.url)
                var hadChampion = false
                while !isDone.load(ordering: .relaxed) {
                    let rows = try connection.execute("SELECT version FROM model_aliases WHERE alias = 'champion'")
                    hadChampion = hadChampion || rows.count == 1
                    if rows.count > 1 || (hadChampion && rows.count != 1) { wrongReadings.withLock { $0 += 1 } }
                }
            } catch { failures.withLock { $0.append("\(error)") } }
        }
        group.wait()
        isDone.store(true, ordering: .relaxed)
        reader.wait()
        #expect(failures.withLock { $0 } == [])
        #expect(wrongReadings.withLock { $0 } == 0, "a reader saw none or two")
        let history = try registry.history(of: "service")
        #expect(history.count == 2 * rounds)
        // Each change starts from the one before it, and the last writer is the champion.
        for (before, after) in zip(history, history.dropFirst()) { #expect(after.previous == before.version) }
        #expect(try registry.champion()?.version == history.last?.version)
    }

    @Test func `one process at a time trains again, and what it decided is known to the next`() throws {
        let place = try Place()
        let registry = try place.registry()
        #expect(try registry.lockRetraining(of: "service") && registry.lockRetraining(of: "service"))
        do {
            let other = try place.registry()
            #expect(try !other.lockRetraining(of: "service") && other.lockRetraining(of: "another"))
        }
        let kept = RetrainDecision(
            service: "service", champion: 7, decision: "kept", fingerprint: "f", reason: "it does not beat it")
        var failed = kept
        (failed.decision, failed.champion) = ("failed", nil)
        for decision in [kept, failed] { try registry.record(decision) }
        #expect(try registry.lastDecision(on: "f", service: "service", replacing: 7) == kept)
        #expect(try registry.lastDecision(on: "f", service: "service", replacing: 8) == nil)
        #expect(try registry.lastDecision(on: "f", service: "service", replacing: nil) == nil)
        #expect(try registry.lastDecision(on: "g", service: "service", replacing: 7) == nil)
        #expect(try registry.lastDecision(on: "f", service: "another", replacing: 7) == nil)
        (failed.decision, failed.version) = ("promoted", 9)
        try registry.record(failed)
        #expect(try registry.lastDecision(on: "f", service: "service", replacing: nil) == failed)
        let rows = try PostgresConnection(url: place.url).execute("SELECT decided_at <= now() FROM retrain_decisions")
        #expect(rows.count == 3 && (0..<3).allSatisfy { rows.boolean($0, 0) == true })
    }

    @Test func `a drift report is kept`() throws {
        let place = try Place()
        let registry = try place.registry()
        let trained = try train(1)
        let model = try register(trained, in: registry)
        let report = try DriftReport(set(1, rows: 600), model: trained.model)
        try registry.store(
            DriftEntry(
                fromMillis: report.fromMillis, toMillis: report.toMillis, rows: report.rows,
                isDrifted: report.isDrifted, report: report.json.text()), of: model)
        let stored = try PostgresConnection(url: place.url).execute(
            "SELECT version, row_count, is_drifted, report->'entries'->1->>'name' FROM drift_reports")
        #expect(stored.count == 1)
        #expect(stored.integer(0, 0) == model.version)
        #expect(stored.integer(0, 1) == 600)
        #expect(stored.boolean(0, 2) == report.isDrifted)
        #expect(stored.text(0, 3) == "v__a")
    }
}
