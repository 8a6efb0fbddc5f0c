/// What a field's values are held to beside its type, wherever an event enters: topic, file and request.
///
/// A rule decides whether an event is let in and nothing that is computed of it. So it is no part of the definitions' hash, and
/// what was let in before is not held against it when it is read back from a store.
public struct FieldRule: Hashable, Sendable {
    /// One value of a field.
    public struct Value: Hashable, Sendable {
        /// The value as it was declared.
        public let text: String
        /// Of a number what `SourceRow.bits` gives, otherwise 0.
        let bits: Int64

        /// Reads a value as an event would have it; nil when it is none of the type. A boolean has no values worth naming.
        public init?(_ text: String, of type: FieldType) {
            let bytes = Array(text.utf8)
            let bits: Int64? =
                switch type {
                case .string: 0
                case .integer: Decimals.integer(bytes.span)
                case .decimal(let places): Decimals.minorUnits(bytes.span, places: places)
                case .double: Decimals.double(bytes.span).map { Int64(bitPattern: $0.bitPattern) }
                case .boolean: nil
                }
            guard let bits else { return nil }
            self.text = text
            self.bits = bits
        }

        /// Whether this number is less than another of the same type.
        public func isLess(than other: Value, as type: FieldType) -> Bool {
            FieldRule.isLess(bits, other.bits, type)
        }
    }

    /// The least number that is allowed.
    public var least: Value?
    /// The largest number that is allowed.
    public var most: Value?
    /// The only values that are allowed; empty where all are.
    public var values: [Value] = []
    /// The least number of characters (Unicode scalars).
    public var shortest: Int?
    /// The largest number of characters (Unicode scalars).
    public var longest: Int?
    /// How a time or date is written; a date may lie before 1970.
    public var format: EventTimeFormat?

    /// A rule that allows everything.
    public init() {}

    /// Whether everything is allowed.
    public var isEmpty: Bool { self == FieldRule() }

    /// What is allowed, in a few words: `0 to 90`, `F or M`, `at most 40 characters`. Long lists are cut.
    public var description: String {
        var parts: [String] = []
        switch (least?.text, most?.text) {
        case (let least?, let most?): parts.append("\(least) to \(most)")
        case (let least?, nil): parts.append("at least \(least)")
        case (nil, let most?): parts.append("at most \(most)")
        case (nil, nil): break
        }
        if !values.isEmpty {
            let shown = values.prefix(12).map { $0.text.isEmpty ? "\"\"" : String($0.text.prefix(40)) }
            let list =
                shown.count > 1 ? shown.dropLast().joined(separator: ", ") + " or " + shown[shown.count - 1] : shown[0]
            parts.append(values.count > shown.count ? shown.joined(separator: ", ") + ", …" : list)
        }
        switch (shortest, longest) {
        case (let shortest?, let longest?):
            parts.append(shortest == longest ? "\(longest) characters" : "\(shortest) to \(longest) characters")
        case (let shortest?, nil): parts.append("at least \(shortest) characters")
        case (nil, let longest?): parts.append("at most \(longest) characters")
        case (nil, nil): break
        }
        if let format { parts.append("a time of the form \(format.name)") }
        return parts.joined(separator: ", ")
    }

    /// Whether a number given as its bits is allowed.
    func allows(_ bits: Int64, _ type: FieldType) -> Bool {
        if let least, Self.isLess(bits, least.bits, type) { return false }
        if let most, Self.isLess(most.bits, bits, type) { return false }
        return values.isEmpty || values.contains { $0.bits == bits }
    }

    /// Whether a text given as its UTF-8 bytes is allowed.
    func allows(_ text: Span<UInt8>) -> Bool {
        if shortest != nil || longest != nil {
            var count = 0
            for index in text.indices where text[index] & 0xC0 != 0x80 { count += 1 }
            if count < shortest ?? 0 || count > longest ?? .max { return false }
        }
        if let format, !format.isForm(of: text) { return false }
        return values.isEmpty || values.contains { Self.isEqual(text, $0.text) }
    }

    private static func isLess(_ left: Int64, _ right: Int64, _ type: FieldType) -> Bool {
        guard case .double = type else { return left < right }
        return Double(bitPattern: UInt64(bitPattern: left)) < Double(bitPattern: UInt64(bitPattern: right))
    }

    private static func isEqual(_ bytes: Span<UInt8>, _ text: String) -> Bool {
        let text = text.utf8
        guard bytes.count == text.count else { return false }
        var index = 0
        for byte in text {
            guard bytes[index] == byte else { return false }
            index += 1
        }
        return true
    }
}

extension SourceRow {
    /// Why a field's value is against its rule, as the end of a sentence that the field's name begins. Nil where it is not, where
    /// there is none, and for the empty text of a field that may be missing.
    public func ruleProblem(_ index: Int) -> String? {
        let field = schema.fields[index]
        guard let rule = field.rule, isPresent(index) else { return nil }
        if let bits = bits(index) {
            if rule.allows(bits, field.type) { return nil }
            return "is \(canonicalText(index) ?? ""), but \(rule.description) is allowed"
        }
        let text = bytes(index)
        if text.isEmpty && field.isOptional || rule.allows(text.span) { return nil }
        return "is \(Self.excerpt(text.span)), but \(rule.description) is allowed"
    }

    /// Throws for the first field, in declared order, that is against its rule.
    public func checkRules() throws(FieldError) {
        for index in schema.ruledFields {
            if let problem = ruleProblem(index) { throw FieldError(schema.fields[index].name, problem) }
        }
    }
}
