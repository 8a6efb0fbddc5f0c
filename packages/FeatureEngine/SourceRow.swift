/// One event or request, decoded against its schema: a fixed slot per field, text in one buffer. Made once, refilled for
/// every event, so that decoding does not allocate.
public struct SourceRow: Sendable {
    enum Slot: Sendable {
        case missing
        case number(Int64)  // integer, minor units, bit pattern of a double, or 0/1
        case text(start: Int32, count: Int32)
    }

    /// The schema this row is of.
    public let schema: SourceSchema
    /// The event time, ms UTC. Valid after `finish`.
    public private(set) var eventTimeMillis: Int64 = 0
    private var slots: [Slot]
    private var text: [UInt8] = []

    /// An empty row of a schema.
    public init(_ schema: SourceSchema) {
        self.schema = schema
        slots = Array(repeating: .missing, count: schema.fields.count)
        text.reserveCapacity(512)
    }

    /// Empties the row for the next event.
    public mutating func reset() {
        for index in slots.indices { slots[index] = .missing }
        text.removeAll(keepingCapacity: true)
        eventTimeMillis = 0
    }

    /// Sets a field from text: a CSV cell or a JSON string. Strict: see `Decimals`.
    public mutating func set(_ index: Int, text bytes: Span<UInt8>) throws(FieldError) {
        if index == schema.eventTimeIndex { try setEventTime(bytes) }
        switch schema.types[index] {
        case .string: try setText(index, bytes)
        case .boolean:
            if Self.equals(bytes, "true") || Self.equals(bytes, "1") {
                slots[index] = .number(1)
            } else if Self.equals(bytes, "false") || Self.equals(bytes, "0") {
                slots[index] = .number(0)
            } else if bytes.count == 0, schema.fields[index].isOptional {
                slots[index] = .missing
            } else {
                throw FieldError(schema.fields[index].name, "is not a boolean: \(Self.excerpt(bytes))")
            }
        case .integer, .double, .decimal:
            if bytes.count == 0, schema.fields[index].isOptional {
                slots[index] = .missing
            } else {
                try setNumber(index, bytes)
            }
        }
    }

    /// Sets a field from the raw text of a JSON number.
    public mutating func set(_ index: Int, number bytes: Span<UInt8>) throws(FieldError) {
        switch schema.types[index] {
        case .string:
            guard Decimals.isInteger(bytes), !(index == schema.eventTimeIndex) else {
                throw FieldError(
                    schema.fields[index].name, "is a number, but a string is declared: \(Self.excerpt(bytes))")
            }
            try setText(index, bytes)
        case .boolean: throw FieldError(schema.fields[index].name, "is a number, but a boolean is declared")
        case .integer, .double, .decimal:
            if index == schema.eventTimeIndex { try setEventTime(bytes) }
            try setNumber(index, bytes)
        }
    }

    /// Sets a boolean field.
    public mutating func set(_ index: Int, boolean: Bool) throws(FieldError) {
        guard schema.types[index] == .boolean else {
            throw FieldError(schema.fields[index].name, "is a boolean, but \(schema.types[index]) is declared")
        }
        slots[index] = .number(boolean ? 1 : 0)
    }

    /// Sets a field that is not text to what `bits` gave: for rows read back from a store. Nil makes it missing.
    public mutating func set(_ index: Int, bits: Int64?) throws(FieldError) {
        precondition(schema.fields[index].type != .string, "text is set as text")
        slots[index] = bits.map { .number($0) } ?? .missing
        guard index == schema.eventTimeIndex, let bits else { return }
        try setEventTime(Array(String(bits).utf8).span)
    }

    /// Ends a row: every field that is not optional must be there.
    public func finish() throws(FieldError) {
        for index in slots.indices where !isPresent(index) && !schema.fields[index].isOptional {
            throw FieldError(schema.fields[index].name, "is missing")
        }
    }

    /// Whether the field has a value.
    public func isPresent(_ index: Int) -> Bool {
        if case .missing = slots[index] { false } else { true }
    }

    /// The integer of an integer field, the minor units of a decimal, 0 or 1 of a boolean, the bit pattern of a double.
    /// Nil when missing or text.
    public func bits(_ index: Int) -> Int64? {
        if case .number(let value) = slots[index] { value } else { nil }
    }

    /// The field as a number in major units, or NaN when missing or text.
    public func number(_ index: Int) -> Double {
        guard case .number(let value) = slots[index] else { return .nan }
        return switch schema.fields[index].type {
        case .double: Double(bitPattern: UInt64(bitPattern: value))
        case .decimal(let places): Decimals.majorUnits(value, places: places)
        case .integer, .boolean, .string: Double(value)
        }
    }

    /// The UTF-8 bytes of a string field; empty when it is missing or not a string.
    public func bytes(_ index: Int) -> ArraySlice<UInt8> {
        guard case .text(let start, let count) = slots[index] else { return [] }
        return text[Int(start)..<Int(start + count)]
    }

    /// The text of a string field, or nil when it is missing or not a string.
    public func string(_ index: Int) -> String? {
        guard case .text = slots[index] else { return nil }
        return String(decoding: bytes(index), as: UTF8.self)
    }

    /// FNV-1a-64 of a string field's bytes.
    public func hash(_ index: Int) -> UInt64 { FNV1a64.hash(bytes(index).span) }

    /// The event id, for messages; what is looked up goes by `eventIDBytes`.
    public var eventID: String { string(schema.eventIDIndex) ?? "" }

    /// The event id as what it is compared by.
    public var eventIDBytes: ByteString { ByteString(bytes(schema.eventIDIndex)) }

    /// The record key, for messages: the text of the key field, numbers in decimal digits. What is looked up goes by bytes.
    public var key: String { canonicalText(schema.keyIndex) ?? "" }

    /// The record key as what it is compared by.
    public var keyBytes: ByteString { withKeyBytes { ByteString(copying: $0) } }

    /// Lends the bytes of the record key; allocates nothing for a text or an integer.
    public func withKeyBytes<Result, Failure: Error>(
        _ body: (Span<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try withCanonicalBytes(schema.keyIndex, body)
    }

    /// Lends the bytes of `canonicalText`, none when the field is missing. Allocates nothing for a text or an integer.
    public func withCanonicalBytes<Result, Failure: Error>(
        _ index: Int, _ body: (Span<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        switch slots[index] {
        case .text(let start, let count): return try body(text.span.extracting(Int(start)..<Int(start + count)))
        case .number(let value) where schema.types[index] == .integer:
            var digits = InlineArray<20, UInt8>(repeating: 0x30)  // the longest Int64 has 19 and a sign
            var first = 20
            var rest = value.magnitude
            repeat {
                first -= 1
                digits[first] = 0x30 + UInt8(rest % 10)
                rest /= 10
            } while rest > 0
            if value < 0 {
                first -= 1
                digits[first] = 0x2D
            }
            return try body(digits.span.extracting(first..<20))
        case .number, .missing: return try body(Array((canonicalText(index) ?? "").utf8).span)
        }
    }

    /// The field as text that reads back to the same value: strings as they are, decimals with all their places, doubles
    /// shortest. Nil when missing.
    public func canonicalText(_ index: Int) -> String? {
        switch slots[index] {
        case .missing: return nil
        case .text: return string(index)
        case .number(let value):
            return switch schema.fields[index].type {
            case .decimal(let places): Decimals.text(minorUnits: value, places: places)
            case .double: "\(Double(bitPattern: UInt64(bitPattern: value)))"
            case .boolean: value == 1 ? "true" : "false"
            case .integer, .string: String(value)
            }
        }
    }

    private mutating func setEventTime(_ bytes: Span<UInt8>) throws(FieldError) {
        let millis = schema.eventTimeFormat.millis(bytes)
        if let millis, PlausibleTime.range.contains(millis) {
            eventTimeMillis = millis
            return
        }
        let problem = PlausibleTime.problem(millis, of: bytes, as: schema.eventTimeFormat)
        throw FieldError(schema.fields[schema.eventTimeIndex].name, "\(problem): \(Self.excerpt(bytes))")
    }

    private mutating func setNumber(_ index: Int, _ bytes: Span<UInt8>) throws(FieldError) {
        let value: Int64?
        switch schema.types[index] {
        case .integer: value = Decimals.integer(bytes)
        case .decimal(let places):
            value =
                schema.rounds[index]
                ? Decimals.roundedMinorUnits(bytes, places: places) : Decimals.minorUnits(bytes, places: places)
        case .double: value = Decimals.double(bytes).map { Int64(bitPattern: $0.bitPattern) }
        case .string, .boolean: value = nil
        }
        guard let value else {
            let field = schema.fields[index]
            throw FieldError(field.name, "is not \(field.type): \(Self.excerpt(bytes))\(Self.cure(field, bytes))")
        }
        slots[index] = .number(value)
    }

    /// What a number that was refused needs, where that can be said.
    private static func cure(_ field: Field, _ bytes: Span<UInt8>) -> String {
        guard case .decimal(let places) = field.type else { return "" }
        if !field.rounds, Decimals.roundedMinorUnits(bytes, places: places) != nil {
            return "; decimal(\(places), round) in the source rounds it, half to even"
        }
        return (0..<bytes.count).contains { bytes[$0] == 0x2C } ? "; decimals stand behind a point" : ""
    }

    private mutating func setText(_ index: Int, _ bytes: Span<UInt8>) throws(FieldError) {
        let start = text.count
        bytes.withUnsafeBufferPointer { text.append(contentsOf: $0) }
        var (allBits, zeros): (UInt8, UInt8) = (0, 0)  // without branches, so that the loop is vectorised
        for position in 0..<bytes.count {
            allBits |= bytes[position]
            zeros |= bytes[position] == 0 ? 1 : 0
        }
        guard zeros == 0 else { throw FieldError(schema.fields[index].name, "contains a NUL character") }
        if allBits >= 0x80, String(validating: text[start...], as: UTF8.self) == nil {
            throw FieldError(schema.fields[index].name, "is not valid UTF-8")
        }
        if schema.isName(index) {
            if let problem = KeyRule.problem(ofText: bytes) { throw FieldError(schema.fields[index].name, problem) }
            guard !Self.isScientific(bytes) else {
                throw FieldError(
                    schema.fields[index].name,
                    "is in scientific notation, as a spreadsheet writes long numbers, and its digits are lost: \(Self.excerpt(bytes))"
                )
            }
        }
        guard let start = Int32(exactly: start), let count = Int32(exactly: bytes.count) else {
            throw FieldError(schema.fields[index].name, "makes the row longer than 2 GiB")
        }
        slots[index] = .text(start: start, count: count)
    }

    /// `2.29116E+15`: digits, a point, digits, E, a sign and digits.
    private static func isScientific(_ bytes: Span<UInt8>) -> Bool {
        guard bytes.count >= 4, bytes[0] &- 0x30 < 10,
            let last = (0..<bytes.count).first(where: { bytes[$0] | 0x20 == 0x65 }),
            last + 2 < bytes.count, bytes[last + 1] == 0x2B || bytes[last + 1] == 0x2D
        else { return false }
        return (0..<last).allSatisfy { bytes[$0] &- 0x30 < 10 || bytes[$0] == 0x2E || bytes[$0] == 0x2C }
            && (last + 2..<bytes.count).allSatisfy { bytes[$0] &- 0x30 < 10 }
    }

    private static func equals(_ bytes: Span<UInt8>, _ word: StaticString) -> Bool {
        guard bytes.count == word.utf8CodeUnitCount else { return false }
        return word.withUTF8Buffer { buffer in (0..<bytes.count).allSatisfy { bytes[$0] == buffer[$0] } }
    }

    /// The first 40 characters of a value, quoted, for an error message.
    static func excerpt(_ bytes: Span<UInt8>) -> String {
        let text = String(decoding: (0..<min(bytes.count, 60)).map { bytes[$0] }, as: UTF8.self)
        return bytes.count > 60 || text.count > 40 ? "\"\(text.prefix(40))…\"" : "\"\(text)\""
    }
}
