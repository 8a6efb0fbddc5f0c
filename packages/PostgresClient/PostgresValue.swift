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
        var bytes: [UInt8] = [UInt8(ascii: "{")]
        for (index, text) in texts.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            bytes.append(UInt8(ascii: "\""))
            PostgresQuoting.append(
                text, to: &bytes, escaping: [UInt8(ascii: "\""), UInt8(ascii: "\\")], with: UInt8(ascii: "\\"))
            bytes.append(UInt8(ascii: "\""))
        }
        bytes.append(UInt8(ascii: "}"))
        return .text(String(decoding: bytes, as: UTF8.self))
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

/// Quoting for what cannot be a parameter: names, and values inside COPY. The server reads bytes, so bytes are escaped: to Swift
/// a quote with a combining mark behind it is another character than a quote.
public enum PostgresQuoting {
    /// A quoted identifier.
    public static func identifier(_ name: String) -> String {
        let quote = UInt8(ascii: "\"")
        var bytes = [quote]
        append(name, to: &bytes, escaping: [quote], with: quote)
        return String(decoding: bytes + [quote], as: UTF8.self)
    }

    /// A quoted text literal. A NUL, which no text in Postgres has, is left out.
    public static func literal(_ text: String) -> String {
        let (quote, backslash) = (UInt8(ascii: "'"), UInt8(ascii: "\\"))
        var bytes: [UInt8] = text.utf8.contains(backslash) ? Array(" E'".utf8) : [quote]
        for byte in text.utf8 where byte != 0 {
            if byte == quote || byte == backslash { bytes.append(byte) }
            bytes.append(byte)
        }
        return String(decoding: bytes + [quote], as: UTF8.self)
    }

    /// The UTF-8 of a text, with `escape` before each byte that needs it.
    static func append(_ text: String, to bytes: inout [UInt8], escaping special: [UInt8], with escape: UInt8) {
        for byte in text.utf8 {
            if special.contains(byte) { bytes.append(escape) }
            bytes.append(byte)
        }
    }
}
