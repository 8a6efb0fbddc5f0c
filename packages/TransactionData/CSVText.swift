import JSON

/// Writes the cells of a CSV file.
public enum CSVText {
    /// Appends the shortest decimal that reads back to the same double, in the form of Swift's `description`; NaN, which is a
    /// missing number, is nothing.
    public static func append(_ number: Double, to line: inout [UInt8]) {
        guard number.isFinite else {
            if !number.isNaN { line.append(contentsOf: number.description.utf8) }
            return
        }
        NumberText.append(number, to: &line)
        // Large integers are written with an exponent from there on.
        if number == number.rounded(), number.magnitude <= 0x1p53 { line += [0x2E, 0x30] }
    }

    /// Appends a category: a missing one is nothing, and quotes tell an empty text from it.
    public static func append(category text: String?, to line: inout [UInt8]) {
        guard let text else { return }
        if text.isEmpty { line += [0x22, 0x22] } else { append(Array(text.utf8)[...], to: &line) }
    }

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
