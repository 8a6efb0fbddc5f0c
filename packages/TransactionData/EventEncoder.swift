public import FeatureEngine
internal import JSON

/// Writes the events of one source: a JSON object of the declared fields in declared order, strings as strings, decimals
/// with all their places, the event time as its text. Missing optional fields are left out.
public struct EventEncoder: Sendable {
    /// The source.
    public let schema: SourceSchema
    private let prefixes: [[UInt8]]  // `"name":`

    /// An encoder of a source's events.
    public init(_ schema: SourceSchema) {
        self.schema = schema
        prefixes = schema.fields.map { field in
            var bytes: [UInt8] = []
            JSONWriter.append(string: field.name, to: &bytes)
            return bytes + [0x3A]
        }
    }

    /// Appends one event to `bytes`.
    public func encode(_ row: SourceRow, into bytes: inout [UInt8]) {
        bytes.append(0x7B)
        var isFirst = true
        for index in prefixes.indices where row.isPresent(index) {
            if !isFirst { bytes.append(0x2C) }
            isFirst = false
            bytes.append(contentsOf: prefixes[index])
            let value = row.bits(index) ?? 0
            switch schema.fields[index].type {
            case .string: JSONWriter.append(utf8: row.bytes(index), to: &bytes)
            case .integer: JSONWriter.append(integer: value, to: &bytes)
            case .decimal(let places): JSONWriter.append(minorUnits: value, places: places, to: &bytes)
            case .double: JSONWriter.append(Double(bitPattern: UInt64(bitPattern: value)), to: &bytes)
            case .boolean: bytes.append(contentsOf: (value == 1 ? "true" : "false").utf8)
            }
        }
        bytes.append(0x7D)
    }
}
