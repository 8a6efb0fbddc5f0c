/// Writes an answer (or, in tests and tools, a request) into bytes it owns.
public struct ByteWriter: MessageCoder {
    /// What has been written.
    public var output: [UInt8] = []
    /// Whether lengths are compact and structures end in tagged fields.
    public var flexible: Bool

    /// Most bytes of one message: an answer that would be larger is none, and its request is hung up on.
    public static let maxBytes = 256 << 20

    /// An empty writer.
    public init(flexible: Bool = false) { self.flexible = flexible }

    /// Appends a big-endian integer.
    public mutating func write<T: FixedWidthInteger>(_ value: T) {
        var shift = T.bitWidth
        while shift > 0 {
            shift -= 8
            output.append(UInt8(truncatingIfNeeded: value >> T(truncatingIfNeeded: shift)))
        }
    }

    /// Overwrites the big-endian 32-bit integer at `index`.
    public mutating func patch(_ value: Int32, at index: Int) {
        for byte in 0..<4 { output[index + byte] = UInt8(truncatingIfNeeded: value >> Int32(24 - 8 * byte)) }
    }

    /// Appends an unsigned variable-length integer.
    public mutating func varuint(_ value: UInt32) {
        var rest = value
        while rest >= 0x80 {
            output.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        output.append(UInt8(rest))
    }

    /// Appends a zigzag variable-length integer.
    public mutating func varint(_ value: Int64) {
        var rest = UInt64(bitPattern: (value << 1) ^ (value >> 63))
        while rest >= 0x80 {
            output.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        output.append(UInt8(rest))
    }

    /// Appends the length before bytes of a file that the caller sends itself.
    public mutating func bytesLength(_ count: Int) {
        if flexible { varuint(UInt32(truncatingIfNeeded: count + 1)) } else { write(Int32(truncatingIfNeeded: count)) }
    }

    private mutating func length(_ count: Int?, short: Bool) throws(ProtocolError) {
        guard count ?? 0 <= (short && !flexible ? Int(Int16.max) : Int(Int32.max) - 1) else {
            throw .badLength(count ?? 0)
        }
        guard (count ?? 0) <= Self.maxBytes - output.count else { throw .badLength(output.count) }
        if flexible {
            varuint(UInt32((count ?? -1) + 1))
        } else if short {
            write(Int16(count ?? -1))
        } else {
            write(Int32(count ?? -1))
        }
    }

    /// One byte; anything but zero is true.
    public mutating func bool(_ value: inout Bool) throws(ProtocolError) { output.append(value ? 1 : 0) }
    /// A big-endian integer.
    public mutating func integer<T: FixedWidthInteger & Sendable>(_ value: inout T) throws(ProtocolError) {
        write(value)
    }
    /// Text that is never null.
    public mutating func string(_ value: inout String) throws(ProtocolError) {
        try length(value.utf8.count, short: true)
        output.append(contentsOf: value.utf8)
    }
    /// Text or null.
    public mutating func nullableString(_ value: inout String?) throws(ProtocolError) {
        try length(value?.utf8.count, short: true)
        if let value { output.append(contentsOf: value.utf8) }
    }
    /// Bytes that are never null.
    public mutating func bytes(_ value: inout ArraySlice<UInt8>) throws(ProtocolError) {
        try length(value.count, short: false)
        output.append(contentsOf: value)
    }
    /// Bytes or null.
    public mutating func nullableBytes(_ value: inout ArraySlice<UInt8>?) throws(ProtocolError) {
        try length(value?.count, short: false)
        if let value { output.append(contentsOf: value) }
    }
    /// Sixteen bytes.
    public mutating func uuid(_ value: inout TopicID) throws(ProtocolError) {
        write(value.high)
        write(value.low)
    }
    /// Structures, never null.
    public mutating func array<T: KafkaMessage>(_ values: inout [T], version: Int16) throws(ProtocolError) {
        try length(values.count, short: false)
        for value in values { try value.encode(to: &self, version: version) }
    }
    /// Structures or null.
    public mutating func nullableArray<T: KafkaMessage>(_ values: inout [T]?, version: Int16) throws(ProtocolError) {
        try length(values?.count, short: false)
        for value in values ?? [] { try value.encode(to: &self, version: version) }
    }
    /// Integers, never null.
    public mutating func integers<T: FixedWidthInteger & Sendable>(_ values: inout [T]) throws(ProtocolError) {
        try length(values.count, short: false)
        for value in values { write(value) }
    }
    /// Texts, never null.
    public mutating func strings(_ values: inout [String]) throws(ProtocolError) {
        try length(values.count, short: false)
        for index in values.indices { try string(&values[index]) }
    }
    /// Texts or null.
    public mutating func nullableStrings(_ values: inout [String]?) throws(ProtocolError) {
        try length(values?.count, short: false)
        for var value in values ?? [] { try string(&value) }
    }
    /// The tagged fields that end a flexible structure.
    public mutating func tags() throws(ProtocolError) {
        if flexible { output.append(0) }
    }
}
