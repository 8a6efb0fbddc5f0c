internal import FeatureStore
internal import FraudModel
internal import PostgresClient
internal import PostgresOfflineStore
public import ServiceRuntime

/// Says which model answers, or what is missing until one can: what a script asks before it trains.
public struct ModelsChampionCommand: Command {
    /// The words that call it.
    public static let name = "models champion"
    public static let summary = "Say which model answers under these definitions, or what is missing until one can."
    public static let example = "needletail models champion"
    /// It writes nothing.
    public static let isReadOnly = true
    /// More lines of help.
    public static let details = """
        Exits with 0 when the registry's champion was trained on the definitions of now and its folder can be loaded; else with
        65 and the reason.
        """
    public static let settings: [any SettingProtocol] = [
        TrainingContext.serviceName, .featureRepo, .databaseURL, .modelDirectory,
    ]

    /// A command to be run once.
    public init() {}

    /// Prints the champion.
    public func run(_ settings: Settings, _ runtime: ServiceRuntime) async throws {
        let context = try TrainingContext(settings)
        try await context.prepareDatabase(runtime)
        try runtime.print(try await runtime.onThread("champion") { try Self.line(context) })
    }

    private static func line(_ context: TrainingContext) throws -> String {
        let registry = try context.registry()
        guard let champion = try registry.champion(of: context.service.name) else {
            throw CommandError(.dataError, "there is no champion: `needletail train --from-store` makes one.")
        }
        guard champion.definitionHash == context.service.definitionHash else {
            throw CommandError(
                .dataError,
                "the champion, version \(champion.name), was trained on other definitions (\(champion.definitionHash), now \(context.service.definitionHash)): `needletail backfill --from-store --to-store`, then `needletail train --from-store`."
            )
        }
        let folder = registry.directory(of: champion)
        do { _ = try ScoringModel.load(directory: folder) } catch {
            throw CommandError(
                .dataError, "the folder of the champion, version \(champion.name), cannot be loaded: \(error)")
        }
        return "version \(champion.name) of \(champion.service) in \(folder)"
    }
}
