public import FeatureEngine
import Text
import YAML

/// What people see of a source's events: it changes no feature, so it is no part of any hash.
public struct SourceDisplay: Hashable, Sendable {
    /// The field that says how much money an event moves; nil when the source names none.
    public let amountField: String?
    /// The fields of which people see a part only, by their bytes.
    public let sensitiveFields: Set<ByteString>

    /// What a source without a word about it shows.
    static let plain = SourceDisplay(amountField: nil, sensitiveFields: [])

    /// Whether people see only a part of a field.
    public func isSensitive(_ field: String) -> Bool { sensitiveFields.contains(ByteString(field)) }
}

extension SourceDefinition {
    /// Reads `amount` and the fields' `sensitive`.
    static func display(_ definition: Definition, _ fields: [Field]?) -> SourceDisplay {
        var sensitive: Set<ByteString> = []
        for pair in definition.node["fields"]?.pairs ?? [] {
            guard let node = pair.value.pairs == nil ? nil : pair.value["sensitive"] else { continue }
            let choices = [("true", true), ("false", false)]
            if definition.choice(node, "`sensitive` of `\(pair.name)`", choices) == true {
                sensitive.insert(ByteString(pair.name))
            }
        }
        return SourceDisplay(amountField: amount(definition, fields), sensitiveFields: sensitive)
    }

    private static func amount(_ definition: Definition, _ fields: [Field]?) -> String? {
        guard let node = definition.node["amount"], let name = definition.text(node, "`amount`"), let fields else {
            return nil
        }
        guard let field = fields.first(where: { $0.name == name }) else {
            definition.fail(
                node, "`amount` of \(definition.title) names `\(name)`, which is not among its fields",
                fix: Suggestion.nearest(to: name, among: fields.map(\.name)).map { "Did you mean `\($0)`?" }
                    ?? "Name one of its fields")
            return nil
        }
        guard field.type != .string, field.type != .boolean else {
            definition.fail(
                node, "`amount` of \(definition.title) names `\(name)`, a field of type \(field.type)",
                fix: "An amount is a number: name another field, or declare its type as decimal(2)")
            return nil
        }
        return name
    }
}
