internal import CSimdJSON

/// What a JSON value is.
public enum JSONKind: UInt32, Sendable {
    /// The literals.
    case null = 0, `false`, `true`
    /// Text and numbers.
    case string, number
    /// Containers.
    case array, object
}

/// One value of a document that is being read. It cannot outlive the closure it was lent to.
@safe public struct JSONValue: ~Escapable {
    private let node: UnsafePointer<nj_node>

    @_lifetime(immortal)
    init(_ node: UnsafePointer<nj_node>) { unsafe self.node = node }

    /// What it is.
    public var kind: JSONKind { JSONKind(rawValue: unsafe node.pointee.kind) ?? .null }

    /// The unescaped name of a member of an object; empty elsewhere.
    public var key: Span<UInt8> {
        @_lifetime(copy self)
        get {
            let buffer = unsafe UnsafeBufferPointer(start: node.pointee.key, count: Int(node.pointee.key_length))
            let span = unsafe Span(_unsafeElements: buffer)
            return unsafe _overrideLifetime(span, copying: self)
        }
    }

    /// The unescaped bytes of a string, the text of a number or literal, the whole text of a container.
    public var bytes: Span<UInt8> {
        @_lifetime(copy self)
        get {
            let buffer = unsafe UnsafeBufferPointer(start: node.pointee.value, count: Int(node.pointee.value_length))
            let span = unsafe Span(_unsafeElements: buffer)
            return unsafe _overrideLifetime(span, copying: self)
        }
    }

    /// Where the text of a container lies in the document it was parsed from; nil for what is no container.
    public func range(in document: Span<UInt8>) -> Range<Int>? {
        guard kind == .array || kind == .object else { return nil }
        return unsafe document.withUnsafeBufferPointer { document in
            guard let start = document.baseAddress, let value = unsafe node.pointee.value else { return nil }
            let first = unsafe value - start
            let end = first + Int(unsafe node.pointee.value_length)
            return first >= 0 && end <= document.count ? first..<end : nil
        }
    }

    /// The members of an object or the elements of an array, in document order. None of a scalar.
    public var children: JSONChildren {
        @_lifetime(copy self)
        get { unsafe JSONChildren(first: node + 1, end: node + Int(node.pointee.size)) }
    }

    /// `bytes` as text.
    public var text: String { String(decoding: bytes) }
    /// `key` as text.
    public var keyText: String { String(decoding: key) }

    /// Whether the member's name is `name`.
    public func isNamed(_ name: String) -> Bool { key.isEqual(to: name.utf8) }
}

/// The children of a container, one after the other.
@safe public struct JSONChildren: ~Escapable {
    private var node: UnsafePointer<nj_node>
    private let end: UnsafePointer<nj_node>

    @_lifetime(immortal)
    init(first: UnsafePointer<nj_node>, end: UnsafePointer<nj_node>) {
        unsafe self.node = first
        unsafe self.end = end
    }

    /// The next child, or nil behind the last.
    @_lifetime(copy self)
    public mutating func next() -> JSONValue? {
        guard unsafe node < end else { return nil }
        let current = unsafe JSONValue(node)
        unsafe node += Int(node.pointee.size)
        return unsafe _overrideLifetime(current, copying: self)
    }
}

extension String {
    /// The text of UTF-8 bytes.
    public init(decoding bytes: Span<UInt8>) {
        self = unsafe bytes.withUnsafeBufferPointer { unsafe String(decoding: $0, as: UTF8.self) }
    }
}

extension Span where Element == UInt8 {
    /// Whether the bytes are those of `text`.
    func isEqual(to text: String.UTF8View) -> Bool {
        guard count == text.count else { return false }
        var index = 0
        for byte in text {
            if self[index] != byte { return false }
            index += 1
        }
        return true
    }
}
