/// Text that is data: a key, an event id, a category. Equality, order and hash go by its UTF-8 bytes.
///
/// `String` compares by canonical equivalence, so "é" as one scalar and as "e" with a combining accent are one `String`,
/// while Kafka, Redis, Postgres and a model's categories keep two. What is looked up by such text is keyed by this.
/// See docs/design.md, The function F.
public struct ByteString: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The bytes, as they came.
    public let bytes: [UInt8]

    /// The UTF-8 bytes of a text.
    public init(_ text: String) { bytes = Array(text.utf8) }

    /// Bytes that are UTF-8 where they came through a `SourceRow`; nothing here depends on it.
    public init(_ bytes: some Sequence<UInt8>) { self.bytes = Array(bytes) }

    /// A copy of lent bytes.
    public init(copying span: Span<UInt8>) {
        bytes = span.withUnsafeBufferPointer { Array($0) }
    }

    /// The text; what is not UTF-8 is replaced.
    public var description: String { String(decoding: bytes, as: UTF8.self) }

    /// Whether both have the same bytes.
    public static func == (left: Self, right: Self) -> Bool { left.bytes == right.bytes }

    /// Whether the first differing byte is smaller, or there is none and `left` is shorter: the order of Postgres' "C" collation.
    public static func < (left: Self, right: Self) -> Bool { left.bytes.lexicographicallyPrecedes(right.bytes) }

    /// Feeds all bytes at once: an array's own `hash(into:)` goes byte by byte.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(bytes.count)
        bytes.withUnsafeBytes { hasher.combine(bytes: $0) }
    }
}

extension ByteString: ExpressibleByStringLiteral {
    /// The UTF-8 bytes of a literal.
    public init(stringLiteral text: StaticString) { bytes = text.withUTF8Buffer { Array($0) } }
}
