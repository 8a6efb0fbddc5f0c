public import FeatureEngine
public import JSON
internal import Text

/// Reads events and requests of one source: the same strictness on the topic and in the API. Reused by its owner; after a
/// warm-up it does not allocate for a good event. Not `Sendable`.
///
/// A declared field named twice is refused, escaped or not; so is a value against its field's rule. Fields that are not declared
/// are ignored, unless the source refuses them.
public final class EventDecoder {
    /// The source.
    public let schema: SourceSchema
    /// Longest event, bytes.
    public let maximumBytes: Int
    /// The names that the last event had and the source does not declare, at most 32; collected only on request.
    public private(set) var unknownFields: [String] = []

    /// Most fields that are not declared that are collected, and the problems from which on further ones are not listed.
    private static let unknownMost = 32

    private let collectsUnknown: Bool
    private let parser = JSONParser()
    private let names: [UInt8]
    private let nameStarts: [Int]

    /// A decoder of a source's events.
    public init(_ schema: SourceSchema, maximumBytes: Int = 1 << 20, collectsUnknownFields: Bool = false) {
        self.schema = schema
        self.maximumBytes = maximumBytes
        collectsUnknown = collectsUnknownFields
        var names: [UInt8] = []
        var starts = [0]
        for field in schema.fields {
            names += Array(field.name.utf8)
            starts.append(names.count)
        }
        self.names = names
        nameStarts = starts
    }

    /// Reads one event into `row`, which is of the decoder's schema. After an error the row's content means nothing.
    public func decode(_ bytes: Span<UInt8>, into row: inout SourceRow) throws(EventError) {
        guard bytes.count <= maximumBytes else {
            throw EventError("the event has \(bytes.count) bytes, \(maximumBytes) are allowed", type: "too_large")
        }
        try parser.parse(bytes, onError: Self.invalid) { (root) throws(EventError) in try decode(root, into: &row) }
    }

    /// Reads one event that is part of a larger document.
    public func decode(_ value: JSONValue, into row: inout SourceRow) throws(EventError) {
        guard value.kind == .object else { throw EventError("the event is not a JSON object", type: "type_error") }
        row.reset()
        if collectsUnknown { unknownFields.removeAll() }
        var issues: [EventError.Issue] = []
        var seen = FieldSet(count: schema.fields.count)
        var expected = 0
        var members = value.children
        while let member = members.next() {
            guard let index = fieldIndex(member.key, expected: expected) else {
                if collectsUnknown, unknownFields.count < Self.unknownMost { unknownFields.append(member.keyText) }
                if schema.refusesUnknownFields, issues.count < Self.unknownMost {
                    issues.append(unknown(member.keyText))
                }
                continue
            }
            expected = index + 1
            if seen.insert(index) {
                set(index, member, &row, &issues)
            } else {
                issues.append(issue(index, "is there twice", type: "duplicate_field"))
            }
        }
        if seen.insertedCount < schema.fields.count {
            for index in schema.fields.indices where !seen.contains(index) && !schema.fields[index].isOptional {
                issues.append(issue(index, "is missing", type: "missing"))
            }
        }
        for index in schema.ruledFields {
            if let problem = row.ruleProblem(index) { issues.append(issue(index, problem, type: "value_error")) }
        }
        guard issues.isEmpty else { throw EventError(issues) }
    }

    private func unknown(_ name: String) -> EventError.Issue {
        let names = schema.fields.map(\.name)
        let nearest = Suggestion.nearest(to: name, among: names) ?? Suggestion.abbreviation(of: name, among: names)
        let hint =
            name == schema.label?.field
            ? ": the label is no part of an event" : nearest.map { ": did you mean \"\($0)\"?" }
        return .init(
            field: String(name.prefix(100)), message: "is not declared\(hint ?? "")", type: "unknown_field")
    }

    /// The error of bytes that are not JSON.
    public static func invalid(_ error: JSONError) -> EventError {
        EventError("not JSON: \(error)", type: "json_invalid")
    }

    private func set(
        _ index: Int, _ member: JSONValue, _ row: inout SourceRow, _ issues: inout [EventError.Issue]
    ) {
        do throws(FieldError) {
            switch member.kind {
            case .string: try row.set(index, text: member.bytes)
            case .number: try row.set(index, number: member.bytes)
            case .true: try row.set(index, boolean: true)
            case .false: try row.set(index, boolean: false)
            case .null:
                if !schema.fields[index].isOptional { issues.append(issue(index, "is null", type: "type_error")) }
            case .array, .object:
                let kind = member.kind == .array ? "an array" : "an object"
                issues.append(
                    issue(index, "is \(kind), but \(schema.fields[index].type) is declared", type: "type_error"))
            }
        } catch {
            let isMismatch = member.kind == .true || member.kind == .false
            issues.append(.init(error, type: isMismatch ? "type_error" : "value_error"))
        }
    }

    private func issue(_ index: Int, _ message: String, type: String) -> EventError.Issue {
        .init(field: schema.fields[index].name, message: message, type: type)
    }

    /// Events mostly come in declared order, so the field behind the last one is tried first.
    private func fieldIndex(_ key: Span<UInt8>, expected: Int) -> Int? {
        key.withUnsafeBufferPointer { key in
            names.withUnsafeBufferPointer { names in
                nameStarts.withUnsafeBufferPointer { starts in
                    func isName(_ index: Int) -> Bool {
                        let (start, end) = (starts[index], starts[index + 1])
                        guard end - start == key.count else { return false }
                        for offset in 0..<key.count where names[start + offset] != key[offset] { return false }
                        return true
                    }
                    let count = starts.count - 1
                    if expected < count, isName(expected) { return expected }
                    for index in 0..<count where isName(index) { return index }
                    return nil
                }
            }
        }
    }
}

/// A set of field indexes that allocates only for sources of more than 64 fields.
struct FieldSet {
    private var first: UInt64 = 0
    private var rest: [UInt64]
    private(set) var insertedCount = 0

    init(count: Int) { rest = count > 64 ? Array(repeating: 0, count: count / 64) : [] }

    func contains(_ index: Int) -> Bool {
        let word = index < 64 ? first : rest[index / 64 - 1]
        return word & 1 << UInt64(index % 64) != 0
    }

    /// False when it was there.
    mutating func insert(_ index: Int) -> Bool {
        guard !contains(index) else { return false }
        if index < 64 { first |= 1 << UInt64(index) } else { rest[index / 64 - 1] |= 1 << UInt64(index % 64) }
        insertedCount += 1
        return true
    }
}
