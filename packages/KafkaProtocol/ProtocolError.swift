/// Why bytes are not a request. Every case ends the connection that sent them, nothing else.
public enum ProtocolError: Error, Equatable, Sendable {
    /// The bytes end before the value does.
    case truncated
    /// A length or a count that cannot be: negative, or more than the bytes that are left.
    case badLength(Int)
    /// Text that is not UTF-8.
    case invalidText
    /// More array elements than one request may carry.
    case tooManyElements
    /// An API key or a version that is not served.
    case unsupported(key: Int16, version: Int16)
}
