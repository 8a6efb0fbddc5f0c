/// Reads a request from bytes that nobody vouches for: each length is checked against what is left before it is used.
public struct ByteReader: MessageCoder {
    /// Most array elements in one request: keeps a frame of empty elements from filling memory.
    public static let maxElements = 200_000

    let bytes: ArraySlice<UInt8>
    /// Index of the next byte.
    public private(set) var cursor: Int
    /// Whether lengths are compact and structures end in tagged fields.
    public var flexible: Bool
    private var elementsLeft = ByteReader.maxElements

    /// Reads `bytes` from their start.
    public init(_ bytes: ArraySlice<UInt8>, flexible: Bool = false) {
        self.bytes = bytes
        self.flexible = flexible
        cursor = bytes.startIndex
    }

    /// Bytes not read yet.
    public var remaining: Int { bytes.endIndex - cursor }

    /// The next integer, big-endian.
    public mutating func read<T: FixedWidthInteger>(_: T.Type = T.self) throws(ProtocolError) -> T {
        let size = T.bitWidth / 8
        guard remaining >= size else { throw .truncated }
        var value: T = 0
        for index in cursor..<cursor + size {
            value = (size == 1 ? 0 : value &<< 8) | T(truncatingIfNeeded: bytes[index])
        }
        cursor += size
        return value
    }

    /// The next `count` bytes, sharing storage.
    public mutating func take(_ count: Int) throws(ProtocolError) -> ArraySlice<UInt8> {
        guard count >= 0 else { throw .badLength(count) }
        guard count <= remaining else { throw .truncated }
        defer { cursor += count }
        return bytes[cursor..<cursor + count]
    }

    /// An unsigned variable-length integer of at most 32 bits.
    public mutating func varuint() throws(ProtocolError) -> UInt32 {
        var value: UInt32 = 0
        for shift in stride(from: UInt32(0), through: 28, by: 7) {
            let byte = try read(UInt8.self)
            guard shift < 28 || byte < 0x10 else { throw .badLength(-1) }
            value |= UInt32(byte & 0x7F) << shift
            if byte < 0x80 { return value }
        }
        throw .badLength(-1)
    }

    /// A zigzag variable-length integer of at most 64 bits.
    public mutating func varint() throws(ProtocolError) -> Int64 {
        var raw: UInt64 = 0
        for shift in stride(from: UInt64(0), through: 63, by: 7) {
            let byte = try read(UInt8.self)
            guard shift < 63 || byte < 2 else { throw .badLength(-1) }
            raw |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return Int64(bitPattern: raw >> 1) ^ -Int64(bitPattern: raw & 1) }
        }
        throw .badLength(-1)
    }

    /// A length before text (`short` outside flexible encoding) or bytes; nil is null.
    private mutating func length(short: Bool) throws(ProtocolError) -> Int? {
        let count = flexible ? Int(try varuint()) - 1 : short ? Int(try read(Int16.self)) : Int(try read(Int32.self))
        guard count >= -1 else { throw .badLength(count) }
        return count == -1 ? nil : count
    }

    /// The count before an array; nil is null.
    private mutating func count() throws(ProtocolError) -> Int? {
        guard let count = try length(short: false) else { return nil }
        guard count <= remaining else { throw .badLength(count) }  // No element is shorter than a byte.
        guard count <= elementsLeft else { throw .tooManyElements }
        elementsLeft -= count
        return count
    }

    private mutating func text(_ count: Int) throws(ProtocolError) -> String {
        let slice = try take(count)
        guard let text = String(validating: slice, as: UTF8.self) else { throw .invalidText }
        return text
    }

    /// One byte; anything but zero is true.
    public mutating func bool(_ value: inout Bool) throws(ProtocolError) { value = try read(UInt8.self) != 0 }
    /// A big-endian integer.
    public mutating func integer<T: FixedWidthInteger & Sendable>(_ value: inout T) throws(ProtocolError) {
        value = try read()
    }
    /// Text that is never null.
    public mutating func string(_ value: inout String) throws(ProtocolError) {
        guard let count = try length(short: true) else { throw .badLength(-1) }
        value = try text(count)
    }
    /// Text or null.
    public mutating func nullableString(_ value: inout String?) throws(ProtocolError) {
        if let count = try length(short: true) { value = try text(count) } else { value = nil }
    }
    /// Bytes that are never null.
    public mutating func bytes(_ value: inout ArraySlice<UInt8>) throws(ProtocolError) {
        value = try take(try length(short: false) ?? 0)
    }
    /// Bytes or null.
    public mutating func nullableBytes(_ value: inout ArraySlice<UInt8>?) throws(ProtocolError) {
        if let count = try length(short: false) { value = try take(count) } else { value = nil }
    }
    /// Sixteen bytes.
    public mutating func uuid(_ value: inout TopicID) throws(ProtocolError) {
        value = TopicID(high: try read(), low: try read())
    }
    /// Structures, never null.
    public mutating func array<T: KafkaMessage>(_ values: inout [T], version: Int16) throws(ProtocolError) {
        var optional: [T]?
        try nullableArray(&optional, version: version)
        values = optional ?? []
    }
    /// Structures or null.
    public mutating func nullableArray<T: KafkaMessage>(_ values: inout [T]?, version: Int16) throws(ProtocolError) {
        guard let count = try count() else {
            values = nil
            return
        }
        var read: [T] = []
        for _ in 0..<count { read.append(try T(from: &self, version: version)) }
        values = read
    }
    /// Integers, never null.
    public mutating func integers<T: FixedWidthInteger & Sendable>(_ values: inout [T]) throws(ProtocolError) {
        values = []
        for _ in 0..<(try count() ?? 0) { values.append(try read()) }
    }
    /// Texts, never null.
    public mutating func strings(_ values: inout [String]) throws(ProtocolError) {
        var optional: [String]?
        try nullableStrings(&optional)
        values = optional ?? []
    }
    /// Texts or null.
    public mutating func nullableStrings(_ values: inout [String]?) throws(ProtocolError) {
        guard let count = try count() else {
            values = nil
            return
        }
        var read: [String] = []
        for _ in 0..<count {
            var text = ""
            try string(&text)
            read.append(text)
        }
        values = read
    }
    /// The tagged fields that end a flexible structure.
    public mutating func tags() throws(ProtocolError) {
        guard flexible else { return }
        for _ in 0..<(try varuint()) {
            _ = try varuint()
            _ = try take(Int(try varuint()))
        }
    }
}
