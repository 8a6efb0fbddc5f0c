internal import CSimdJSON

/// Why bytes are not the JSON we read.
public struct JSONError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What is wrong with the document.
    public enum Reason: Hashable, Sendable {
        /// Nothing but white space.
        case empty
        /// Not UTF-8.
        case invalidUTF8
        /// A string without its closing quote.
        case unclosedString
        /// A raw control character inside a string.
        case controlCharacter
        /// An unknown or cut escape.
        case invalidEscape
        /// Half a surrogate pair.
        case loneSurrogate
        /// Digits that are not a JSON number.
        case invalidNumber
        /// A bare word other than true, false and null.
        case invalidLiteral
        /// A comma, colon, brace or bracket is missing or out of place.
        case structure
        /// Nested deeper than the parser allows.
        case tooDeep
        /// Something follows the document.
        case trailing
        /// Larger than 1 GiB.
        case tooLarge
        /// More values than the parser allows.
        case tooManyValues
        /// The parser could not get memory.
        case outOfMemory
        /// Valid JSON, but not the value that was asked for.
        case unexpected(String)
    }

    /// What is wrong.
    public let reason: Reason
    /// The byte it was seen at, where that is known.
    public let offset: Int?

    /// Names what is wrong and where.
    public init(_ reason: Reason, offset: Int? = nil) {
        self.reason = reason
        self.offset = offset
    }

    /// One phrase, with the offset where it is known.
    public var description: String {
        let text =
            switch reason {
            case .empty: "the document is empty"
            case .invalidUTF8: "not valid UTF-8"
            case .unclosedString: "a string is not closed"
            case .controlCharacter: "a control character inside a string"
            case .invalidEscape: "an invalid escape in a string"
            case .loneSurrogate: "a lone surrogate in a string"
            case .invalidNumber: "not a JSON number"
            case .invalidLiteral: "not a JSON value"
            case .structure: "a comma, colon, brace or bracket is missing or out of place"
            case .tooDeep: "nested too deep"
            case .trailing: "something follows the document"
            case .tooLarge: "larger than 1 GiB"
            case .tooManyValues: "too many values"
            case .outOfMemory: "out of memory"
            case .unexpected(let what): what
            }
        return offset.map { "\(text), at byte \($0)" } ?? text
    }

    init(code: Int32, offset: Int) {
        let reason: Reason =
            switch UInt32(bitPattern: code) {
            case NJ_EMPTY.rawValue: .empty
            case NJ_UTF8.rawValue: .invalidUTF8
            case NJ_UNCLOSED_STRING.rawValue: .unclosedString
            case NJ_CONTROL_CHARACTER.rawValue: .controlCharacter
            case NJ_ESCAPE.rawValue: .invalidEscape
            case NJ_SURROGATE.rawValue: .loneSurrogate
            case NJ_NUMBER_SYNTAX.rawValue: .invalidNumber
            case NJ_LITERAL.rawValue: .invalidLiteral
            case NJ_DEPTH.rawValue: .tooDeep
            case NJ_TRAILING.rawValue: .trailing
            case NJ_TOO_LARGE.rawValue: .tooLarge
            case NJ_MEMORY.rawValue: .outOfMemory
            case NJ_TOO_MANY.rawValue: .tooManyValues
            default: .structure
            }
        self.init(reason, offset: offset < 0 ? nil : offset)
    }
}
