/// Text brought to a width, counted in characters. What is longer stays whole.
public enum Padding {
    /// `007`: zeros before a number's digits.
    public static func zeros(_ number: some BinaryInteger, _ width: Int) -> String { zeros(String(number), width) }

    /// `00ff`: zeros before a number's digits in base 16.
    public static func hexadecimal(_ number: some BinaryInteger, _ width: Int) -> String {
        zeros(String(number, radix: 16), width)
    }

    /// Zeros before digits.
    public static func zeros(_ digits: String, _ width: Int) -> String {
        String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
    }

    /// Spaces behind, at least `least` of them: a cell of a column.
    public static func left(_ text: String, _ width: Int, least: Int = 0) -> String {
        text + String(repeating: " ", count: max(least, width - text.count))
    }

    /// Spaces before, at least `least` of them: a number's cell.
    public static func right(_ text: String, _ width: Int, least: Int = 0) -> String {
        String(repeating: " ", count: max(least, width - text.count)) + text
    }

    /// `1,234,567`.
    public static func grouped(_ number: some BinaryInteger) -> String {
        let digits = Array(String(number.magnitude))
        var text = number < 0 ? "-" : ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0 { text.append(",") }
            text.append(digit)
        }
        return text
    }
}
