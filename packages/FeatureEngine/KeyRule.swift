/// What a record key, event id, transaction id or label's id may be, wherever it enters: topic, file or request.
///
/// Postgres indexes these texts (an index entry is 2,704 bytes at most), Redis and Kafka carry them in every key, and
/// nobody can look for a blank one.
public enum KeyRule {
    /// Most bytes of a key or id.
    public static let longest = 256

    /// What is wrong with a key or id, as the end of a sentence that its field's name begins; nil when it is a good one.
    public static func problem(_ bytes: Span<UInt8>) -> String? {
        guard bytes.count > 0 else { return "is empty" }
        guard bytes.count <= longest else { return "is \(bytes.count) bytes long, at most \(longest) are allowed" }
        var hasZero = false
        var isASCII = true
        for index in bytes.indices {
            if bytes[index] == 0 { hasZero = true }
            if bytes[index] >= 0x80 { isASCII = false }
        }
        guard !hasZero else { return "contains a NUL character" }
        if isASCII { return isBlankASCII(bytes) ? "is blank" : nil }
        do {
            return isBlank(try UTF8Span(validating: bytes)) ? "is blank" : nil
        } catch {
            return "is not valid UTF-8"
        }
    }

    /// The same for bytes that are known to be UTF-8 without NUL: for the event path.
    static func problem(ofText bytes: Span<UInt8>) -> String? {
        guard bytes.count > 0, bytes.count <= longest else { return problem(bytes) }
        // A first letter that is neither white space nor beyond ASCII says that it is not blank.
        return bytes[0] > 0x20 && bytes[0] < 0x80 ? nil : problem(bytes)
    }

    private static func isBlankASCII(_ bytes: Span<UInt8>) -> Bool {
        for index in bytes.indices where bytes[index] != 0x20 && bytes[index] &- 0x09 >= 5 { return false }
        return true
    }

    /// Whether every scalar has Unicode's property White_Space.
    private static func isBlank(_ text: borrowing UTF8Span) -> Bool {
        var scalars = text.makeUnicodeScalarIterator()
        while let scalar = scalars.next() {
            if !scalar.properties.isWhitespace { return false }
        }
        return true
    }
}
