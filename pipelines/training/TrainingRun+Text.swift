internal import FraudModel
internal import JSON

extension TrainingRun.Outcome {
    /// The table for people.
    var text: String {
        let rule = card.thresholdRule
        let calibrated = card.calibration == nil ? "not calibrated: too few frauds" : "calibrated"
        var lines = [
            "model      \(card.serviceName), \(card.features.count) features, \(card.rounds) rounds, \(calibrated); fraud from \(Figures.rounded(Double(card.threshold), 4)) (\(rule))",
            "data       fingerprint \(card.fingerprint)",
            Self.line("fit", card.fit), Self.line("stopping", card.stopping), Self.line("holdout", card.holdout), "",
            "holdout      \(Figures.metricsHeading)",
            Figures.line("this model", card.metrics),
        ]
        for baseline in card.baselines {
            let name = Figures.left(baseline.name, 13)
            lines.append(baseline.reason.map { "\(name)none: \($0)" } ?? Figures.line(baseline.name, baseline.metrics))
        }
        lines += studyLines
        if let comparison, let comparedWith {
            lines += [
                "", "compared on \(Figures.grouped(comparison.champion.rows)) rows that neither model had seen",
                Figures.line("this model", comparison.challenger),
                Figures.line("version \(comparedWith)", comparison.champion),
            ]
        }
        lines += ["", "\(verdict.name)\(version.map { ": version \($0)" } ?? ""): \(verdict.reason)"]
        if let directory { lines.append("written to \(directory)") }
        return lines.joined(separator: "\n")
    }

    private var studyLines: [String] {
        var lines: [String] = []
        if let search {
            lines += ["", "search       depth  learning rate  subsample  rounds  AP on the stopping rows"]
            for trial in search.trials {
                let parameters = trial.parameters
                let precision = trial.averagePrecision.map { Figures.rounded($0, 4) } ?? "-"
                let isBest = parameters == search.best ? "  best" : ""
                lines.append(
                    Figures.left("", 13) + Figures.left("\(parameters.depth)", 7)
                        + Figures.left("\(parameters.learningRate)", 15) + Figures.left("\(parameters.subsample)", 11)
                        + Figures.left("\(trial.rounds)", 8) + precision + isBest)
            }
        }
        for validation in validations {
            lines += [
                "", "\(validation.folds.count) \(validation.kind.rawValue) folds before the holdout, mean ± deviation",
            ]
            for spread in validation.spreads {
                lines.append(
                    "  " + Figures.left(spread.name, 26)
                        + "\(Figures.rounded(spread.mean, 4)) ± \(Figures.rounded(spread.deviation, 4))")
            }
        }
        return lines
    }

    private static func line(_ name: String, _ part: DataPart) -> String {
        Figures.left(name, 11) + Figures.part(part)
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
        members.append(
            .init(
                "cross_validation",
                .object(
                    validations.map { validation in
                        .init(
                            validation.kind.rawValue,
                            .object(
                                validation.spreads.map {
                                    .init($0.name, ["mean": .number($0.mean), "deviation": .number($0.deviation)])
                                }))
                    })))
        members.append(
            .init(
                "search",
                .array(
                    (search?.trials ?? []).map { trial in
                        [
                            "depth": .number(trial.parameters.depth),
                            "learning_rate": .number(trial.parameters.learningRate),
                            "subsample": .number(trial.parameters.subsample), "rounds": .number(trial.rounds),
                            "average_precision": trial.averagePrecision.map { .number($0) } ?? .null,
                        ]
                    })))
        return .object(members)
    }

    private var compared: JSONTree {
        guard let comparison, let comparedWith else { return .null }
        return comparison.json(champion: comparedWith)
    }
}

extension ModelComparison {
    /// The figures for programs.
    func json(champion: String) -> JSONTree {
        [
            "champion": .string(champion), "confidence": .number(confidence), "margin": .number(margin),
            "difference_from": .number(difference.lowerBound), "difference_to": .number(difference.upperBound),
            "champion_metrics": self.champion.json, "metrics": challenger.json,
        ]
    }
}

extension Figures {
    /// The heading of `line`.
    static let metricsHeading =
        "AP      ROC AUC  recall at 0.1 % FPR  recall at P 0.9  best F1  precision  recall  F1      calibration error"

    /// How many rows and frauds a part has, and from when to when.
    static func part(_ part: DataPart) -> String {
        let span = part.rows == 0 ? "" : ", \(time(part.fromMillis)) to \(time(part.toMillis))"
        return "\(grouped(part.rows)) rows, \(grouped(part.frauds)) frauds\(span)"
    }

    /// One row of a table of metrics.
    static func line(_ name: String, _ metrics: ModelMetrics) -> String {
        let cells: [(Double?, Int)] = [
            (metrics.averagePrecision, 8), (metrics.rocAUC, 9), (metrics.recallAtLowFalsePositives, 21),
            (metrics.recallAtHighPrecision, 17), (metrics.bestF1, 9), (metrics.precision, 11), (metrics.recall, 8),
            (metrics.f1, 8), (metrics.calibrationError, 6),
        ]
        return left(name, 13) + cells.map { left($0.0.map { rounded($0, 4) } ?? "-", $0.1) }.joined()
    }
}
