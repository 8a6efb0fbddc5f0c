import JSON

/// Reads Universal Binary JSON, draft 12, which XGBoost writes as `model.ubj`.
///
/// A length is believed only when as many bytes are left: every element takes at least one byte of the file, so what is
/// read never takes more than a small multiple of the file's size, however often containers announce large counts.
struct UniversalBinaryJSON {
    /// Whether bytes are UBJ rather than text: an object whose first key begins with the marker of its length.
    static func isLikely(_ bytes: [UInt8]) -> Bool {
        bytes.count > 2 && bytes[0] == UInt8(ascii: "{") && "iUIlL#$".utf8.contains(bytes[1])
    }

    struct Damage: Error {
        let reason: String
        init(_ reason: String) { self.reason = reason }
    }

    private let bytes: [UInt8]
    private var cursor = 0

    /// Reads a document.
    static func parse(_ bytes: [UInt8]) throws(Damage) -> JSONTree {
        var reader = UniversalBinaryJSON(bytes)
        let tree = try reader.value(try reader.marker(), depth: 0)
        guard reader.cursor == bytes.count else { throw Damage("there are bytes behind its end") }
        return tree
    }

    private init(_ bytes: [UInt8]) { self.bytes = bytes }

    private mutating func byte() throws(Damage) -> UInt8 {
        guard cursor < bytes.count else { throw Damage("it ends in the middle") }
        cursor += 1
        return bytes[cursor - 1]
    }

    private mutating func marker() throws(Damage) -> UInt8 {
        while true {
            let marker = try byte()
            if marker != UInt8(ascii: "N") { return marker }  // a no-op
        }
    }

    private mutating func bigEndian(_ size: Int) throws(Damage) -> UInt64 {
        guard bytes.count - cursor >= size else { throw Damage("it ends in the middle") }
        var value: UInt64 = 0
        for index in cursor..<cursor + size { value = value << 8 | UInt64(bytes[index]) }
        cursor += size
        return value
    }

    private mutating func integer(_ marker: UInt8) throws(Damage) -> Int64? {
        switch marker {
        case UInt8(ascii: "i"): Int64(Int8(truncatingIfNeeded: try bigEndian(1)))
        case UInt8(ascii: "U"): Int64(try bigEndian(1))
        case UInt8(ascii: "I"): Int64(Int16(truncatingIfNeeded: try bigEndian(2)))
        case UInt8(ascii: "l"): Int64(Int32(truncatingIfNeeded: try bigEndian(4)))
        case UInt8(ascii: "L"): Int64(bitPattern: try bigEndian(8))
        default: nil
        }
    }

    private mutating func length(_ marker: UInt8) throws(Damage) -> Int {
        guard let length = try integer(marker), length >= 0, length <= Int64(bytes.count - cursor) else {
            throw Damage("a length is larger than what is left")
        }
        return Int(length)
    }

    private mutating func text(_ marker: UInt8) throws(Damage) -> String {
        let count = try length(marker)
        defer { cursor += count }
        return String(decoding: bytes[cursor..<cursor + count], as: UTF8.self)
    }

    private mutating func value(_ marker: UInt8, depth: Int) throws(Damage) -> JSONTree {
        guard depth < 64 else { throw Damage("it is nested too deeply") }
        if let integer = try integer(marker) { return .number(String(integer)) }
        switch marker {
        case UInt8(ascii: "Z"): return .null
        case UInt8(ascii: "T"): return .bool(true)
        case UInt8(ascii: "F"): return .bool(false)
        case UInt8(ascii: "d"):
            return .number("\(Float(bitPattern: UInt32(truncatingIfNeeded: try bigEndian(4))))")
        case UInt8(ascii: "D"): return .number("\(Double(bitPattern: try bigEndian(8)))")
        case UInt8(ascii: "S"), UInt8(ascii: "H"): return .string(try text(try byte()))
        case UInt8(ascii: "C"): return .string(String(UnicodeScalar(try byte())))
        case UInt8(ascii: "["): return .array(try array(depth))
        case UInt8(ascii: "{"): return .object(try object(depth))
        default: throw Damage("there is an unknown marker")
        }
    }

    /// `$ type` and `# count`, where they are given. The count's elements fit into the rest of the file.
    private mutating func header() throws(Damage) -> (type: UInt8?, count: Int?) {
        var type: UInt8?
        if cursor < bytes.count, bytes[cursor] == UInt8(ascii: "$") {
            cursor += 1
            type = try byte()
        }
        guard cursor < bytes.count, bytes[cursor] == UInt8(ascii: "#") else {
            guard type == nil else { throw Damage("a typed container has no count") }
            return (nil, nil)
        }
        cursor += 1
        let count = try length(try byte())
        let size = type.map(Self.leastSize) ?? 1
        // Elements without content would take memory for nothing; nobody has a use for an array of them.
        guard size > 0 else { throw Damage("a container holds elements without content") }
        guard count <= (bytes.count - cursor) / size else { throw Damage("a count is larger than what is left") }
        return (type, count)
    }

    /// The bytes that a value of a type takes at least, its marker not counted.
    private static func leastSize(_ type: UInt8) -> Int {
        switch type {
        case UInt8(ascii: "Z"), UInt8(ascii: "T"), UInt8(ascii: "F"), UInt8(ascii: "N"): 0
        case UInt8(ascii: "I"): 2
        case UInt8(ascii: "l"), UInt8(ascii: "d"): 4
        case UInt8(ascii: "L"), UInt8(ascii: "D"): 8
        default: 1
        }
    }

    private mutating func array(_ depth: Int) throws(Damage) -> [JSONTree] {
        let (type, count) = try header()
        var elements: [JSONTree] = []
        while count.map({ elements.count < $0 }) ?? true {
            let marker = if let type { type } else { try marker() }
            if count == nil, marker == UInt8(ascii: "]") { break }
            elements.append(try value(marker, depth: depth + 1))
        }
        return elements
    }

    private mutating func object(_ depth: Int) throws(Damage) -> [JSONTree.Member] {
        let (type, count) = try header()
        var members: [JSONTree.Member] = []
        var names: Set<[UInt8]> = []
        while count.map({ members.count < $0 }) ?? true {
            let first = try marker()
            if count == nil, first == UInt8(ascii: "}") { break }
            let key = try text(first)
            guard names.insert(Array(key.utf8)).inserted else { throw Damage("a member is there twice") }
            let marker = if let type { type } else { try marker() }
            members.append(.init(key, try value(marker, depth: depth + 1)))
        }
        return members
    }
}
