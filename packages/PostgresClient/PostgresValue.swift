/// A parameter of a statement.
public enum PostgresValue: Hashable, Sendable, ExpressibleByStringLiteral, ExpressibleByIntegerLiteral {
    /// NULL.
    case null
    /// Text, or the text of a value of any type. A NUL in it is refused as the server would refuse it.
    case text(String)
    /// An integer.
    case integer(Int64)
    /// A double, NaN included.
    case double(Double)
    /// true or false.
    case boolean(Bool)
    /// Raw bytes for a bytea.
    case bytes([UInt8])

    /// Text.
    public init(stringLiteral value: String) { self = .text(value) }
    /// An integer.
    public init(integerLiteral value: Int64) { self = .integer(value) }

    /// An array of text, for `= ANY($1)`.
    public static func array(_ texts: [String]) -> PostgresValue {
        let elements = texts.map { text in
            "\"" + text.flatMap { $0 == "\"" || $0 == "\\" ? "\\\($0)" : String($0) } + "\""
        }
        return .text("{" + elements.joined(separator: ",") + "}")
    }

    var text: String? {
        switch self {
        case .null: nil
        case .text(let text): text
        case .integer(let value): String(value)
        case .double(let value):
            value.isNaN ? "NaN" : value.isInfinite ? (value < 0 ? "-Infinity" : "Infinity") : "\(value)"
        case .boolean(let value): value ? "t" : "f"
        case .bytes(let bytes): "\\x" + bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        }
    }
}

/// Quoting for what cannot be a parameter: names, and values inside COPY.
public enum PostgresQuoting {
    /// A quoted identifier.
    public static func identifier(_ name: String) -> String {
        "\"" + name.flatMap { $0 == "\"" ? "\"\"" : String($0) } + "\""
    }

    /// A quoted text literal.
    public static func literal(_ text: String) -> String {
        let hasBackslash = text.contains("\\")
        let quoted = text.flatMap { $0 == "'" ? "''" : $0 == "\\" ? "\\\\" : String($0) }
        return (hasBackslash ? " E'" : "'") + quoted + "'"
    }
}
