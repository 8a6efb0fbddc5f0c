internal import FraudModel
internal import JSON
internal import Observability
internal import ServiceRuntime

/// What became of a trained model.
enum Verdict: Sendable {
    /// It is the champion now.
    case promoted(String)
    /// Registered, but the champion stays.
    case kept(String)
    /// Registered, but nothing was compared.
    case undecided(String)
    /// It is in no registry.
    case unregistered(String)

    var name: String {
        switch self {
        case .promoted: "promoted"
        case .kept: "kept"
        case .undecided: "undecided"
        case .unregistered: "unregistered"
        }
    }

    var reason: String {
        switch self {
        case .promoted(let reason), .kept(let reason), .undecided(let reason), .unregistered(let reason): reason
        }
    }
}

/// Fits a model, registers it, and lets it stand against the champion on the same holdout.
struct TrainingRun: Sendable {
    let context: TrainingContext
    var parameters = TrainingParameters()
    var holdoutFromMillis: Int64?
    var output: String?
    /// Whether to register; with an output folder a registry that does not answer is a warning only.
    var registers = true

    struct Outcome: Sendable {
        var card: ModelCard
        var verdict: Verdict
        var version: String?
        var directory: String?
        /// The champion it was compared with, measured on the same rows.
        var champion: (version: String, metrics: ModelMetrics)?
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
            case .cancelled: throw CommandError(.success, "")
            case .boosting, .model: throw CommandError(.software, "\(error).")
            }
        }
    }

    /// Writes, registers, compares and promotes.
    func finish(_ trained: TrainedModel, _ set: TrainingSet, _ runtime: ServiceRuntime) throws -> Outcome {
        var outcome = Outcome(card: trained.card, verdict: .unregistered("--no-register was given"))
        if let output {
            do {
                try ModelDirectory.write(model: trained.bytes, card: trained.card, to: output)
            } catch {
                throw CommandError(.cannotCreate, "\(error).")
            }
            outcome.directory = output
        }
        guard registers else { return outcome }
        let registry = try context.registry()
        let registered: RegisteredModel
        do {
            registered = try registry.register(trained)
        } catch let error as ModelError {
            throw CommandError(.cannotCreate, "\(error).")
        }
        outcome.version = registered.name
        outcome.directory = outcome.directory ?? registry.directory(of: registered)
        // Another training may promote between our look and our move: then look again.
        while true {
            do {
                try judge(registered, trained, set, registry, &outcome)
                return outcome
            } catch is ChampionChanged {
                runtime.log.info("the champion changed during the comparison", ["version": registered.name])
            }
        }
    }

    private func judge(
        _ registered: RegisteredModel, _ trained: TrainedModel, _ set: TrainingSet, _ registry: ModelRegistry,
        _ outcome: inout Outcome
    ) throws {
        outcome.champion = nil
        let frauds = trained.card.holdout.frauds
        guard frauds >= TrainedModel.leastFrauds, let precision = trained.card.metrics.averagePrecision else {
            outcome.verdict = .undecided(
                "the holdout holds \(frauds) frauds, and no decision is made under \(TrainedModel.leastFrauds)")
            return
        }
        let champion = try registry.champion(of: registered.service)
        let reason: String
        switch try measure(champion, trained, set, registry) {
        case .none: reason = "there was no champion"
        case .unusable(let why): reason = why
        case .measured(let version, let metrics):
            outcome.champion = (version, metrics)
            let before = metrics.averagePrecision ?? 0
            guard precision > before else {
                outcome.verdict = .kept(
                    "average precision \(Figures.rounded(precision, 4)) does not beat the \(Figures.rounded(before, 4)) of version \(version) on the same holdout"
                )
                return
            }
            reason =
                "average precision \(Figures.rounded(precision, 4)) beats the \(Figures.rounded(before, 4)) of version \(version) on the same holdout"
        }
        try registry.promote(registered, reason: reason, replacing: .some(champion?.version))
        outcome.verdict = .promoted(reason)
    }

    private enum Champion {
        case none
        /// It cannot serve these definitions, so anything is better.
        case unusable(String)
        case measured(String, ModelMetrics)
    }

    private func measure(
        _ champion: RegisteredModel?, _ trained: TrainedModel, _ set: TrainingSet, _ registry: ModelRegistry
    ) throws -> Champion {
        guard let champion else { return .none }
        guard champion.definitionHash == set.definitionHash else {
            return .unusable("version \(champion.name) was trained on other definitions and refuses to serve these")
        }
        do {
            let model = try ScoringModel.load(directory: registry.directory(of: champion), version: champion.name)
            let scores = try set.probabilities(trained.holdout, of: model)
            let labels = trained.holdout.map { set.labels[$0] }
            return .measured(champion.name, ModelMetrics(scores: scores, labels: labels, threshold: model.threshold))
        } catch {
            return .unusable("version \(champion.name) cannot be loaded: \(error)")
        }
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
        if let champion { lines.append(Self.line("version \(champion.version)", champion.metrics)) }
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
        members.append(
            .init("champion", champion.map { ["version": .string($0.version), "metrics": $0.metrics.json] } ?? .null))
        return .object(members)
    }
}
