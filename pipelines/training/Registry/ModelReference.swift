internal import FeatureEngine
internal import FeatureStore
internal import Foundation
internal import FraudModel
internal import JSON
internal import PostgresClient
internal import PostgresOfflineStore
internal import ServiceRuntime

/// What the commands about registered models share.
struct ModelDesk: Sendable {
    let context: TrainingContext
    let actor: String

    static let reason = Setting<String>(required: "reason", help: "Why, for the history.", flagOnly: true)
    /// What all of them read.
    static let settings: [any SettingProtocol] = [
        TrainingContext.serviceName, .featureRepo, .databaseURL, .modelDirectory,
    ]

    init(_ settings: Settings) throws(CommandError) {
        context = try TrainingContext(settings)
        actor = settings.declares(Promotion.by) ? try Promotion.actor(settings) : ""
    }

    /// The one word of a command that is about one model.
    static func version(_ settings: Settings) throws(CommandError) -> String {
        guard let word = settings.arguments.first, settings.arguments.count == 1 else {
            throw CommandError(.usage, "one version is needed.")
        }
        return word
    }

    var service: String { context.service.name }

    /// Runs on a thread of its own with a registry whose tables are up to date; what it refuses becomes the command's end.
    func run<Result: Sendable>(
        _ runtime: ServiceRuntime, _ body: @escaping @Sendable (ModelRegistry) throws -> Result
    ) async throws -> Result {
        try await context.prepareDatabase(runtime)
        return try await runtime.onThread("models") {
            do {
                return try body(context.registry())
            } catch let error as ModelChangeRefused {
                throw CommandError(.dataError, "\(error).")
            } catch let error as ChampionChanged {
                throw CommandError(.temporaryFailure, "\(error); try again.")
            } catch let error as ModelError {
                throw CommandError(.dataError, "\(error).")
            } catch let error as PostgresError {
                throw TrainingContext.explained(error)
            }
        }
    }

    /// The model that a word names: `7`, `@champion` or `@challenger`.
    func model(_ word: String, in registry: ModelRegistry) throws -> RegisteredModel {
        if word.hasPrefix("@") {
            let alias = String(word.dropFirst())
            guard [ModelRegistry.champion, ModelRegistry.challenger].contains(alias) else {
                throw CommandError(.usage, "\(word) is no alias: there are @champion and @challenger.")
            }
            guard let model = try registry.model(alias, of: service) else {
                throw CommandError(.dataError, "\(service) has no \(alias).")
            }
            return model
        }
        guard let version = Int64(word) else {
            throw CommandError(.usage, "\(word) is no version: a number, @champion or @challenger is needed.")
        }
        guard let model = try registry.model(version: version), model.service == service else {
            throw CommandError(
                .dataError, "\(service) has no version \(word); `needletail models list` shows what there is.")
        }
        return model
    }

    /// The model and its card, which can serve the present definitions.
    func servable(_ model: RegisteredModel, in registry: ModelRegistry) throws -> (ScoringModel, ModelCard) {
        guard !model.isDeleted else { throw CommandError(.dataError, "version \(model.name) is deleted.") }
        guard model.definitionHash == context.service.definitionHash else {
            throw CommandError(
                .dataError,
                "version \(model.name) was trained on other definitions (\(model.definitionHash), now \(context.service.definitionHash)) and cannot serve these."
            )
        }
        let loaded = try ScoringModel.load(directory: registry.directory(of: model), version: model.name)
        guard let card = loaded.card else {
            throw CommandError(.dataError, "the folder of version \(model.name) has no needletail.json.")
        }
        return (loaded, card)
    }

    /// Compares a model with another on the stored rows whose labels have arrived and that neither has seen.
    func judge(
        _ model: RegisteredModel, against champion: RegisteredModel?, margin: Double, in registry: ModelRegistry,
        _ runtime: ServiceRuntime
    ) throws -> Challenge.Judgement {
        let (loaded, card) = try servable(model, in: registry)
        let source = StoreRows(store: PostgresOfflineStore(try context.connect()), context: context)
        let known = max(card.fit.toMillis, card.stopping.toMillis)
        let set: TrainingSet
        do {
            set = try source.rows(fromMillis: known + 1, runtime)
        } catch let error as CommandError where error.exitCode == .configuration {
            // Nothing was ever stored: there are no rows to compare on, and --force is still somebody's to say.
            return Challenge.Judgement(verdict: .undecided(error.message.split(separator: ":")[0].description))
        }
        let challenge = Challenge(
            model: loaded, card: card, set: set, holdout: Array(0..<set.count), margin: margin
        ) { service, wanted in try source.replayed(service, wanted: wanted, runtime) }
        return try challenge.judge(against: champion, in: champion.map(registry.directory(of:)) ?? "")
    }
}

extension RegisteredModel {
    /// The figures of its holdout.
    var figures: ModelMetrics { ModelMetrics(try? JSONTree.parse(metrics)) }

    /// Its aliases and what became of it, in words.
    func state(_ aliases: [String: Int64]) -> String {
        let names = aliases.filter { $0.value == version }.map(\.key).sorted()
        return (names + (isDeleted ? ["deleted"] : isArchived ? ["archived"] : [])).joined(separator: ", ")
    }
}
