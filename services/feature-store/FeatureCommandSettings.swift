import FeatureStore
import ServiceRuntime

/// What the feature commands share.
enum FeatureCommandSettings {
    static let json = Setting<Bool>(
        "json", default: false, help: "Print one JSON object instead of text.", flagOnly: true)

    /// The definitions, or the sentence of every mistake in them.
    static func load(_ settings: Settings) throws(CommandError) -> FeatureRepository {
        do {
            return try FeatureRepository.load(directory: settings[.featureRepo], environment: settings.environment)
        } catch {
            throw CommandError(.configuration, error.description)
        }
    }
}
