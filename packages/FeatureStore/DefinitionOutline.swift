import FeatureEngine

/// What definitions say, a thing a line, so that two of them can be compared whatever their files look like.
public struct DefinitionOutline: Sendable {
    /// What became of one thing.
    public struct Change: Hashable, Sendable, CustomStringConvertible {
        /// The thing: `view card_activity: feature amt_sum_1h`.
        public let what: String
        /// What it was; nil when it is new.
        public let before: String?
        /// What it is; nil when it is gone.
        public let after: String?

        /// `+ view card_activity: feature amt_sum_3h (sum of amt over 3h)`.
        public var description: String {
            switch (before, after) {
            case (nil, let after?): "+ \(what)\(after.isEmpty ? "" : " (\(after))")"
            case (let before?, let after?): "~ \(what): \(after), was \(before)"
            default: "- \(what)"
            }
        }
    }

    private var lines: [(what: String, value: String)] = []

    /// Of the definitions as a whole.
    public init(_ repository: FeatureRepository) {
        add("project", repository.project)
        for source in repository.sources { add(source, repository.display(of: source)) }
        for view in repository.views { add(view) }
        for view in repository.onDemandViews {
            add("view \(view.name)", "on demand, of source \(view.source.name)")
            for feature in view.features { add("view \(view.name): feature \(feature.name)", feature.text) }
        }
        for service in repository.services {
            add("service \(service.name)", "\(service.featureNames.count) features of source \(service.source.name)")
            for feature in service.featureNames { add("service \(service.name): feature \(feature)", "") }
        }
    }

    private mutating func add(_ what: String, _ value: String) { lines.append((what, value)) }

    private mutating func add(_ source: SourceSchema, _ display: SourceDisplay) {
        let name = "source \(source.name)"
        add("\(name): topic", source.topic)
        add("\(name): event id", source.fields[source.eventIDIndex].name)
        add("\(name): event time", "\(source.fields[source.eventTimeIndex].name), \(source.eventTimeFormat.name)")
        add("\(name): key", source.fields[source.keyIndex].name)
        add("\(name): partitioner", source.partitioner.rawValue)
        add("\(name): unknown fields", source.refusesUnknownFields ? "refuse" : "ignore")
        for field in source.fields {
            let rule = field.rule.map { ", \($0.description)" } ?? ""
            let sensitive = display.isSensitive(field.name) ? ", sensitive" : ""
            add("\(name): field \(field.name)", field.declaration + rule + sensitive)
        }
        if let amount = display.amountField { add("\(name): amount", amount) }
        if let label = source.label {
            add("\(name): label", "\(label.field) on topic \(label.topic) after \(label.delayMillis / 1_000) s")
        }
    }

    private mutating func add(_ view: StreamView) {
        let name = "view \(view.name)"
        let bounds = view.isRightClosed ? "right_closed" : "left_closed"
        add(
            name,
            "of source \(view.source.name) by \(view.source.fields[view.joinKeyIndex].name), \(bounds), current event \(view.includesCurrentEvent ? "included" : "excluded")"
        )
        for feature in view.features {
            let column = feature.field.map { " of \(view.source.fields[$0].name)" } ?? ""
            let window = feature.windowMillis.map { " over \($0 / 1_000) s" } ?? ""
            add("\(name): feature \(feature.name)", feature.function.rawValue + column + window)
        }
    }

    /// What is otherwise in `other`, the later one, in its order; what is gone comes last.
    public func changes(to other: DefinitionOutline) -> [Change] {
        let before = Dictionary(lines.map { ($0.what, $0.value) }) { first, _ in first }
        let after = Set(other.lines.map(\.what))
        let found = other.lines.compactMap { line -> Change? in
            guard before[line.what] != line.value else { return nil }
            return Change(what: line.what, before: before[line.what], after: line.value)
        }
        return found
            + lines.filter { !after.contains($0.what) }.map { Change(what: $0.what, before: $0.value, after: nil) }
    }
}
