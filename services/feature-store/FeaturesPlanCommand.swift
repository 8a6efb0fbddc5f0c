import FeatureStore
import Observability
import PipelineRuntime
import PostgresClient
import PostgresOfflineStore
public import ServiceRuntime

/// `needletail features plan`: what applying the definitions would change.
public struct FeaturesPlanCommand: Command {
    /// The words that call it.
    public static let name = "features plan"
    public static let summary =
        "Say what `features apply` would change, and what must be done then; it changes nothing."
    /// It writes nothing.
    public static let isReadOnly = true
    public static let example = "needletail features plan"
    public static let settings: [any SettingProtocol] = [Setting<String>.featureRepo, Setting<String>.databaseURL]

    public init() {}

    /// Compares.
    public func run(_ settings: Settings, _ runtime: ServiceRuntime) async throws {
        let pipeline = try PipelineContext(settings)
        pipeline.announce(runtime)
        let history = try DefinitionHistory(pipeline.repository, folder: settings[.featureRepo])
        let text = try await runtime.waiting(for: "Postgres") {
            try await runtime.onThread("plan") {
                let store = try PostgresOfflineStore(url: pipeline.databaseURL)
                // A plan changes nothing, so it makes no tables either.
                let has = try store.connection.execute("SELECT to_regclass('definition_rollouts') IS NOT NULL")
                guard has.boolean(0, 0) == true else { return DefinitionHistory.text(nil, nil) }
                let (last, changes) = try history.compare(store, environment: settings.environment)
                return DefinitionHistory.text(last, changes) + "\n" + Self.consequence(pipeline.repository, last)
            }
        }
        try runtime.print(text)
    }

    /// What applying alone does not do.
    static func consequence(_ repository: FeatureRepository, _ last: StoredDefinitions?) -> String {
        guard let last else { return "`needletail features apply` makes their tables and topics." }
        guard last.streamHash != repository.streamHash else {
            return
                "The stored features and the online state stay as they are; models of other services need a training."
        }
        return """
            The stored features and the online state are of other definitions then, and models too: `needletail features rollout`
            computes them anew beside what runs, trains, compares and switches.
            """
    }
}
