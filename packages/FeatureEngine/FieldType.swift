/// The type of one declared field of a source.
public enum FieldType: Hashable, Sendable, CustomStringConvertible {
    /// UTF-8 text without NUL. Reading also takes the digits of an integer.
    case string
    /// A signed 64-bit integer.
    case integer
    /// A finite IEEE 754 double.
    case double
    /// A fixed-point number kept as `Int64` minor units: `decimal(2)` of "12.3" is 1230.
    case decimal(places: Int)
    /// true or false.
    case boolean

    /// Reads the YAML spelling: `string`, `integer` (or `int`), `double` (or `float`), `decimal(2)`, `boolean` (or `bool`).
    public init?(_ text: String) {
        switch text {
        case "string": self = .string
        case "integer", "int": self = .integer
        case "double", "float": self = .double
        case "boolean", "bool": self = .boolean
        default:
            guard text.hasPrefix("decimal("), text.hasSuffix(")"),
                let places = Int(text.dropFirst(8).dropLast()), (0...9).contains(places)
            else { return nil }
            self = .decimal(places: places)
        }
    }

    /// Reads a declaration: a type, and whether a decimal rounds what has more places, half to even: `decimal(2, round)`.
    public static func declaration(_ text: String) -> (type: FieldType, rounds: Bool)? {
        if let type = FieldType(text) { return (type, false) }
        guard text.hasPrefix("decimal("), text.hasSuffix(")"), let comma = text.firstIndex(of: ","),
            text[comma...].dropFirst().drop(while: { $0 == " " }) == "round)",
            let type = FieldType("\(text[..<comma]))")
        else { return nil }
        return (type, true)
    }

    /// The YAML spelling.
    public var description: String {
        switch self {
        case .string: "string"
        case .integer: "integer"
        case .double: "double"
        case .decimal(let places): "decimal(\(places))"
        case .boolean: "boolean"
        }
    }
}

/// One declared field of a source: its name in the CSV, the event JSON and the request, and its type.
public struct Field: Hashable, Sendable {
    /// The column's name.
    public let name: String
    /// The column's type.
    public let type: FieldType
    /// Whether a row may lack it (declared with a `?` behind the type). Aggregated columns may not.
    public let isOptional: Bool
    /// Whether a decimal with more places than declared, or with an exponent, is rounded half to even. Otherwise such a row is
    /// refused.
    public let rounds: Bool
    /// What its values are held to where an event enters.
    public let rule: FieldRule?

    /// Declares a field.
    public init(
        _ name: String, _ type: FieldType, isOptional: Bool = false, rounds: Bool = false, rule: FieldRule? = nil
    ) {
        self.name = name
        self.type = type
        self.isOptional = isOptional
        self.rounds = rounds
        self.rule = rule
    }

    /// Type, rounding and whether it may be missing as YAML declares them: `decimal(2, round)?`.
    public var declaration: String {
        var text = type.description
        if rounds { text = "\(text.dropLast()), round)" }
        return isOptional ? text + "?" : text
    }
}

/// Why one field of one row was refused.
public struct FieldError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The field's name.
    public let field: String
    /// What is wrong with it, in words that finish the sentence "the field …".
    public let reason: String

    /// Names a field and what is wrong with it.
    public init(_ field: String, _ reason: String) {
        self.field = field
        self.reason = reason
    }

    /// One sentence: the field, then the reason.
    public var description: String { "\(field): \(reason)" }
}
