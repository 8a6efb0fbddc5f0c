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
    let refusesUnknownFields: Bool
    let partitioner: Partitioner
    let display: SourceDisplay

    /// Names of tables that exist whatever a feature_repo says, and words with a meaning of their own.
    static let reservedNames: Set<String> = [
        "labels", "predictions", "prediction_rows", "prediction_kinds", "dead_letters", "rekeyed_events",
        "partition_state", "models", "model_aliases", "model_history", "model_requests", "drift_reports",
        "retrain_decisions", "schema_migrations", "definition_sets", "definition_files", "definition_rollouts",
        "request",
    ]

    /// Columns that every table has beside the declared ones.
    static let reservedColumns: Set<String> = ["event_timestamp", "_topic", "_partition", "_offset"]

    /// What `unknown_fields` may say, and whether that refuses them.
    static let unknownFields = [("ignore", false), ("refuse", true)]
    /// The formats of times that have a name.
    static let timeFormatNames = ["unix_seconds", "unix_millis", "iso8601"]

    func index(of field: String) -> Int? { fields.firstIndex { $0.name == field } }

    init?(_ definition: Definition) {
        var definition = definition
        definition.check(keys: DefinitionKind.source.keys)
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
        let fields = FieldDefinition.fields(definition, labelField: labelField)
        let id = Self.eventID(definition, fields)
        let time = Self.eventTime(definition, fields)
        label = labelNode.flatMap { Self.label(definition, $0, topic) }
        refusesUnknownFields =
            definition.node["unknown_fields"].flatMap {
                definition.choice($0, "`unknown_fields` of \(definition.title)", Self.unknownFields)
            } ?? false
        partitioner = definition.node["partitioner"].flatMap { Self.partitioner(definition, $0) } ?? .murmur2
        display = Self.display(definition, fields)
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
            definition.check(
                keys: DefinitionKind.eventTimestamp, in: node, of: "event_timestamp of \(definition.title)")
            guard let inner = definition.required("field", in: node, of: "event_timestamp", fix: "Write `\(example)`")
            else {
                return nil
            }
            fieldNode = inner
            if let formatNode = node["format"] {
                guard let text = definition.text(formatNode, "the time's format") else { return nil }
                guard let known = EventTimeFormat(text) else {
                    let names = timeFormatNames
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
        guard fields[index].rule?.format == nil else {
            definition.fail(
                fieldNode, "`\(fields[index].name)` is the event time and has a `format` of its own",
                fix: "Keep the one of `event_timestamp`")
            return nil
        }
        return (index, format)
    }

    private static func partitioner(_ definition: Definition, _ node: YAMLNode) -> Partitioner? {
        // Of what other clients call theirs, and of what cannot be: a reader must find a key without asking every partition.
        let fixes = [
            "murmur2_random": "Did you mean `murmur2`?", "consistent_random": "Did you mean `consistent`?",
            "random": "An entity's events must lie in one partition: have producers place them by key",
            "any": "An entity is looked for in one partition: have producers place it by murmur2 or consistent",
        ]
        if let word = node.text, let fix = fixes[word] {
            definition.fail(node, "the partitioner of \(definition.title) is `\(word)`, which is unknown", fix: fix)
            return nil
        }
        return definition.choice(
            node, "the partitioner of \(definition.title)", Partitioner.allCases.map { ($0.rawValue, $0) })
    }

    private static func label(_ definition: Definition, _ node: YAMLNode, _ eventTopic: String?) -> LabelDefinition? {
        let example = "label: {field: is_fraud, topic: labels, delay: 7d}"
        guard definition.mapping(node, "label of \(definition.title)", like: "`\(example)`") != nil else { return nil }
        let what = "label of \(definition.title)"
        definition.check(keys: DefinitionKind.label, in: node, of: what)
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

    /// The finished schema, keyed by a field; `others` are the join keys of its views of other entities.
    func schema(key: String, others: [String]) -> SourceSchema? {
        guard let keyIndex = index(of: key) else { return nil }
        return SourceSchema(
            name: name, topic: topic, fields: fields, eventIDIndex: eventIDIndex, eventTimeIndex: eventTimeIndex,
            eventTimeFormat: eventTimeFormat, keyIndex: keyIndex, label: label,
            refusesUnknownFields: refusesUnknownFields, partitioner: partitioner,
            otherKeyIndexes: others.compactMap(index(of:)))
    }
}
