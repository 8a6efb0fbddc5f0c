/// Writes the cells of a CSV file.
public enum CSVText {
    /// Appends a text, in quotes where RFC 4180 wants them. By bytes: a quote with a combining mark behind it is one `Character`
    /// that is no quote.
    public static func append(_ text: ArraySlice<UInt8>, to line: inout [UInt8]) {
        guard text.contains(where: { $0 == 0x2C || $0 == 0x22 || $0 == 0x0A || $0 == 0x0D }) else {
            line.append(contentsOf: text)
            return
        }
        line.append(0x22)
        for byte in text {
            if byte == 0x22 { line.append(0x22) }
            line.append(byte)
        }
        line.append(0x22)
    }

    /// A text as a cell.
    public static func cell(_ text: String) -> String {
        var bytes: [UInt8] = []
        append(Array(text.utf8)[...], to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }
}
