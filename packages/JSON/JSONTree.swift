/// A JSON document as a value, for configuration, models and tools. Numbers keep their text, members their order.
public enum JSONTree: Hashable, Sendable {
    /// One member of an object.
    public struct Member: Hashable, Sendable {
        /// Its name.
        public let key: String
        /// Its value.
        public var value: JSONTree

        /// Makes a member.
        public init(_ key: String, _ value: JSONTree) {
            self.key = key
            self.value = value
        }
    }

    /// null.
    case null
    /// true or false.
    case bool(Bool)
    /// The text of a number.
    case number(String)
    /// Text.
    case string(String)
    /// Elements.
    case array([JSONTree])
    /// Members in document order, names unique.
    case object([Member])

    /// Reads a document; a member named twice is refused.
    public static func parse(_ bytes: Span<UInt8>, maximumDepth: Int = 256) throws(JSONError) -> JSONTree {
        try JSONParser(maximumDepth: maximumDepth).parse(bytes) { (root) throws(JSONError) in try JSONTree(root) }
    }

    /// Reads a document; a member named twice is refused.
    public static func parse(_ bytes: [UInt8]) throws(JSONError) -> JSONTree { try parse(bytes.span) }

    /// Reads a document; a member named twice is refused.
    public static func parse(_ text: String) throws(JSONError) -> JSONTree { try parse(Array(text.utf8).span) }

    /// Copies a value out of a document; a member named twice is refused.
    public init(_ value: JSONValue) throws(JSONError) {
        switch value.kind {
        case .null: self = .null
        case .true: self = .bool(true)
        case .false: self = .bool(false)
        case .number: self = .number(value.text)
        case .string: self = .string(value.text)
        case .array:
            var elements: [JSONTree] = []
            var children = value.children
            while let child = children.next() { elements.append(try JSONTree(child)) }
            self = .array(elements)
        case .object:
            var members: [Member] = []
            var names: Set<String.UTF8Key> = []
            var children = value.children
            while let child = children.next() {
                let key = child.keyText
                guard names.insert(String.UTF8Key(key)).inserted else {
                    throw JSONError(.unexpected("the member \"\(key)\" is there twice"))
                }
                members.append(Member(key, try JSONTree(child)))
            }
            self = .object(members)
        }
    }

    /// A finite number in its shortest form; null for any other.
    public static func number(_ value: Double) -> JSONTree {
        var bytes: [UInt8] = []
        JSONWriter.append(value, to: &bytes)
        return value.isFinite ? .number(String(decoding: bytes, as: UTF8.self)) : .null
    }

    /// An integer.
    public static func number(_ value: Int) -> JSONTree { .number(String(value)) }

    /// The member of an object whose name has the same bytes, or nil.
    public subscript(key: String) -> JSONTree? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.key.utf8.elementsEqual(key.utf8) }?.value
    }

    /// The element of an array, or nil.
    public subscript(index: Int) -> JSONTree? {
        guard case .array(let elements) = self, elements.indices.contains(index) else { return nil }
        return elements[index]
    }

    /// The text of a string.
    public var string: String? { if case .string(let text) = self { text } else { nil } }
    /// The value of a boolean.
    public var bool: Bool? { if case .bool(let flag) = self { flag } else { nil } }
    /// A number as a finite double.
    public var double: Double? {
        guard case .number(let text) = self, let value = Double(text), value.isFinite else { return nil }
        return value
    }
    /// A number that is written as an integer and fits.
    public var int: Int? { if case .number(let text) = self { Int(text) } else { nil } }
    /// The elements of an array.
    public var array: [JSONTree]? { if case .array(let elements) = self { elements } else { nil } }
    /// The members of an object.
    public var object: [Member]? { if case .object(let members) = self { members } else { nil } }
    /// Whether it is null.
    public var isNull: Bool { self == .null }

    /// The document as bytes: on one line, or with two spaces of indentation a level.
    public func bytes(pretty: Bool = false) -> [UInt8] {
        var bytes: [UInt8] = []
        write(to: &bytes, indent: pretty ? 0 : nil)
        return bytes
    }

    /// The document as text: on one line, or with two spaces of indentation a level.
    public func text(pretty: Bool = false) -> String { String(decoding: bytes(pretty: pretty), as: UTF8.self) }

    private func write(to bytes: inout [UInt8], indent: Int?) {
        func newLine(_ level: Int?) {
            guard let level else { return }
            bytes.append(0x0A)
            bytes.append(contentsOf: repeatElement(0x20, count: 2 * level))
        }
        let inner = indent.map { $0 + 1 }
        switch self {
        case .null: bytes.append(contentsOf: "null".utf8)
        case .bool(let flag): bytes.append(contentsOf: (flag ? "true" : "false").utf8)
        case .number(let text): bytes.append(contentsOf: text.utf8)
        case .string(let text): JSONWriter.append(string: text, to: &bytes)
        case .array(let elements):
            bytes.append(0x5B)
            for (index, element) in elements.enumerated() {
                if index > 0 { bytes.append(0x2C) }
                newLine(inner)
                element.write(to: &bytes, indent: inner)
            }
            if !elements.isEmpty { newLine(indent) }
            bytes.append(0x5D)
        case .object(let members):
            bytes.append(0x7B)
            for (index, member) in members.enumerated() {
                if index > 0 { bytes.append(0x2C) }
                newLine(inner)
                JSONWriter.append(string: member.key, to: &bytes)
                bytes.append(0x3A)
                if indent != nil { bytes.append(0x20) }
                member.value.write(to: &bytes, indent: inner)
            }
            if !members.isEmpty { newLine(indent) }
            bytes.append(0x7D)
        }
    }
}

extension JSONTree: ExpressibleByStringLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByFloatLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral, ExpressibleByNilLiteral
{
    /// A string.
    public init(stringLiteral value: String) { self = .string(value) }
    /// true or false.
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    /// An integer.
    public init(integerLiteral value: Int) { self = .number(value) }
    /// A number.
    public init(floatLiteral value: Double) { self = .number(value) }
    /// An array.
    public init(arrayLiteral elements: JSONTree...) { self = .array(elements) }
    /// An object; the names must differ.
    public init(dictionaryLiteral elements: (String, JSONTree)...) {
        self = .object(elements.map { Member($0.0, $0.1) })
    }
    /// null.
    public init(nilLiteral: ()) { self = .null }
}

extension String {
    /// A string compared by its bytes: canonically equivalent spellings are different JSON names.
    struct UTF8Key: Hashable {
        let bytes: [UInt8]
        init(_ text: String) { bytes = Array(text.utf8) }
    }
}
