import FeatureEngine
import Text
import YAML

/// Reads the `fields` of a source. A field is a type (`amt: decimal(2)`), or a mapping of its type and of what its values are
/// held to (`amt: {type: decimal(2), min: 0}`).
struct FieldDefinition {
    /// The types, as they are written.
    static let typeNames = ["string", "integer", "double", "decimal(2)", "decimal(2, round)", "boolean"]
    private static let example = "fields: {trans_num: string, amt: decimal(2), lat: double, city: string?}"

    let definition: Definition
    let name: String

    /// All fields in declared order, or nil when one of them is wrong.
    static func fields(_ definition: Definition, labelField: String?) -> [Field]? {
        guard let node = definition.required("fields", fix: "Add `\(example)`"),
            let pairs = definition.mapping(node, "fields of \(definition.title)", like: "`\(example)`")
        else { return nil }
        let fields = pairs.compactMap { pair -> Field? in
            guard isUsable(pair, definition, labelField: labelField) else { return nil }
            return FieldDefinition(definition: definition, name: pair.name).field(pair.value)
        }
        if pairs.isEmpty { definition.fail(node, "\(definition.title) has no fields", fix: "Add `\(example)`") }
        return fields.count == pairs.count && !fields.isEmpty ? fields : nil
    }

    private static func isUsable(_ pair: YAMLNode.Pair, _ definition: Definition, labelField: String?) -> Bool {
        let name = pair.name
        guard !name.isEmpty, !name.unicodeScalars.contains(where: { $0.value < 0x20 || $0 == "`" }) else {
            definition.fail(
                pair.key, "a field of \(definition.title) has no usable name",
                fix: "Use the column's name in the CSV, without control characters and backquotes")
            return false
        }
        guard name.utf8.count <= Definition.longestName else {
            _ = definition.tooLong(pair.key, "the field", name)
            return false
        }
        guard !SourceDefinition.reservedColumns.contains(name) else {
            definition.fail(
                pair.key, "the field `\(name)` of \(definition.title) has the name of a column that every table has",
                fix: "Rename the column in the data and here")
            return false
        }
        guard name != labelField else {
            definition.fail(
                pair.key, "`\(name)` of \(definition.title) is the label, which is never part of the event",
                fix: "Remove it from `fields`; `label` declares it")
            return false
        }
        return true
    }

    private func field(_ node: YAMLNode) -> Field? {
        guard node.pairs != nil else { return type(node) }
        definition.check(keys: DefinitionKind.field, in: node, of: "the field `\(name)`")
        guard
            let typeNode = definition.required(
                "type", in: node, of: "the field `\(name)`", fix: "Write `\(name): {type: double, min: 0}`"),
            let field = type(typeNode)
        else { return nil }
        let problems = definition.reader.problems.count
        let rule = rule(node, field.type)
        guard definition.reader.problems.count == problems else { return nil }
        return Field(
            name, field.type, isOptional: field.isOptional, rounds: field.rounds, rule: rule.isEmpty ? nil : rule)
    }

    private func type(_ node: YAMLNode) -> Field? {
        let what = "the type of `\(name)`"
        guard let text = definition.text(node, what) else { return nil }
        let isOptional = text.hasSuffix("?")
        if let (type, rounds) = FieldType.declaration(isOptional ? String(text.dropLast()) : text) {
            return Field(name, type, isOptional: isOptional, rounds: rounds)
        }
        let names = Self.typeNames
        // In braces the comma of decimal(2, round) ends the value.
        let isCut = text.hasPrefix("decimal(") && !text.contains(")")
        definition.fail(
            node, "\(what) is `\(text)`, which is unknown",
            fix: isCut
                ? "Within braces put it in quotes: \"\(text), round)\""
                : text.hasPrefix("decimal(")
                    ? "A decimal has 0 to 9 places, like decimal(2), or decimal(2, round) to round what has more"
                    : Suggestion.nearest(to: text, among: names).map { "Did you mean `\($0)`?" }
                        ?? "Write \(names.joined(separator: ", ")); with a ? behind it where a row may lack it")
        return nil
    }

    // MARK: Rules

    private func rule(_ node: YAMLNode, _ type: FieldType) -> FieldRule {
        var rule = FieldRule()
        let isNumber = type != .string && type != .boolean
        rule.least = bound("min", node, type, isNumber)
        rule.most = bound("max", node, type, isNumber)
        if let least = rule.least, let most = rule.most, let place = node["max"], most.isLess(than: least, as: type) {
            definition.fail(
                place, "`max` of `\(name)` is `\(most.text)`, less than `min`, `\(least.text)`",
                fix: "Exchange them, or remove one")
        }
        if let place = node["enum"], suits(place, "enum", type != .double && type != .boolean, type, "names values of")
        {
            rule.values = values(place, type)
        }
        if let place = node["length"], suits(place, "length", type == .string, type, "bounds the characters of") {
            lengths(place, &rule)
        }
        if let place = node["format"], suits(place, "format", type == .string, type, "says how a time is written in") {
            rule.format = format(place)
        }
        return rule
    }

    /// Whether a rule can be of this type; otherwise it is said which it can be of.
    private func suits(_ node: YAMLNode, _ key: String, _ isSuited: Bool, _ type: FieldType, _ does: String) -> Bool {
        guard !isSuited else { return true }
        let (kinds, others) =
            switch key {
            case "min", "max": ("a number", type == .string ? "`length`, `enum` or `format`" : "nothing else")
            case "enum": ("a string, an integer or a decimal", type == .double ? "`min` and `max`" : "nothing else")
            default: ("a string", type == .boolean ? "nothing else" : "`min` and `max`")
            }
        definition.fail(
            node, "`\(key)` \(does) \(kinds), but `\(name)` is of type \(type)",
            fix: others == "nothing else" ? "Remove it" : "Use \(others), or declare another type")
        return false
    }

    private func bound(_ key: String, _ node: YAMLNode, _ type: FieldType, _ isNumber: Bool) -> FieldRule.Value? {
        guard let place = node[key], suits(place, key, isNumber, type, "bounds") else { return nil }
        return value(place, "`\(key)` of `\(name)`", type)
    }

    private func value(_ node: YAMLNode, _ what: String, _ type: FieldType) -> FieldRule.Value? {
        guard let text = definition.text(node, what) else { return nil }
        if let value = FieldRule.Value(text, of: type) { return value }
        definition.fail(node, "\(what) is `\(text)`, which is not \(type)", fix: "Write it as an event would have it")
        return nil
    }

    private func values(_ node: YAMLNode, _ type: FieldType) -> [FieldRule.Value] {
        guard let items = definition.list(node, "`enum` of `\(name)`", like: "`enum: [F, M]`") else { return [] }
        var values: [FieldRule.Value] = []
        for item in items {
            guard let value = value(item, "a value of `\(name)`", type) else { continue }
            if values.contains(value) {
                definition.fail(item, "`\(value.text)` stands twice in `enum` of `\(name)`", fix: "Remove one of them")
            }
            values.append(value)
        }
        return values
    }

    private func lengths(_ node: YAMLNode, _ rule: inout FieldRule) {
        let example = "`length: {min: 1, max: 40}`"
        guard definition.mapping(node, "`length` of `\(name)`", like: example) != nil else { return }
        definition.check(keys: DefinitionKind.length, in: node, of: "`length` of `\(name)`")
        func count(_ key: String) -> Int? {
            guard let place = node[key] else { return nil }
            guard let count = place.integer, (0...1_000_000).contains(count) else {
                definition.fail(
                    place, "`\(key)` of the length of `\(name)` is no number of characters",
                    fix: "Write a whole number of 0 to 1000000")
                return nil
            }
            return count
        }
        (rule.shortest, rule.longest) = (count("min"), count("max"))
        if let shortest = rule.shortest, let longest = rule.longest, longest < shortest {
            definition.fail(
                node, "the length of `\(name)` is at least \(shortest) and at most \(longest)", fix: "Exchange them")
        }
        if node.pairs?.isEmpty == true {
            definition.fail(node, "`length` of `\(name)` says nothing", fix: "Write it like \(example)")
        }
    }

    private func format(_ node: YAMLNode) -> EventTimeFormat? {
        guard let text = definition.text(node, "the format of `\(name)`") else { return nil }
        if let format = EventTimeFormat(text), !format.isNumeric { return format }
        definition.fail(
            node, "the format of `\(name)` is `\(text)`, which is unknown",
            fix: Suggestion.nearest(to: text, among: ["iso8601", "yyyy-MM-dd"]).map { "Did you mean `\($0)`?" }
                ?? "Write iso8601 or a pattern like \"yyyy-MM-dd\"")
        return nil
    }
}
