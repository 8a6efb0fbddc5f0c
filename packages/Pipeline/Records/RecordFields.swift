import FeatureEngine
import JSON

/// Reads the members of one small JSON record, and says which is wrong.
struct RecordFields {
    private let tree: JSONTree

    init(_ bytes: Span<UInt8>) throws(RecordError) {
        do throws(JSONError) {
            tree = try JSONTree.parse(bytes)
        } catch {
            throw RecordError("\(error)")
        }
        guard tree.object != nil else { throw RecordError("is not a JSON object") }
    }

    /// Text without NUL, which Postgres cannot hold.
    func text(_ name: String, mayBeEmpty: Bool = false) throws(RecordError) -> String {
        guard let text = tree[name]?.string else { throw RecordError("\(name): is missing or not a string") }
        guard mayBeEmpty || !text.isEmpty else { throw RecordError("\(name): is empty") }
        guard !text.utf8.contains(0) else { throw RecordError("\(name): contains a NUL character") }
        return text
    }

    /// Text that something is looked up by.
    func id(_ name: String, mayBeEmpty: Bool = false) throws(RecordError) -> ByteString {
        guard let text = tree[name]?.string else { throw RecordError("\(name): is missing or not a string") }
        let id = ByteString(text)
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
        guard let value = tree[name]?.int else { throw RecordError("\(name): is missing or not an integer") }
        return Int64(value)
    }

    func double(_ name: String) throws(RecordError) -> Double {
        guard let value = tree[name]?.double else { throw RecordError("\(name): is missing or not a number") }
        return value
    }

    func boolean(_ name: String) throws(RecordError) -> Bool {
        guard let value = tree[name]?.bool else { throw RecordError("\(name): is missing or not a boolean") }
        return value
    }

    /// An object or array, as JSON text that jsonb takes.
    func json(_ name: String, isArray: Bool) throws(RecordError) -> [UInt8] {
        guard let value = tree[name], isArray ? value.array != nil : value.object != nil else {
            throw RecordError("\(name): is missing or not \(isArray ? "an array" : "an object")")
        }
        guard !Self.containsNUL(value) else { throw RecordError("\(name): contains a NUL character") }
        return value.bytes()
    }

    private static func containsNUL(_ value: JSONTree) -> Bool {
        switch value {
        case .string(let text): text.utf8.contains(0)
        case .array(let elements): elements.contains(where: containsNUL)
        case .object(let members): members.contains { $0.key.utf8.contains(0) || containsNUL($0.value) }
        case .null, .bool, .number: false
        }
    }
}

/// Why a record was refused.
package struct RecordError: Error, Equatable {
    package let reason: String
    package init(_ reason: String) { self.reason = reason }
}
