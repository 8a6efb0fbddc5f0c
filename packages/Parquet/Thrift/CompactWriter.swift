/// Writes Thrift's compact protocol (thrift-compact-protocol.md): structures of numbered fields in rising order, each headed by
/// the step from the field before it and its type.
struct CompactWriter {
    private(set) var bytes: [UInt8] = []
    private var lastField: Int16 = 0

    enum Kind: UInt8 {
        case trueValue = 1
        case falseValue = 2
        case byte = 3
        case int16 = 4
        case int32 = 5
        case int64 = 6
        case double = 7
        case binary = 8
        case list = 9
        case set = 10
        case map = 11
        case structure = 12
    }

    mutating func field(_ id: Int16, _ value: Int32) {
        head(id, .int32)
        Varint.append(Varint.zigzag(Int64(value)), to: &bytes)
    }

    mutating func field(_ id: Int16, _ value: Int64) {
        head(id, .int64)
        Varint.append(Varint.zigzag(value), to: &bytes)
    }

    mutating func field(_ id: Int16, _ value: Bool) { head(id, value ? .trueValue : .falseValue) }

    mutating func field(_ id: Int16, byte value: UInt8) {
        head(id, .byte)
        bytes.append(value)
    }

    mutating func field(_ id: Int16, _ value: some Collection<UInt8>) {
        head(id, .binary)
        binary(value)
    }

    /// A list of structures, each written by `body`.
    mutating func list<Element>(_ id: Int16, _ elements: [Element], _ body: (Element, inout CompactWriter) -> Void) {
        listHead(id, elements.count, .structure)
        for element in elements { structure { body(element, &$0) } }
    }

    mutating func list(_ id: Int16, _ numbers: [Int32]) {
        listHead(id, numbers.count, .int32)
        for number in numbers { Varint.append(Varint.zigzag(Int64(number)), to: &bytes) }
    }

    mutating func list(_ id: Int16, texts: [String]) {
        listHead(id, texts.count, .binary)
        for text in texts { binary(text.utf8) }
    }

    /// A structure as a field.
    mutating func structure(_ id: Int16, _ body: (inout CompactWriter) -> Void = { _ in }) {
        head(id, .structure)
        structure(body)
    }

    /// A structure without a head: an element, or the whole.
    mutating func structure(_ body: (inout CompactWriter) -> Void) {
        let outer = lastField
        lastField = 0
        body(&self)
        bytes.append(0)
        lastField = outer
    }

    private mutating func head(_ id: Int16, _ kind: Kind) {
        let step = id - lastField
        precondition((1...15).contains(step), "fields are written in rising order")
        bytes.append(UInt8(step) << 4 | kind.rawValue)
        lastField = id
    }

    private mutating func listHead(_ id: Int16, _ count: Int, _ kind: Kind) {
        head(id, .list)
        if count < 15 {
            bytes.append(UInt8(count) << 4 | kind.rawValue)
        } else {
            bytes.append(0xF0 | kind.rawValue)
            Varint.append(UInt64(count), to: &bytes)
        }
    }

    private mutating func binary(_ value: some Collection<UInt8>) {
        Varint.append(UInt64(value.count), to: &bytes)
        bytes.append(contentsOf: value)
    }
}

/// Numbers of variable length: seven bits a byte, the low ones first (ULEB128), and signed ones folded to unsigned.
enum Varint {
    static func zigzag(_ value: Int64) -> UInt64 { UInt64(bitPattern: (value << 1) ^ (value >> 63)) }

    static func append(_ value: UInt64, to bytes: inout [UInt8]) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }
}
