/// One value of a YAML document, with the place it stands at.
public struct YAMLNode: Hashable, Sendable {
    /// What a node holds.
    public indirect enum Content: Hashable, Sendable {
        /// Text as written, without its quotes. A plain scalar is one that had none.
        case scalar(String, isPlain: Bool)
        /// A list.
        case sequence([YAMLNode])
        /// Keys in the order of the file, each once.
        case mapping([Pair])
    }

    /// One entry of a mapping.
    public struct Pair: Hashable, Sendable {
        /// The key, always a scalar.
        public let key: YAMLNode
        /// The value.
        public let value: YAMLNode

        /// The key's text.
        public var name: String { key.text ?? "" }
    }

    /// The value.
    public let content: Content
    /// The line it starts on, from 1.
    public let line: Int
    /// The column it starts at, from 1.
    public let column: Int

    /// A node at a place.
    public init(_ content: Content, line: Int, column: Int) {
        self.content = content
        self.line = line
        self.column = column
    }

    /// The text of a scalar, quoted or not; nil for a list or mapping.
    public var text: String? {
        if case .scalar(let text, _) = content { text } else { nil }
    }

    /// Whether the value is absent: nothing, `~` or `null`, without quotes.
    public var isNull: Bool {
        guard case .scalar(let text, isPlain: true) = content else { return false }
        return ["", "~", "null", "Null", "NULL"].contains(text)
    }

    /// `true` or `false` without quotes; YAML 1.1's yes and no are text, because a country code may be NO.
    public var boolean: Bool? {
        guard case .scalar(let text, isPlain: true) = content else { return nil }
        return switch text {
        case "true", "True", "TRUE": true
        case "false", "False", "FALSE": false
        default: nil
        }
    }

    /// The integer of a scalar without quotes.
    public var integer: Int? {
        guard case .scalar(let text, isPlain: true) = content else { return nil }
        return Int(text)
    }

    /// The number of a scalar without quotes.
    public var double: Double? {
        guard case .scalar(let text, isPlain: true) = content, let first = text.utf8.first,
            (0x30...0x39).contains(first) || first == 0x2D || first == 0x2E || first == 0x2B
        else { return nil }
        return Double(text)
    }

    /// The items of a list; nil for anything else.
    public var items: [YAMLNode]? {
        if case .sequence(let items) = content { items } else { nil }
    }

    /// The entries of a mapping; nil for anything else.
    public var pairs: [Pair]? {
        if case .mapping(let pairs) = content { pairs } else { nil }
    }

    /// The value of a key; nil when this is no mapping or has no such key.
    public subscript(_ key: String) -> YAMLNode? {
        pairs?.first { $0.name == key }?.value
    }

    /// What the node is, for messages: "a list".
    public var kind: String {
        switch content {
        case .scalar: isNull ? "nothing" : "text"
        case .sequence: "a list"
        case .mapping: "a mapping"
        }
    }
}
