/// Bytes as Postgres gives them: two digits each.
enum Hexadecimal {
    /// Nil for a text that is none, or not of pairs.
    static func bytes(_ text: String?) -> [UInt8]? {
        guard let digits = text.map({ Array($0.utf8) }), digits.count % 2 == 0 else { return nil }
        return stride(from: 0, to: digits.count, by: 2).map {
            UInt8(String(decoding: digits[$0..<($0 + 2)], as: UTF8.self), radix: 16) ?? 0
        }
    }
}
