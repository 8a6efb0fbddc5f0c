import FeatureEngine
import Text
import YAML

/// A source as its file declares it, before the views that decide its key are known.
struct SourceDefinition {
    let definition: Definition
    let name: String
    let topic: String
    let fields: [Field]
    let eventIDIndex: Int
    let eventTimeIndex: Int
    let eventTimeFormat: EventTimeFormat
    let declaredKey: (name: String, node: YAMLNode)?
    let label: LabelDefinition?

    /// Names of tables that exist whatever a feature_repo says, and words with a meaning of their own.
    static let reservedNames: Set<String> = [
        "labels", "predictions", "dead_letters", "partition_state", "models", "model_aliases", "model_history",
        "model_requests", "retrain_decisions",
        "drift_reports", "schema_migrations", "request",
    ]

    /// Columns that every table has beside the declared ones.
    static let reservedColumns: Set<String> = ["event_timestamp", "_topic", "_partition", "_offset"]

    func index(of field: String) -> Int? { fields.firstIndex { $0.name == field } }

    init?(_ definition: Definition) {
        var definition = definition
        definition.check(keys: [
            "kind", "name", "description", "topic", "event_id", "event_timestamp", "key", "fields", "label",
        ])
        guard let nameNode = definition.required("name", fix: "Add `name: transactions`"),
            let name = definition.identifier(nameNode, "the source's name", reserved: Self.reservedNames)
        else { return nil }
        definition.title = "source `\(name)`"
        self.name = name

        let topic = definition.required("topic", fix: "Add `topic: \(name)`").flatMap {
            definition.topic($0, "the topic")
        }
        let labelNode = definition.node["label"]
        let labelField = labelNode?["field"]?.text
        let fields = Self.fields(definition, labelField: labelField)
        let id = Self.eventID(definition, fields)
        let time = Self.eventTime(definition, fields)
        label = labelNode.flatMap { Self.label(definition, $0, topic) }
        if let node = definition.node["key"], let key = definition.text(node, "the key") {
            declaredKey = (key, node)
        } else {
            declaredKey = nil
        }
        guard let topic, let fields, let id, let time else { return nil }
        self.definition = definition
        self.topic = topic
        self.fields = fields
        eventIDIndex = id
        eventTimeIndex = time.index
        eventTimeFormat = time.format
    }

    private static func fields(_ definition: Definition, labelField: String?) -> [Field]? {
        let example = "fields: {trans_num: string, amt: decimal(2), lat: double, city: string?}"
        guard let node = definition.required("fields", fix: "Add `\(example)`"),
            let pairs = definition.mapping(node, "fields of \(definition.title)", like: "`\(example)`")
        else { return nil }
        var fields: [Field] = []
        var isGood = !pairs.isEmpty
        for pair in pairs {
            let what = "the type of `\(pair.name)`"
            guard !pair.name.isEmpty, !pair.name.unicodeScalars.contains(where: { $0.value < 0x20 || $0 == "`" }) else {
                definition.fail(
                    pair.key, "a field of \(definition.title) has no usable name",
                    fix: "Use the column's name in the CSV, without control characters and backquotes")
                isGood = false
                continue
            }
            guard pair.name.utf8.count <= Definition.longestName else {
                _ = definition.tooLong(pair.key, "the field", pair.name)
                isGood = false
                continue
            }
            guard !reservedColumns.contains(pair.name) else {
                definition.fail(
                    pair.key,
                    "the field `\(pair.name)` of \(definition.title) has the name of a column that every table has",
                    fix: "Rename the column in the data and here")
                isGood = false
                continue
            }
            guard pair.name != labelField else {
                definition.fail(
                    pair.key, "`\(pair.name)` of \(definition.title) is the label, which is never part of the event",
                    fix: "Remove it from `fields`; `label` declares it")
                isGood = false
                continue
            }
            guard let text = definition.text(pair.value, what) else {
                isGood = false
                continue
            }
            let isOptional = text.hasSuffix("?")
            guard let (type, rounds) = FieldType.declaration(isOptional ? String(text.dropLast()) : text) else {
                let names = ["string", "integer", "double", "decimal(2)", "decimal(2, round)", "boolean"]
                // In braces the comma of decimal(2, round) ends the value.
                let isCut = text.hasPrefix("decimal(") && !text.contains(")")
                definition.fail(
                    pair.value, "\(what) is `\(text)`, which is unknown",
                    fix: isCut
                        ? "Within braces put it in quotes: \"\(text), round)\""
                        : text.hasPrefix("decimal(")
                            ? "A decimal has 0 to 9 places, like decimal(2), or decimal(2, round) to round what has more"
                            : Suggestion.nearest(to: text, among: names).map { "Did you mean `\($0)`?" }
                                ?? "Write \(names.joined(separator: ", ")); with a ? behind it where a row may lack it")
                isGood = false
                continue
            }
            fields.append(Field(pair.name, type, isOptional: isOptional, rounds: rounds))
        }
        if pairs.isEmpty { definition.fail(node, "\(definition.title) has no fields", fix: "Add `\(example)`") }
        return isGood ? fields : nil
    }

    /// The index of a field named by another key of the source.
    private static func index(
        _ definition: Definition, _ node: YAMLNode, _ key: String, _ fields: [Field]?, type: String
    ) -> Int? {
        guard let name = definition.text(node, "`\(key)`"), let fields else { return nil }
        guard let index = fields.firstIndex(where: { $0.name == name }) else {
            definition.fail(
                node, "`\(key)` of \(definition.title) names `\(name)`, which is not among its fields",
                fix: Suggestion.nearest(to: name, among: fields.map(\.name)).map { "Did you mean `\($0)`?" }
                    ?? "Add `\(name): \(type)` to `fields`")
            return nil
        }
        guard !fields[index].isOptional else {
            definition.fail(
                node, "`\(key)` of \(definition.title) names `\(name)`, which a row may lack",
                fix: "Remove the ? behind its type")
            return nil
        }
        return index
    }

    private static func eventID(_ definition: Definition, _ fields: [Field]?) -> Int? {
        guard let node = definition.required("event_id", fix: "Add `event_id:` with the field that tells events apart"),
            let index = index(definition, node, "event_id", fields, type: "string"), let fields
        else { return nil }
        guard fields[index].type == .string else {
            definition.fail(
                node,
                "`event_id` of \(definition.title) names `\(fields[index].name)`, a field of type \(fields[index].type)",
                fix: "Declare it as string; that also takes a number's digits")
            return nil
        }
        return index
    }

    private static func eventTime(_ definition: Definition, _ fields: [Field]?) -> (
        index: Int, format: EventTimeFormat
    )? {
        let example = "event_timestamp: {field: time, format: \"yyyy-MM-dd HH:mm:ss\"}"
        guard let node = definition.required("event_timestamp", fix: "Add `\(example)`") else { return nil }
        var format = EventTimeFormat.iso8601
        var fieldNode = node
        if node.pairs != nil {
            definition.check(keys: ["field", "format"], in: node, of: "event_timestamp of \(definition.title)")
            guard let inner = definition.required("field", in: node, of: "event_timestamp", fix: "Write `\(example)`")
            else {
                return nil
            }
            fieldNode = inner
            if let formatNode = node["format"] {
                guard let text = definition.text(formatNode, "the time's format") else { return nil }
                guard let known = EventTimeFormat(text) else {
                    let names = ["unix_seconds", "unix_millis", "iso8601"]
                    definition.fail(
                        formatNode, "the time's format is `\(text)`, which is unknown",
                        fix: Suggestion.nearest(to: text, among: names).map { "Did you mean `\($0)`?" }
                            ?? "Write \(names.joined(separator: ", ")) or a pattern like \"yyyy-MM-dd HH:mm:ss\"")
                    return nil
                }
                format = known
            }
        }
        let type = format.isNumeric ? "integer" : "string"
        guard let index = index(definition, fieldNode, "event_timestamp", fields, type: type), let fields else {
            return nil
        }
        guard fields[index].type == (format.isNumeric ? .integer : .string) else {
            definition.fail(
                fieldNode,
                "`event_timestamp` of \(definition.title) names `\(fields[index].name)`, a field of type \(fields[index].type), but \(format.name) is read from \(format.isNumeric ? "an integer" : "a string")",
                fix: "Declare `\(fields[index].name): \(type)`, or change the format")
            return nil
        }
        return (index, format)
    }

    private static func label(_ definition: Definition, _ node: YAMLNode, _ eventTopic: String?) -> LabelDefinition? {
        let example = "label: {field: is_fraud, topic: labels, delay: 7d}"
        guard definition.mapping(node, "label of \(definition.title)", like: "`\(example)`") != nil else { return nil }
        let what = "label of \(definition.title)"
        definition.check(keys: ["field", "topic", "delay"], in: node, of: what)
        guard let fieldNode = definition.required("field", in: node, of: what, fix: "Write `\(example)`"),
            let field = definition.text(fieldNode, "the label's field")
        else { return nil }
        var topic = "labels"
        if let topicNode = node["topic"] {
            guard let text = definition.topic(topicNode, "the label's topic") else { return nil }
            topic = text
        }
        guard topic != eventTopic else {
            definition.fail(
                node["topic"] ?? node, "\(what) arrives on `\(topic)`, the topic of its events",
                fix: "Give labels a topic of their own, such as `labels`")
            return nil
        }
        var delay: Int64 = 0
        if let delayNode = node["delay"] {
            guard let millis = definition.duration(delayNode, "the label's delay", atLeast: 0) else { return nil }
            delay = millis
        }
        return LabelDefinition(field: field, topic: topic, delayMillis: delay)
    }

    /// The finished schema, keyed by the views' join key.
    func schema(key: String) -> SourceSchema? {
        guard let keyIndex = index(of: key) else { return nil }
        return SourceSchema(
            name: name, topic: topic, fields: fields, eventIDIndex: eventIDIndex, eventTimeIndex: eventTimeIndex,
            eventTimeFormat: eventTimeFormat, keyIndex: keyIndex, label: label)
    }
}
