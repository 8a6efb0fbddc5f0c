import FeatureEngine
import FeatureStore
import JSON
public import ServiceRuntime
import Text

/// `needletail features describe NAME`: one source, view or service in full.
public struct FeaturesDescribeCommand: Command {
    /// The words that call it.
    public static let name = "features describe"
    public static let summary = "Describe a source, a view or a service, every column of it."
    /// It writes nothing.
    public static let isReadOnly = true
    public static let example = "needletail features describe card_activity"
    /// What follows.
    public static let arguments = "NAME"
    public static let settings: [any SettingProtocol] = [Setting<String>.featureRepo, FeatureCommandSettings.json]

    public init() {}

    /// Describes.
    public func run(_ settings: Settings, _ runtime: ServiceRuntime) async throws {
        let repository = try FeatureCommandSettings.load(settings)
        guard settings.arguments.count == 1, let name = settings.arguments.first else {
            throw CommandError(.usage, "give one name; `needletail features list` has them all.")
        }
        guard let description = Self.describe(name, repository) else {
            let names = FeaturesListCommand.items(repository).map(\.name)
            let guess = Suggestion.nearest(to: name, among: names).map { " Did you mean \($0)?" } ?? ""
            throw CommandError(.usage, "nothing is called \(name).\(guess) `needletail features list` has all names.")
        }
        try runtime.print(settings[FeatureCommandSettings.json] ? description.json : description.text)
    }

    /// Facts, then a table.
    struct Description: Equatable {
        var facts: [(name: String, value: String)] = []
        var header: [String] = []
        var rows: [[String]] = []

        static func == (left: Description, right: Description) -> Bool { left.text == right.text }

        var text: String {
            let width = (facts.map(\.name.count).max() ?? 0) + 2
            let lines = facts.map { $0.name + String(repeating: " ", count: width - $0.name.count) + $0.value }
            var table = TextTable(header.map { $0.uppercased() })
            for row in rows { table.add(row.map { $0.isEmpty ? "-" : $0 }) }
            return lines.joined(separator: "\n") + "\n\n" + table.text
        }

        var json: String {
            var json = JSONWriter()
            json.beginObject()
            for fact in facts {
                json.key(fact.name.replacing(" ", with: "_"))
                json.value(fact.value)
            }
            json.key("columns")
            json.beginArray()
            for row in rows {
                json.beginObject()
                for (name, cell) in zip(header, row) {
                    json.key(name.replacing(" ", with: "_"))
                    json.value(cell.isEmpty ? nil : cell)
                }
                json.endObject()
            }
            json.endArray()
            json.endObject()
            return json.text
        }
    }

    static func describe(_ name: String, _ repository: FeatureRepository) -> Description? {
        if let source = repository.source(named: name) { return describe(source) }
        if let view = repository.view(named: name) { return describe(view, hash: repository.streamHash) }
        if let view = repository.onDemandView(named: name) { return describe(view) }
        return repository.service(named: name).map { describe($0, repository) }
    }

    private static func describe(_ source: SourceSchema) -> Description {
        var description = Description()
        description.facts = [
            ("name", source.name), ("kind", "source"), ("topic", source.topic),
            ("event id", source.fields[source.eventIDIndex].name),
            ("event time", "\(source.fields[source.eventTimeIndex].name), \(source.eventTimeFormat.name)"),
            ("key", source.fields[source.keyIndex].name), ("partitioner", source.partitioner.rawValue),
        ]
        if let label = source.label {
            description.facts.append(
                ("label", "\(label.field) on topic \(label.topic), \(Self.duration(label.delayMillis)) after its event")
            )
        }
        description.facts.append(("unknown fields", source.refusesUnknownFields ? "refused" : "ignored"))
        description.header = ["field", "type", "may be missing", "allowed"]
        description.rows = source.fields.map { field in
            let type = Field(field.name, field.type, rounds: field.rounds).declaration
            return [field.name, type, field.isOptional ? "yes" : "no", field.rule?.description ?? ""]
        }
        return description
    }

    private static func describe(_ view: StreamView, hash: String) -> Description {
        var description = Description()
        description.facts = [
            ("name", view.name), ("kind", "stream view"), ("source", view.source.name), ("entity", view.entityName),
            ("join key", view.source.fields[view.joinKeyIndex].name),
            ("bounds", view.isRightClosed ? "right_closed, (t - W, t]" : "left_closed, [t - W, t)"),
            ("current event", view.includesCurrentEvent ? "include" : "exclude"),
            ("retention", duration(view.retentionMillis)), ("hash", hash),
        ]
        description.header = ["feature", "function", "column", "window", "kind"]
        description.rows = zip(view.features, view.kinds).map { feature, kind in
            [
                feature.name, feature.function.rawValue, feature.field.map { view.source.fields[$0].name } ?? "",
                // As it was written: the last part of the name.
                feature.windowMillis == nil ? "" : String(feature.name.split(separator: "_").last ?? ""),
                Self.kind(kind),
            ]
        }
        return description
    }

    private static func describe(_ view: OnDemandView) -> Description {
        var description = Description()
        description.facts = [
            ("name", view.name), ("kind", "on-demand view"), ("source", view.source.name),
            ("inputs", (view.inputs + ["request"]).joined(separator: ", ")),
        ]
        description.header = ["feature", "expression", "kind"]
        description.rows = view.features.map { [$0.name, $0.text, kind($0.kind)] }
        return description
    }

    private static func describe(_ service: FeatureService, _ repository: FeatureRepository) -> Description {
        var description = Description()
        description.facts = [
            ("name", service.name), ("kind", "service"), ("source", service.source.name),
            ("stream views", service.views.map(\.name).joined(separator: ", ")), ("hash", service.definitionHash),
        ]
        description.header = ["position", "feature", "kind"]
        description.rows = service.featureNames.enumerated().map { ["\($0)", $1, kind(service.kinds[$0])] }
        return description
    }

    private static func kind(_ kind: FeatureKind) -> String { kind == .number ? "number" : "category" }

    /// `7d`, `24h`, `90s`: the largest unit that divides it.
    static func duration(_ millis: Int64) -> String {
        for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)] as [(String, Int64)]
        where millis % size == 0 && millis >= size {
            return "\(millis / size)\(unit)"
        }
        return "\(millis)ms"
    }
}
