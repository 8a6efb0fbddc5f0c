internal import FeatureStore
internal import FraudModel
internal import PostgresOfflineStore

/// A model against the champion: which of them should serve. It has to be better by a margin, and clearly; against a champion of
/// other definitions, which serves nobody any more, not clearly worse.
///
/// Both are measured on the same rows: those of the holdout that are newer than all that either was fitted or stopped on. A
/// champion of other definitions is scored on its own features of the same events, recomputed under the definitions its folder
/// keeps. Where that cannot be done, or under 50 frauds, nothing is decided.
struct Challenge {
    let model: ScoringModel
    let card: ModelCard
    let set: TrainingSet
    /// The rows of the set that the model was neither fitted nor stopped on.
    let holdout: [Int]
    /// By how much average precision must be higher.
    var margin = 0.0
    /// The rows of some events under other definitions.
    let rows: (_ service: FeatureService, _ wanted: Set<UInt64>) throws -> TrainingSet

    /// What to do with the challenger, and both models' figures where they were compared.
    struct Judgement {
        var verdict: Verdict
        var comparison: ModelComparison?
    }

    /// `directory` is the champion's folder.
    func judge(against champion: RegisteredModel?, in directory: String) throws -> Judgement {
        let frauds = holdout.count { set.labels[$0] == 1 }
        guard frauds >= ModelComparison.leastFrauds else {
            return undecided(
                "the holdout holds \(frauds) frauds, and no decision is made under \(ModelComparison.leastFrauds)")
        }
        guard let champion else { return Judgement(verdict: .promoted("there was no champion")) }
        let other: ScoringModel
        do {
            other = try ScoringModel.load(directory: directory, version: champion.name)
        } catch {
            return Judgement(verdict: .promoted("version \(champion.name) cannot be loaded: \(error)"))
        }
        guard let otherCard = other.card, otherCard.fit.rows > 0 else {
            return undecided("version \(champion.name) does not say which rows it was fitted on")
        }
        let known = [card.fit, card.stopping, otherCard.fit, otherCard.stopping].map(\.toMillis).max() ?? 0
        let common = holdout.filter { set.timesMillis[$0] > known }
        let commonFrauds = common.count { set.labels[$0] == 1 }
        guard commonFrauds >= ModelComparison.leastFrauds else {
            return undecided(
                "only \(Figures.grouped(commonFrauds)) frauds of the holdout are newer than all that version \(champion.name) was fitted or stopped on (up to \(Figures.time(known))), and no decision is made under \(ModelComparison.leastFrauds)"
            )
        }
        guard let scores = try scores(of: other, champion, in: directory, on: common) else {
            return undecided(
                "version \(champion.name) was trained on other definitions, and its features of the same events cannot be computed from its folder; --force makes this model champion"
            )
        }
        let comparison = ModelComparison(
            challenger: try set.probabilities(common, of: model), threshold: model.threshold, champion: scores,
            threshold: other.threshold, labels: common.map { set.labels[$0] }, margin: margin)
        return decide(comparison, champion)
    }

    private func undecided(_ reason: String) -> Judgement { Judgement(verdict: .undecided(reason)) }

    private func decide(_ comparison: ModelComparison, _ champion: RegisteredModel) -> Judgement {
        func rounded(_ metrics: ModelMetrics) -> String { Figures.rounded(metrics.averagePrecision ?? 0, 4) }
        let figures =
            "the \(rounded(comparison.champion)) of version \(champion.name) on the same \(Figures.grouped(comparison.challenger.rows)) rows (\(comparison.words))"
        let precision = "average precision \(rounded(comparison.challenger))"
        let isAhead = comparison.difference.lowerBound > 0 || comparison.confidence > 0.5
        if comparison.isDecidedForChallenger {
            return Judgement(verdict: .promoted("\(precision) beats \(figures)"), comparison: comparison)
        }
        // A champion of other definitions serves nobody any more: it stays only where it is clearly better.
        guard champion.definitionHash != set.definitionHash else {
            let isTie = comparison.challenger.averagePrecision == comparison.champion.averagePrecision
            let verb = isTie ? "ties with" : isAhead ? "does not clearly beat" : "does not beat"
            return Judgement(verdict: .kept("\(precision) \(verb) \(figures)"), comparison: comparison)
        }
        guard comparison.isDecidedForChampion else {
            let reason = "\(precision) is not clearly below \(figures), which cannot serve these definitions"
            return Judgement(verdict: .promoted(reason), comparison: comparison)
        }
        let reason =
            "\(precision) is clearly below \(figures), which cannot serve these definitions; --force makes this one champion"
        return Judgement(verdict: .kept(reason), comparison: comparison)
    }

    /// The champion's scores of rows of the set, or nil when its features cannot be computed.
    private func scores(
        of model: ScoringModel, _ champion: RegisteredModel, in directory: String, on places: [Int]
    ) throws -> [Float]? {
        if model.definitionHash == set.definitionHash { return try set.probabilities(places, of: model) }
        guard
            let service = DefinitionFile.service(
                of: champion.service, hash: champion.definitionHash, in: directory)
        else { return nil }
        let other = try rows(service, Set(places.map { set.ids[$0] }))
        guard let same = set.places(of: places, in: other) else { return nil }
        return try other.probabilities(same, of: model)
    }
}

extension ModelComparison {
    /// How sure the difference is, in words.
    var words: String {
        let (low, high) = (Figures.rounded(difference.lowerBound, 4), Figures.rounded(difference.upperBound, 4))
        let wanted = margin > 0 ? " by more than the margin of \(Figures.rounded(margin, 4))" : ""
        return
            "difference \(low) to \(high) in 90 % of \(Self.draws) draws, ahead\(wanted) in \(Figures.rounded(confidence * 100, 0)) %"
    }
}
