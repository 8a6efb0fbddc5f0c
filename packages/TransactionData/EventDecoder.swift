public import FeatureEngine
public import JSON

/// Reads events and requests of one source: the same strictness on the topic and in the API. Reused by its owner; after a
/// warm-up it does not allocate for a good event. Not `Sendable`.
///
/// A declared field named twice is refused, escaped or not; fields that are not declared are ignored.
public final class EventDecoder {
    /// The source.
    public let schema: SourceSchema
    /// Longest event, bytes.
    public let maximumBytes: Int
    /// The names that the last event had and the source does not declare, at most 32; collected only on request.
    public private(set) var unknownFields: [String] = []

    private let collectsUnknown: Bool
    private let parser = JSONParser()
    private let names: [UInt8]
    private let nameStarts: [Int]
    private var seenIn: [UInt64]
    private var round: UInt64 = 0
    private var issues: [EventError.Issue] = []

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
        seenIn = Array(repeating: 0, count: schema.fields.count)
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
        round &+= 1
        if !unknownFields.isEmpty { unknownFields.removeAll() }
        var expected = 0
        var members = value.children
        while let member = members.next() {
            guard let index = fieldIndex(member.key, expected: expected) else {
                if collectsUnknown, unknownFields.count < 32 { unknownFields.append(member.keyText) }
                continue
            }
            expected = index + 1
            if seenIn[index] == round {
                refuse(index, "is there twice", type: "duplicate_field")
                continue
            }
            seenIn[index] = round
            set(index, member, &row)
        }
        for index in seenIn.indices where seenIn[index] != round && !schema.fields[index].isOptional {
            refuse(index, "is missing", type: "missing")
        }
        guard issues.isEmpty else {
            defer { issues.removeAll() }
            throw EventError(issues)
        }
    }

    /// The error of bytes that are not JSON.
    public static func invalid(_ error: JSONError) -> EventError {
        EventError("not JSON: \(error)", type: "json_invalid")
    }

    private func set(_ index: Int, _ member: JSONValue, _ row: inout SourceRow) {
        do throws(FieldError) {
            switch member.kind {
            case .string: try row.set(index, text: member.bytes)
            case .number: try row.set(index, number: member.bytes)
            case .true: try row.set(index, boolean: true)
            case .false: try row.set(index, boolean: false)
            case .null:
                if !schema.fields[index].isOptional { refuse(index, "is null", type: "type_error") }
            case .array, .object:
                let kind = member.kind == .array ? "an array" : "an object"
                refuse(index, "is \(kind), but \(schema.fields[index].type) is declared", type: "type_error")
            }
        } catch {
            let isMismatch = member.kind == .true || member.kind == .false
            issues.append(.init(error, type: isMismatch ? "type_error" : "value_error"))
        }
    }

    private func refuse(_ index: Int, _ message: String, type: String) {
        issues.append(.init(field: schema.fields[index].name, message: message, type: type))
    }

    /// Events mostly come in declared order, so the field behind the last one is tried first.
    private func fieldIndex(_ key: Span<UInt8>, expected: Int) -> Int? {
        if expected < seenIn.count, isName(expected, key) { return expected }
        for index in seenIn.indices where isName(index, key) { return index }
        return nil
    }

    private func isName(_ index: Int, _ key: Span<UInt8>) -> Bool {
        let start = nameStarts[index]
        guard nameStarts[index + 1] - start == key.count else { return false }
        for offset in 0..<key.count where names[start + offset] != key[offset] { return false }
        return true
    }
}
