internal import FeatureStore
internal import FraudModel
internal import JSON
internal import Observability
internal import PostgresOfflineStore
internal import ServiceRuntime

/// Fits a model, registers it, and lets it stand against the champion on the same holdout.
struct TrainingRun: Sendable {
    var parameters = TrainingParameters()
    var options = TrainingOptions()
    /// Folds of a cross-validation, and points of the grid to try first; nil for none.
    var folds: Int?, trials: Int?
    /// By how much average precision must be above the champion's.
    var margin = 0.0
    /// Whether a promotion waits for a second person.
    var needsApproval = false
    /// Who trains.
    var actor = "needletail"
    /// Written to this folder too.
    var output: String?
    /// Whether the model becomes champion whatever a comparison says.
    var forces = false
    /// Whether a model that is to serve becomes champion at once; without it the verdict only says so.
    var promotes = true
    /// Whether a model that is not to serve stays out of the registry: a schedule would leave one there at each run.
    var registersOnlyBetter = false
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
        var search: ParameterSearch?
        var validations: [CrossValidation] = []
    }

    /// A trained model, and what was found out about the way it was trained.
    struct Result {
        let model: TrainedModel
        var search: ParameterSearch?
        var validations: [CrossValidation] = []
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

    /// Looks for parameters and validates them if it was asked to, then fits.
    func train(_ set: TrainingSet, _ runtime: ServiceRuntime) throws -> Result {
        do throws(TrainingError) {
            var parameters = parameters
            let search = try search(set, runtime)
            if let best = search?.best { parameters = best }
            let validations = try validate(set, parameters, runtime)
            let progress = runtime.progress("fitting", total: parameters.rounds)
            defer { progress.finish() }
            let model = try ModelTrainer.train(set, parameters, options: options) { round, precision in
                let text = precision.map { "average precision \(Figures.rounded($0, 4))" }
                progress.update(to: round + 1, note: text)
                return !runtime.isStopping
            }
            return Result(model: model, search: search, validations: validations)
        } catch {
            switch error {
            case .refused(let reason): throw CommandError(.dataError, "\(reason).")
            case .cancelled:
                throw CommandError(.temporaryFailure, "stopped before the end: no model was registered or written.")
            case .library, .model: throw CommandError(.software, "\(error).")
            }
        }
    }

    private func search(_ set: TrainingSet, _ runtime: ServiceRuntime) throws(TrainingError) -> ParameterSearch? {
        guard let trials else { return nil }
        let progress = runtime.progress("searching", total: trials)
        defer { progress.finish() }
        return try ParameterSearch(set, parameters, trials: trials, options: options) { trial in
            progress.update(to: trial)
            return !runtime.isStopping
        }
    }

    private func validate(
        _ set: TrainingSet, _ parameters: TrainingParameters, _ runtime: ServiceRuntime
    ) throws(TrainingError) -> [CrossValidation] {
        guard let folds else { return [] }
        let progress = runtime.progress("validating", total: 2)
        defer { progress.finish() }
        var validations: [CrossValidation] = []
        for (place, kind) in CrossValidation.Kind.allCases.enumerated() {
            progress.update(to: place)
            validations.append(
                try CrossValidation(
                    kind, set, folds: folds, with: parameters, options: options,
                    isGoingOn: { !runtime.isStopping }))
        }
        return validations
    }

    /// Compares with the champion, then writes, registers and promotes: whatever stops it before, nothing is half registered.
    func finish(
        _ result: Result, _ set: TrainingSet, registry: (any ModelStore)?, _ runtime: ServiceRuntime,
        rows: @escaping (FeatureService, Set<UInt64>) throws -> TrainingSet
    ) throws -> Outcome {
        let trained = result.model
        var outcome = Outcome(card: trained.card, verdict: .unregistered("it was not asked to be"))
        (outcome.search, outcome.validations) = (result.search, result.validations)
        let challenge = Challenge(
            model: trained.model, card: trained.card, set: set, holdout: trained.holdout, margin: margin, rows: rows)
        let files = try files(of: trained, set)
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
                try Stage.saving { () throws(ModelError) in
                    try ModelDirectory.write(model: trained.bytes, card: trained.card, more: files, to: output)
                }
                outcome.directory = output
            }
            guard let registry else { return outcome }
            let isWanted = outcome.verdict.isPromoted || forces || !registersOnlyBetter
            guard isWanted || registered != nil else { return outcome }
            let model = try registered ?? register(trained, files, registry)
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
        case .kept, .undecided, .requested, .unregistered:
            guard forces else { return }
            reason = "by --force, although \(reason)"
        }
        let isForced = !outcome.verdict.isPromoted
        let note = ChangeNote(actor: actor, reason: reason, isForced: isForced)
        guard !needsApproval else {
            try registry.request(model, note, replacing: champion?.version)
            outcome.verdict = .requested(
                "\(reason); it waits for a second person: needletail models promote \(model.name) --approve")
            return
        }
        try registry.promote(model, note, replacing: .some(champion?.version))
        outcome.verdict = .promoted(reason)
    }

    /// What is kept beside a model: its definitions, the logistic baseline's weights, and what it was measured by.
    func files(of trained: TrainedModel, _ set: TrainingSet) throws(ModelError) -> [(path: String, text: String)] {
        var files = definitions.map { ("\(FeatureRepository.folderInModel)/\($0.name)", $0.text) }
        if !trained.logistic.isEmpty {
            files.append(("baselines/logistic.json", String(decoding: trained.logistic, as: UTF8.self)))
        }
        guard !trained.holdout.isEmpty else { return files }
        let evaluation = try ModelEvaluation(trained.model, set, rows: trained.holdout)
        return files + evaluation.files.map { ("metrics/\($0.path)", $0.text) }
    }

    private func register(
        _ trained: TrainedModel, _ files: [(path: String, text: String)], _ registry: any ModelStore
    ) throws -> RegisteredModel {
        let version = try registry.unusedVersion()
        try Stage.saving { () throws(ModelError) in
            try ModelDirectory.install(
                model: trained.bytes, card: trained.card, more: files, as: String(version), in: registry.modelsFolder)
        }
        return try registry.register(trained.card, version: version, folder: String(version))
    }
}
