internal import FeatureStore
internal import FraudModel
internal import JSON
internal import Observability
internal import PostgresOfflineStore
internal import ServiceRuntime

/// Fits a model, registers it, and lets it stand against the champion on the same holdout.
struct TrainingRun: Sendable {
    var parameters = TrainingParameters()
    var holdoutFromMillis: Int64?
    /// Written to this folder too.
    var output: String?
    /// Whether the model becomes champion whatever a comparison says.
    var forces = false
    /// Whether a model that is to serve becomes champion at once; without it the verdict only says so.
    var promotes = true
    /// Kept beside the model.
    var definitions: [DefinitionFile] = []

    struct Outcome: Sendable {
        var card: ModelCard
        var verdict: Verdict
        var version: String?
        var directory: String?
        /// Both models' figures on the same rows, where they were compared.
        var comparison: ModelComparison?
        /// The champion's version.
        var comparedWith: String?
    }

    /// Trains on the rows of the offline store.
    func runFromStore(_ context: TrainingContext, registers: Bool, _ runtime: ServiceRuntime) throws -> Outcome {
        let source = StoreRows(store: PostgresOfflineStore(try context.connect()), context: context)
        let set = try source.rows(runtime)
        let trained = try train(set, runtime)
        return try finish(trained, set, registry: registers ? context.registry() : nil, runtime) { service, wanted in
            try source.replayed(service, wanted: wanted, runtime)
        }
    }

    /// Trains on the rows of a file.
    func run(_ file: FileRows, _ context: TrainingContext, registers: Bool, _ runtime: ServiceRuntime) throws -> Outcome
    {
        let set = try file.rows(of: context.service, runtime)
        let trained = try train(set, runtime)
        return try finish(trained, set, registry: registers ? context.registry() : nil, runtime) { service, wanted in
            // What was read from standard input cannot be read again.
            file.file == "-" ? TrainingSet(service) : try file.rows(of: service, wanted: wanted, runtime)
        }
    }

    func train(_ set: TrainingSet, _ runtime: ServiceRuntime) throws -> TrainedModel {
        let progress = runtime.progress("fitting", total: parameters.rounds)
        defer { progress.finish() }
        do {
            return try ModelTrainer.train(set, parameters, holdoutFromMillis: holdoutFromMillis) { round, precision in
                let text = precision.map { "average precision \(Figures.rounded($0, 4))" }
                progress.update(to: round + 1, note: text)
                return !runtime.isStopping
            }
        } catch {
            switch error {
            case .refused(let reason): throw CommandError(.dataError, "\(reason).")
            case .cancelled:
                throw CommandError(.temporaryFailure, "stopped before the end: no model was registered or written.")
            case .boosting, .model: throw CommandError(.software, "\(error).")
            }
        }
    }

    /// Compares with the champion, then writes, registers and promotes: whatever stops it before, nothing is half registered.
    func finish(
        _ trained: TrainedModel, _ set: TrainingSet, registry: (any ModelStore)?, _ runtime: ServiceRuntime,
        rows: @escaping (FeatureService, Set<UInt64>) throws -> TrainingSet
    ) throws -> Outcome {
        var outcome = Outcome(card: trained.card, verdict: .unregistered("it was not asked to be"))
        let challenge = Challenge(trained: trained, set: set, rows: rows)
        var registered: RegisteredModel?
        // Another training may promote between our look and our move: then look again.
        while true {
            var champion: RegisteredModel?
            if let registry {
                champion = try registry.champion(of: set.serviceName)
                let folder = champion.map(registry.directory(of:)) ?? ""
                let judgement = try challenge.judge(against: champion, in: folder)
                (outcome.verdict, outcome.comparison) = (judgement.verdict, judgement.comparison)
                outcome.comparedWith = champion?.name
            }
            try TrainingContext.requireGoingOn(runtime)
            if let output, outcome.directory == nil {
                try Self.saving { () throws(ModelError) in
                    try ModelDirectory.write(model: trained.bytes, card: trained.card, more: files, to: output)
                }
                outcome.directory = output
            }
            guard let registry else { return outcome }
            let model = try registered ?? register(trained, registry)
            registered = model
            outcome.version = model.name
            outcome.directory = outcome.directory ?? registry.directory(of: model)
            guard promotes else { return outcome }
            do {
                try promote(model, over: champion, registry, &outcome)
                return outcome
            } catch is ChampionChanged {
                runtime.log.info("the champion changed during the comparison", ["version": model.name])
            }
        }
    }

    private func promote(
        _ model: RegisteredModel, over champion: RegisteredModel?, _ registry: any ModelStore,
        _ outcome: inout Outcome
    ) throws {
        var reason = outcome.verdict.reason
        switch outcome.verdict {
        case .promoted: break
        case .kept, .undecided, .unregistered:
            guard forces else { return }
            reason = "by --force, although \(reason)"
        }
        try registry.promote(model, reason: reason, replacing: .some(champion?.version))
        outcome.verdict = .promoted(reason)
    }

    private var files: [(path: String, text: String)] {
        definitions.map { ("\(DefinitionFile.folder)/\($0.name)", $0.text) }
    }

    private func register(_ trained: TrainedModel, _ registry: any ModelStore) throws -> RegisteredModel {
        let version = try registry.unusedVersion()
        try Self.saving { () throws(ModelError) in
            try ModelDirectory.install(
                model: trained.bytes, card: trained.card, more: files, as: String(version), in: registry.modelsFolder)
        }
        return try registry.register(trained.card, version: version, folder: String(version))
    }

    private static func saving(_ body: () throws(ModelError) -> Void) throws(CommandError) {
        do throws(ModelError) { try body() } catch { throw CommandError(.cannotCreate, "\(error).") }
    }
}

extension TrainingRun.Outcome {
    /// The table for people.
    var text: String {
        let rule = card.thresholdRule
        var lines = [
            "model      \(card.serviceName), \(card.features.count) features, \(card.rounds) rounds; fraud from \(Figures.rounded(Double(card.threshold), 4)) (\(rule))",
            "data       fingerprint \(card.fingerprint)",
            Self.line("fit", card.fit), Self.line("stopping", card.stopping), Self.line("holdout", card.holdout), "",
            "holdout      AP      ROC AUC  recall at 0.1 % FPR  recall at P 0.9  best F1  precision  recall  F1",
            Self.line("this model", card.metrics),
        ]
        if let comparison, let comparedWith {
            lines += [
                "", "compared on \(Figures.grouped(comparison.champion.rows)) rows that neither model had seen",
                Self.line("this model", comparison.challenger),
                Self.line("version \(comparedWith)", comparison.champion),
            ]
        }
        lines += ["", "\(verdict.name)\(version.map { ": version \($0)" } ?? ""): \(verdict.reason)"]
        if let directory { lines.append("written to \(directory)") }
        return lines.joined(separator: "\n")
    }

    private static func line(_ name: String, _ part: DataPart) -> String {
        let span = part.rows == 0 ? "" : ", \(Figures.time(part.fromMillis)) to \(Figures.time(part.toMillis))"
        return Figures.left(name, 11)
            + "\(Figures.grouped(part.rows)) rows, \(Figures.grouped(part.frauds)) frauds\(span)"
    }

    private static func line(_ name: String, _ metrics: ModelMetrics) -> String {
        let cells: [(Double?, Int)] = [
            (metrics.averagePrecision, 8), (metrics.rocAUC, 9), (metrics.recallAtLowFalsePositives, 21),
            (metrics.recallAtHighPrecision, 17), (metrics.bestF1, 9), (metrics.precision, 11), (metrics.recall, 8),
            (metrics.f1, 6),
        ]
        return Figures.left(name, 13)
            + cells.map { Figures.left($0.0.map { Figures.rounded($0, 4) } ?? "-", $0.1) }.joined()
    }

    /// The same for programs.
    var json: JSONTree {
        var members: [JSONTree.Member] = [
            .init("verdict", .string(verdict.name)), .init("reason", .string(verdict.reason)),
            .init("version", version.map { .string($0) } ?? .null),
            .init("directory", directory.map { .string($0) } ?? .null),
        ]
        // The reference distributions are for the drift report; they would bury the rest.
        members += (card.json.object ?? []).filter { !["features", "score_reference", "format"].contains($0.key) }
        members.append(.init("features", .array(card.features.map { .string($0.name) })))
        members.append(.init("comparison", compared))
        return .object(members)
    }

    private var compared: JSONTree {
        guard let comparison, let comparedWith else { return .null }
        return [
            "champion": .string(comparedWith), "confidence": .number(comparison.confidence),
            "champion_metrics": comparison.champion.json, "metrics": comparison.challenger.json,
        ]
    }
}
