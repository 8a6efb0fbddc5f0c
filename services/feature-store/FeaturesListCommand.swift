import FeatureEngine
import FeatureStore
import JSON
public import ServiceRuntime

/// `needletail features list`: everything that is defined.
public struct FeaturesListCommand: Command {
    /// The words that call it.
    public static let name = "features list"
    public static let summary = "List sources, views and services."
    /// It writes nothing.
    public static let isReadOnly = true
    public static let example = "needletail features list"
    public static let settings: [any SettingProtocol] = [Setting<String>.featureRepo, FeatureCommandSettings.json]

    public init() {}

    /// Lists.
    public func run(_ settings: Settings, _ runtime: ServiceRuntime) async throws {
        let repository = try FeatureCommandSettings.load(settings)
        let items = Self.items(repository)
        try runtime.print(settings[FeatureCommandSettings.json] ? Self.json(items) : Self.text(items))
    }

    struct Item: Equatable {
        let kind: String
        let name: String
        let source: String
        let key: String
        let columns: Int
        let hash: String?
    }

    static func items(_ repository: FeatureRepository) -> [Item] {
        func key(_ source: SourceSchema) -> String { source.fields[source.keyIndex].name }
        return repository.sources.map {
            Item(kind: "source", name: $0.name, source: $0.topic, key: key($0), columns: $0.fields.count, hash: nil)
        }
            + repository.views.map {
                Item(
                    kind: "stream view", name: $0.name, source: $0.source.name,
                    key: $0.source.fields[$0.joinKeyIndex].name,
                    columns: $0.features.count, hash: repository.streamHash)
            }
            + repository.onDemandViews.map {
                Item(
                    kind: "on-demand view", name: $0.name, source: $0.source.name, key: "-", columns: $0.features.count,
                    hash: nil)
            }
            + repository.services.map {
                Item(
                    kind: "service", name: $0.name, source: $0.source.name, key: key($0.source),
                    columns: $0.featureNames.count, hash: $0.definitionHash)
            }
    }

    static func text(_ items: [Item]) -> String {
        var table = TextTable(["KIND", "NAME", "SOURCE", "KEY", "COLUMNS", "HASH"])
        for item in items {
            table.add([item.kind, item.name, item.source, item.key, "\(item.columns)", item.hash ?? "-"])
        }
        return table.text
    }

    static func json(_ items: [Item]) -> String {
        var json = JSONWriter()
        json.beginArray()
        for item in items {
            json.beginObject()
            for (name, value) in [("kind", item.kind), ("name", item.name), ("source", item.source), ("key", item.key)]
            {
                json.key(name)
                json.value(value)
            }
            json.key("columns")
            json.value(item.columns)
            json.key("hash")
            json.value(item.hash)
            json.endObject()
        }
        json.endArray()
        return json.text
    }
}
