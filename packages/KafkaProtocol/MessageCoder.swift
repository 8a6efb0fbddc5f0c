/// One side of the wire: reading fills the values, writing emits them. A message names its fields once, in order, for both.
///
/// `flexible` selects compact lengths and tagged fields; the same message works in both encodings.
public protocol MessageCoder {
    /// Whether lengths are compact and structures end in tagged fields.
    var flexible: Bool { get }
    /// One byte, zero or one.
    mutating func bool(_ value: inout Bool) throws(ProtocolError)
    /// A big-endian integer.
    mutating func integer<T: FixedWidthInteger & Sendable>(_ value: inout T) throws(ProtocolError)
    /// Text that is never null.
    mutating func string(_ value: inout String) throws(ProtocolError)
    /// Text or null.
    mutating func nullableString(_ value: inout String?) throws(ProtocolError)
    /// Bytes that are never null; null reads as empty.
    mutating func bytes(_ value: inout ArraySlice<UInt8>) throws(ProtocolError)
    /// Bytes or null.
    mutating func nullableBytes(_ value: inout ArraySlice<UInt8>?) throws(ProtocolError)
    /// Sixteen bytes.
    mutating func uuid(_ value: inout TopicID) throws(ProtocolError)
    /// Structures; null reads as none.
    mutating func array<T: KafkaMessage>(_ values: inout [T], version: Int16) throws(ProtocolError)
    /// Structures or null.
    mutating func nullableArray<T: KafkaMessage>(_ values: inout [T]?, version: Int16) throws(ProtocolError)
    /// Integers; null reads as none.
    mutating func integers<T: FixedWidthInteger & Sendable>(_ values: inout [T]) throws(ProtocolError)
    /// Texts; null reads as none.
    mutating func strings(_ values: inout [String]) throws(ProtocolError)
    /// Texts or null.
    mutating func nullableStrings(_ values: inout [String]?) throws(ProtocolError)
    /// The tagged fields that end a structure in flexible encoding; unknown ones are skipped, none are written.
    mutating func tags() throws(ProtocolError)
}

/// A request, an answer, or a structure inside one.
public protocol KafkaMessage: Sendable, Equatable {
    /// Every field at the value that the protocol gives a field which a version leaves out.
    init()
    /// Names every field of `version` in wire order.
    mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError)
}

extension KafkaMessage {
    /// Reads a message; bytes behind it are ignored, as Kafka does.
    public init(from reader: inout ByteReader, version: Int16) throws(ProtocolError) {
        self.init()
        try code(&reader, version: version)
    }

    /// Appends the message to `writer`.
    public func encode(to writer: inout ByteWriter, version: Int16) throws(ProtocolError) {
        var copy = self
        try copy.code(&writer, version: version)
    }
}

/// The 128 bits that name one life of a topic; a topic made again under its old name has another.
public struct TopicID: Hashable, Sendable {
    /// Most and least significant halves.
    public var high: UInt64 = 0, low: UInt64 = 0

    /// The zero id, which names no topic.
    public init() {}

    /// An id from its halves.
    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// A version 4 UUID from `generator`.
    public static func random(using generator: inout some RandomNumberGenerator) -> TopicID {
        TopicID(
            high: (generator.next() & 0xFFFF_FFFF_FFFF_0FFF) | 0x4000,
            low: (generator.next() & 0x3FFF_FFFF_FFFF_FFFF) | 0x8000_0000_0000_0000)
    }
}
