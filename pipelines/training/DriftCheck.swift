internal import FeatureEngine
internal import FeatureStore
internal import FraudModel
internal import JSON
internal import Observability
internal import PostgresClient
internal import PostgresOfflineStore
internal import ServiceRuntime

/// Compares the newest stored rows with the champion's reference, and keeps the report.
struct DriftCheck: Sendable {
    let context: TrainingContext
    /// How much event time counts as recent.
    let recentMillis: Int64
    /// What is made of the recent rows first, to try it out; such a report is not kept.
    var injections: [DriftInjection] = []

    static let days = Setting<Double>(
        "days", default: 14, in: 0.001...3_650,
        help: "How many days of event time, up to the newest stored event, are recent.", flagOnly: true,
        placeholder: "DAYS")

    enum Outcome: Sendable {
        /// Nothing serves yet.
        case noChampion
        /// The champion was trained on other definitions than these.
        case otherDefinitions(RegisteredModel)
        case report(DriftReport, RegisteredModel)

        /// Why `retrain --if-drift` leaves the champion as it is; nil when it trains.
        var reasonToStay: String? {
            guard case .report(let report, let champion) = self, !report.isDrifted else { return nil }
            let why = report.isDecided ? "nothing has drifted" : "there are too few recent rows to decide"
            return "version \(champion.name) stays: \(why)"
        }

        /// Why it trains.
        var reasonToTrain: String {
            switch self {
            case .noChampion: "there is no champion"
            case .otherDefinitions(let champion): "version \(champion.name) was trained on other definitions"
            case .report(let report, let champion):
                report.decay?.isDecayed == true
                    ? "version \(champion.name) finds frauds worse than it did"
                    : "the data of version \(champion.name) have drifted"
            }
        }
    }

    func run(_ runtime: ServiceRuntime) throws -> Outcome {
        let store = PostgresOfflineStore(try context.connect())
        let registry = ModelRegistry(store.connection, modelsFolder: context.modelsFolder)
        do {
            return try Self.run(
                registry, service: context.service.name, hash: context.service.definitionHash, injections: injections
            ) {
                let newest = try store.newestEventMillis(of: context.service.source)
                let from = newest.map { $0.subtractingReportingOverflow(recentMillis).partialValue }
                return try StoreRows(store: store, context: context).recent(fromMillis: from, runtime)
            }
        } catch let error as PostgresError {
            throw TrainingContext.explained(error)
        } catch let error as ModelError {
            throw CommandError(.dataError, "\(error).")
        }
    }

    /// Compares `recent` rows with the champion of a service, if it was trained on the definitions of `hash`.
    static func run(
        _ registry: any ModelStore, service: String, hash: String, injections: [DriftInjection] = [],
        recent: () throws -> RecentRows
    ) throws -> Outcome {
        guard let champion = try registry.champion(of: service) else { return .noChampion }
        guard champion.definitionHash == hash else { return .otherDefinitions(champion) }
        let model = try ScoringModel.load(directory: registry.directory(of: champion), version: champion.name)
        var rows = try recent()
        for injection in injections {
            guard rows.all.inject(injection), rows.labelled?.inject(injection) != false else {
                throw CommandError(
                    .usage, "--inject: there is no number \(injection.feature) among the model's features.")
            }
        }
        let report = try DriftReport(rows.all, labelled: rows.labelled, model: model)
        guard injections.isEmpty else { return .report(report, champion) }
        let entry = DriftEntry(
            fromMillis: report.fromMillis, toMillis: report.toMillis, rows: report.rows, isDrifted: report.isDrifted,
            report: report.json.text())
        try registry.store(entry, of: champion)
        return .report(report, champion)
    }
}

extension DriftReport {
    /// The table for people: what moved most comes first.
    var text: String {
        var lines = [
            "model \(modelVersion), \(Figures.grouped(rows)) rows from \(Figures.time(fromMillis)) to \(Figures.time(toMillis))",
            "",
            Figures.left("feature", 44) + "  PSI     KS D    p (corrected)  missing  before  drifted",
        ]
        let sorted = entries.prefix(1) + entries.dropFirst().sorted { ($0.stability ?? 0) > ($1.stability ?? 0) }
        for entry in sorted {
            let cells: [(String, Int)] = [
                (entry.stability.map { Figures.rounded($0, 4) } ?? "-", 8),
                (entry.distance.map { Figures.rounded($0, 4) } ?? "-", 8),
                (entry.correctedP.map { $0 < 1e-4 ? "< 0.0001" : Figures.rounded($0, 4) } ?? "-", 15),
                (Figures.rounded(entry.missing * 100, 1) + " %", 9),
                (Figures.rounded(entry.missingBefore * 100, 1) + " %", 8),
                (entry.isDrifted ? "yes" : "", 4),
            ]
            lines.append(Figures.left(entry.name, 46) + cells.map { Figures.left($0.0, $0.1) }.joined())
            if !entry.unseen.isEmpty {
                let names = entry.unseen.prefix(5).map { "\($0.0) (\(Figures.grouped($0.1)))" }.joined(separator: ", ")
                lines.append("  never seen in training: \(names)\(entry.unseen.count > 5 ? " …" : "")")
            }
        }
        lines.append("")
        if !isDecided {
            lines.append("undecided: under \(Figures.grouped(Self.leastRows)) rows nothing is decided")
        } else {
            let count = entries.count(where: \.isDrifted)
            lines.append(count == 0 ? "no drift" : "drift: \(count) of \(entries.count) distributions have moved")
        }
        if let decay { lines.append(decay.text) }
        return lines.joined(separator: "\n")
    }
}

extension PerformanceDecay {
    /// What arrived labels say, in one line.
    var text: String {
        let counts = "\(Figures.grouped(rows)) recent rows with a label, \(Figures.grouped(frauds)) frauds"
        guard isDecided, let averagePrecision, let interval, let before else {
            return "labels: \(counts): under \(ModelComparison.leastFrauds) frauds nothing is said of the model"
        }
        let (low, high) = (Figures.rounded(interval.lowerBound, 4), Figures.rounded(interval.upperBound, 4))
        return
            "labels: average precision \(Figures.rounded(averagePrecision, 4)) (\(low) to \(high)) on \(counts), \(Figures.rounded(before, 4)) on the holdout: \(isDecayed ? "it has become worse" : "no worse")"
    }
}
