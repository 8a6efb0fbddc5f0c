import FeatureEngine
import Text
import YAML

/// A stream view as its file declares it.
struct StreamViewDefinition {
    let definition: Definition
    let name: String
    let entityName: String
    let joinKey: String
    let joinKeyNode: YAMLNode
    let source: SourceDefinition
    let features: [WindowFeature]
    let isRightClosed: Bool
    let includesCurrentEvent: Bool

    /// What `bounds` may say, and whether windows are then right closed.
    static let bounds = [("left_closed", false), ("right_closed", true)]
    /// What `current_event` may say, and whether it then counts.
    static let currentEvent = [("exclude", false), ("include", true)]
    static let mostWindows = StreamView.mostWindows
    static let mostFeatures = 1_000

    /// Columns that a view's table has beside its join key and features.
    static let reservedColumns: Set<String> = [
        "event_id", "event_timestamp", "created", "_topic", "_partition", "v", "definition_hash",
    ]

    init?(_ definition: Definition, sources: [SourceDefinition], allSourceNames: [String]) {
        var definition = definition
        definition.check(keys: DefinitionKind.streamView.keys, ["tail_hop"])
        guard let nameNode = definition.required("name", fix: "Add `name: card_activity`"),
            let name = definition.identifier(nameNode, "the view's name", reserved: SourceDefinition.reservedNames)
        else { return nil }
        definition.title = "view `\(name)`"
        self.name = name
        self.definition = definition
        if let node = definition.node["tail_hop"] {
            definition.fail(node, "\(definition.title) declares `tail_hop`, which does not exist yet", fix: "Remove it")
        }

        guard let sourceNode = definition.required("source", fix: "Add `source:` with the name of a source"),
            let sourceName = definition.text(sourceNode, "the view's source")
        else { return nil }
        guard let source = sources.first(where: { $0.name == sourceName }) else {
            // A source that is there but has mistakes of its own is reported where they are.
            if !allSourceNames.contains(sourceName) {
                definition.fail(
                    sourceNode, "\(definition.title) reads the source `\(sourceName)`, which is not defined",
                    fix: Suggestion.nearest(to: sourceName, among: allSourceNames).map { "Did you mean `\($0)`?" }
                        ?? "Define it, or name one of \(allSourceNames.joined(separator: ", "))")
            }
            return nil
        }
        self.source = source
        guard let entity = Self.entity(definition, source) else { return nil }
        (entityName, joinKey, joinKeyNode) = entity

        var isRightClosed = false
        if let node = definition.node["bounds"] {
            isRightClosed =
                definition.choice(node, "`bounds`", Self.bounds) ?? false
        }
        var includesCurrentEvent = false
        if let node = definition.node["current_event"] {
            includesCurrentEvent =
                definition.choice(node, "`current_event`", Self.currentEvent) ?? false
        }
        self.isRightClosed = isRightClosed
        self.includesCurrentEvent = includesCurrentEvent

        guard let features = Self.features(definition, source, joinKey: joinKey) else { return nil }
        self.features = features
    }

    /// The features of all aggregations, each name once, within what a view can hold.
    private static func features(
        _ definition: Definition, _ source: SourceDefinition, joinKey: String
    ) -> [WindowFeature]? {
        let example = "aggregations: [{column: amt, functions: [count, sum], windows: [1h, 24h]}]"
        guard let node = definition.required("aggregations", fix: "Add `\(example)`"),
            let items = definition.list(node, "aggregations of \(definition.title)", like: "`\(example)`")
        else { return nil }
        var features: [WindowFeature] = []
        for item in items {
            for (feature, place) in AggregationDefinition(definition, source, item).features {
                if features.contains(where: { $0.name == feature.name }) {
                    definition.fail(
                        place, "\(definition.title) has the feature `\(feature.name)` twice",
                        fix: "Remove one of them")
                } else if feature.name.utf8.count > Definition.longestName {
                    _ = definition.tooLong(place, "the feature", feature.name)
                } else if feature.name == joinKey || reservedColumns.contains(feature.name) {
                    definition.fail(
                        place,
                        "\(definition.title) has a feature `\(feature.name)`, which is a column of its table already",
                        fix: "Rename the aggregated column")
                } else {
                    features.append(feature)
                }
            }
        }
        let windows = Set(features.compactMap(\.windowMillis)).count
        if windows > mostWindows {
            definition.fail(
                node, "\(definition.title) has \(windows) different windows",
                fix: "Keep to \(mostWindows) in one view")
        }
        if features.count > mostFeatures {
            definition.fail(
                node, "\(definition.title) has \(features.count) features",
                fix: "Keep to \(mostFeatures) in one view; a table has no more columns")
        }
        return features
    }

    private static func entity(_ definition: Definition, _ source: SourceDefinition) -> (String, String, YAMLNode)? {
        let example = "entity: {name: card, join_key: cc_num, type: string}"
        guard let node = definition.required("entity", fix: "Add `\(example)`"),
            definition.mapping(node, "entity of \(definition.title)", like: "`\(example)`") != nil
        else { return nil }
        definition.check(
            keys: DefinitionKind.entity, in: node, of: "entity of \(definition.title)")
        guard
            let keyNode = definition.required(
                "join_key", in: node, of: "entity of \(definition.title)", fix: "Write `\(example)`"),
            let key = definition.text(keyNode, "the join key")
        else { return nil }
        var entityName = key
        if let nameNode = node["name"] {
            guard let name = definition.identifier(nameNode, "the entity's name") else { return nil }
            entityName = name
        }
        guard let field = source.fields.first(where: { $0.name == key }) else {
            definition.fail(
                keyNode, "\(definition.title) joins on `\(key)`, which the source `\(source.name)` does not have",
                fix: Suggestion.nearest(to: key, among: source.fields.map(\.name)).map { "Did you mean `\($0)`?" }
                    ?? "Add it to the source's fields, or join on one of \(source.fields.map(\.name).joined(separator: ", "))"
            )
            return nil
        }
        guard field.type == .string || field.type == .integer, !field.isOptional else {
            definition.fail(
                keyNode,
                "\(definition.title) joins on `\(key)`, a field of type \(field.type)\(field.isOptional ? "?" : "")",
                fix: "A join key is a string or an integer that every row has")
            return nil
        }
        guard !reservedColumns.contains(key) else {
            definition.fail(
                keyNode, "\(definition.title) joins on `\(key)`, the name of a column that every view's table has",
                fix: "Rename the column in the data and in the source")
            return nil
        }
        if let typeNode = node["type"] {
            guard let text = definition.text(typeNode, "the join key's type") else { return nil }
            guard FieldType(text) == field.type else {
                definition.fail(
                    typeNode, "the join key's type is `\(text)`, but the source declares `\(key): \(field.type)`",
                    fix: "Make the two agree")
                return nil
            }
        }
        return (entityName, key, keyNode)
    }
}

/// One item of a view's `aggregations`: columns × functions × windows.
struct AggregationDefinition {
    private(set) var features: [(WindowFeature, YAMLNode)] = []

    init(_ definition: Definition, _ source: SourceDefinition, _ item: YAMLNode) {
        let example = "`{column: amt, functions: [count, sum], windows: [1h, 24h]}`"
        let what = "an aggregation of \(definition.title)"
        guard definition.mapping(item, what, like: example) != nil else { return }
        definition.check(
            keys: DefinitionKind.aggregation, ["delay"], in: item, of: what)
        guard let functions = Self.functions(definition, item, what),
            let windows = Self.windows(definition, item, what, functions)
        else { return }
        let columns = (item["column"] ?? item["columns"]).flatMap {
            definition.list($0, "columns of \(what)", like: "`columns: [lat, long]`")
        }
        if item["column"] != nil, let twice = item["columns"] {
            definition.fail(twice, "\(what) has both `column` and `columns`", fix: "Keep one of them")
            return
        }
        if (item["column"] ?? item["columns"]) != nil, columns == nil { return }
        if let delay = item["delay"] {
            definition.fail(delay, "\(what) has a delay, which only fraud_rate takes", fix: "Remove it")
            return
        }
        let named: [YAMLNode?] = columns ?? [nil]
        for column in named {
            for (function, node) in functions {
                guard let field = Self.field(definition, source, column, function, node) else { continue }
                var prefix = ""
                if case .some(let index) = field { prefix = source.fields[index].name + "_" }
                if !function.takesWindow {
                    features.append(
                        (
                            WindowFeature(
                                name: prefix + function.rawValue, function: function, field: field, windowMillis: nil),
                            node
                        ))
                    continue
                }
                for window in windows {
                    features.append(
                        (
                            WindowFeature(
                                name: "\(prefix)\(function.rawValue)_\(window.text)", function: function, field: field,
                                windowMillis: window.millis), window.node
                        ))
                }
            }
        }
    }

    private static func functions(
        _ definition: Definition, _ item: YAMLNode, _ what: String
    ) -> [(AggregateFunction, YAMLNode)]? {
        guard let node = item["functions"] ?? item["function"] else {
            definition.fail(item, "\(what) lacks `functions`", fix: "Add `functions: [count, sum]`")
            return nil
        }
        guard let items = definition.list(node, "functions of \(what)", like: "`functions: [count, sum]`") else {
            return nil
        }
        let names = AggregateFunction.allCases.map(\.rawValue)
        var functions: [(AggregateFunction, YAMLNode)] = []
        var isGood = true
        for item in items {
            guard let name = definition.text(item, "a function") else {
                isGood = false
                continue
            }
            if let function = AggregateFunction(rawValue: name) {
                functions.append((function, item))
            } else if name == "fraud_rate" {
                definition.fail(
                    item, "\(what) uses fraud_rate, which does not exist yet",
                    fix: "Remove it; labels enter training only")
                isGood = false
            } else {
                let synonyms = [
                    "avg": "mean", "average": "mean", "stddev": "std", "stdev": "std", "nunique": "distinct_count",
                    "count_distinct": "distinct_count", "total": "sum", "minimum": "min", "maximum": "max",
                ]
                definition.fail(
                    item, "\(what) uses the function `\(name)`, which is unknown",
                    fix: (synonyms[name] ?? Suggestion.nearest(to: name, among: names)).map { "Did you mean `\($0)`?" }
                        ?? "The functions are \(names.joined(separator: ", "))")
                isGood = false
            }
        }
        return isGood ? functions : nil
    }

    private static func windows(
        _ definition: Definition, _ item: YAMLNode, _ what: String, _ functions: [(AggregateFunction, YAMLNode)]
    ) -> [(text: String, millis: Int64, node: YAMLNode)]? {
        let needsWindow = functions.first { $0.0.takesWindow }
        guard let node = item["windows"] else {
            guard let needsWindow else { return [] }
            definition.fail(
                needsWindow.1, "\(what) computes \(needsWindow.0.rawValue) over no window",
                fix: "Add `windows: [1h, 24h]`")
            return nil
        }
        guard needsWindow != nil else {
            definition.fail(
                node, "\(what) gives windows to functions that take none",
                fix: "Remove them; first, last and seconds_since_last look back over the view's whole retention")
            return nil
        }
        guard let items = definition.list(node, "windows of \(what)", like: "`windows: [1h, 24h]`") else { return nil }
        var windows: [(String, Int64, YAMLNode)] = []
        for item in items {
            guard let millis = definition.duration(item, "a window of \(definition.title)"),
                let text = definition.text(item, "a window")
            else { return nil }
            if let first = windows.first(where: { $0.1 == millis }) {
                let other = first.0 == text ? "" : " as `\(first.0)`, which is as long"
                definition.fail(
                    item, "\(what) has the window `\(text)` twice\(other.isEmpty ? "" : ", first\(other)")",
                    fix: "Remove one of them")
                return nil
            }
            windows.append((text, millis, item))
        }
        return windows
    }

    /// The field a function reads; `.some(nil)` where it needs none, nil when it was refused.
    private static func field(
        _ definition: Definition, _ source: SourceDefinition, _ column: YAMLNode?, _ function: AggregateFunction,
        _ node: YAMLNode
    ) -> Int?? {
        guard let column else {
            if function == .count || function == .secondsSinceLast { return .some(nil) }
            definition.fail(
                node, "\(definition.title) computes \(function.rawValue) of no column",
                fix: "Add `column:` with a field")
            return nil
        }
        guard let name = definition.text(column, "a column") else { return nil }
        if function == .secondsSinceLast {
            definition.fail(
                node,
                "\(definition.title) computes seconds_since_last of `\(name)`, but it is about events, not columns",
                fix: "Write `{functions: [seconds_since_last]}` as an aggregation of its own")
            return nil
        }
        guard let index = source.index(of: name) else {
            if name == source.label?.field {
                definition.fail(
                    column,
                    "\(definition.title) aggregates `\(name)`, the label, which is not known when the event happens",
                    fix: "Remove it; labels enter training only")
            } else {
                definition.fail(
                    column, "\(definition.title) aggregates `\(name)`, which the source `\(source.name)` does not have",
                    fix: Suggestion.nearest(to: name, among: source.fields.map(\.name)).map { "Did you mean `\($0)`?" }
                        ?? "Add it to the source's fields")
            }
            return nil
        }
        let field = source.fields[index]
        guard !field.isOptional else {
            definition.fail(
                column, "\(definition.title) aggregates `\(name)`, which a row may lack",
                fix: "Remove the ? behind its type in the source, or aggregate another column")
            return nil
        }
        switch (function, field.type) {
        case (.sum, .double), (.mean, .double), (.std, .double):
            definition.fail(
                node,
                "\(definition.title) computes \(function.rawValue) of `\(name)`, a double: its sums would depend on their order",
                fix: "Declare it as a decimal in the source, like `\(name): decimal(2)`")
            return nil
        case (.sum, .string), (.mean, .string), (.std, .string), (.min, .string), (.max, .string):
            definition.fail(
                node, "\(definition.title) computes \(function.rawValue) of `\(name)`, a string",
                fix: "A string takes count, distinct_count, first and last")
            return nil
        default: return .some(index)
        }
    }
}
