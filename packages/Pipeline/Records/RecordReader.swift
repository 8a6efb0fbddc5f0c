import FeatureEngine
package import JSON

/// Reads small JSON records, one after the other, where they lie: no tree is made of them. One thread at a time.
package final class RecordReader {
    /// For the parts of a record that are read again.
    package let parser = JSONParser(maximumDepth: 256)

    /// Made once and used for every record.
    package init() {}

    /// Lends a record, an object whose members have different names.
    func read<Result>(
        _ bytes: Span<UInt8>, _ body: (JSONValue) throws(RecordError) -> Result
    ) throws(RecordError) -> Result {
        try parser.parse(bytes, onError: { RecordError("\($0)") }) { (root) throws(RecordError) in
            guard root.kind == .object else { throw RecordError("is not a JSON object") }
            if let name = root.repeatedName { throw RecordError(Self.isTwice(name)) }
            return try body(root)
        }
    }

    fileprivate static func isTwice(_ name: String) -> String {
        "\(JSONError(.unexpected("the member \"\(name)\" is there twice")))"
    }
}

/// The members of a record, and what is wrong with them.
extension JSONValue {
    /// Up to so many members each name is compared with each other.
    private static let fewNames = 32

    fileprivate var repeatedName: String? {
        var count = 0
        var members = children
        while let member = members.next() {
            count += 1
            guard count <= Self.fewNames else { return repeatedNameOfMany }
            var earlier = children
            for _ in 1..<count {
                if let other = earlier.next(), other.hasName(of: member) { return member.keyText }
            }
        }
        return nil
    }

    private func hasName(of other: JSONValue) -> Bool {
        let one = key
        let two = other.key
        guard one.count == two.count else { return false }
        for index in one.indices where one[index] != two[index] { return false }
        return true
    }

    private var repeatedNameOfMany: String? {
        var names: Set<ByteString> = []
        var members = children
        while let member = members.next() {
            guard names.insert(ByteString(copying: member.key)).inserted else { return member.keyText }
        }
        return nil
    }

    private func find<Result>(
        _ name: String, _ body: (JSONValue) throws(RecordError) -> Result?
    ) throws(RecordError) -> Result? {
        var members = children
        while let member = members.next() {
            if member.isNamed(name) { return try body(member) }
        }
        return nil
    }

    /// Whether the record has the member at all.
    func has(_ name: String) -> Bool {
        var members = children
        while let member = members.next() { if member.isNamed(name) { return true } }
        return false
    }

    /// Text without NUL, which Postgres cannot hold.
    func text(_ name: String, mayBeEmpty: Bool = false) throws(RecordError) -> String {
        let found = try find(name) { $0.kind == .string ? $0.text : nil }
        guard let text = found else { throw RecordError("\(name): is missing or not a string") }
        guard mayBeEmpty || !text.isEmpty else { throw RecordError("\(name): is empty") }
        guard !text.utf8.contains(0) else { throw RecordError("\(name): contains a NUL character") }
        return text
    }

    /// Text that something is looked up by.
    func id(_ name: String, mayBeEmpty: Bool = false) throws(RecordError) -> ByteString {
        let found = try find(name) { $0.kind == .string ? ByteString(copying: $0.bytes) : nil }
        guard let id = found else { throw RecordError("\(name): is missing or not a string") }
        if mayBeEmpty, id.bytes.isEmpty { return id }
        if let problem = KeyRule.problem(id.bytes.span) { throw RecordError("\(name): \(problem)") }
        return id
    }

    /// Milliseconds since 1970, within what event times may be.
    func millis(_ name: String) throws(RecordError) -> Int64 {
        let value = try integer(name)
        guard PlausibleTime.range.contains(value) else { throw RecordError("\(name): is not a time in ms") }
        return value
    }

    func integer(_ name: String) throws(RecordError) -> Int64 {
        let found = try find(name) { $0.kind == .number ? Int64($0.text) : nil }
        guard let found else { throw RecordError("\(name): is missing or not an integer") }
        return found
    }

    func double(_ name: String) throws(RecordError) -> Double {
        let found = try find(name) { $0.kind == .number ? Double($0.text) : nil }
        guard let found, found.isFinite else { throw RecordError("\(name): is missing or not a number") }
        return found
    }

    func boolean(_ name: String) throws(RecordError) -> Bool {
        let found = try find(name) { $0.kind == .true ? true : $0.kind == .false ? false : nil }
        guard let found else { throw RecordError("\(name): is missing or not a boolean") }
        return found
    }

    /// The text of an object or array without NUL, which Postgres cannot hold.
    func json(_ name: String, isArray: Bool) throws(RecordError) -> [UInt8] {
        let found = try find(name) { (value) throws(RecordError) -> [UInt8]? in
            guard value.kind == (isArray ? .array : .object) else { return nil }
            guard !value.containsNUL else { throw RecordError("\(name): contains a NUL character") }
            if let twice = value.repeatedNameWithin { throw RecordError(RecordReader.isTwice(twice)) }
            return ByteString(copying: value.bytes).bytes
        }
        guard let found else { throw RecordError("\(name): is missing or not \(isArray ? "an array" : "an object")") }
        return found
    }

    private var containsNUL: Bool {
        switch kind {
        case .string: return bytes.contains(0)
        case .array, .object:
            var members = children
            while let member = members.next() { if member.key.contains(0) || member.containsNUL { return true } }
            return false
        case .null, .true, .false, .number: return false
        }
    }

    private var repeatedNameWithin: String? {
        guard kind == .object || kind == .array else { return nil }
        if kind == .object, let name = repeatedName { return name }
        var members = children
        while let member = members.next() { if let name = member.repeatedNameWithin { return name } }
        return nil
    }
}

extension Span<UInt8> {
    fileprivate func contains(_ byte: UInt8) -> Bool {
        withUnsafeBufferPointer { $0.contains(byte) }
    }
}

/// Why a record was refused.
package struct RecordError: Error, Equatable {
    package let reason: String
    package init(_ reason: String) { self.reason = reason }
}
