/// Keeps card numbers and other keys off the screen: enough is left to tell two of them apart and to find one again where one
/// may see it whole (PCI DSS 3.4: at most the first six and the last four digits).
package enum Masking {
    /// The shortest card number has twelve digits (ISO/IEC 7812). Longer runs are accounts, which is no better.
    private static let fewestDigits = 12
    /// Keys shorter than this are numbers of a customer or a shop, not of a card or an account.
    private static let shortestKey = 8

    /// An entity's key. A long one keeps six characters in front and four behind, one of 8 to 12 two and two.
    package static func key(_ text: String) -> String {
        let count = text.count
        if count > fewestDigits || isLongNumber(text) { return text.prefix(6) + "…" + text.suffix(4) }
        return count < shortestKey ? text : text.prefix(2) + "…" + text.suffix(2)
    }

    /// A value of a field that the definitions call sensitive: as a key, but of a short one nothing is left.
    package static func sensitive(_ text: String) -> String {
        text.isEmpty || text.count >= shortestKey ? key(text) : "…"
    }

    /// Any other text: each run of twelve or more digits, in groups or not, becomes its first six and last four.
    package static func digits(in text: String) -> String {
        guard text.utf8.count >= fewestDigits else { return text }
        var result = ""
        var rest = Substring(text)
        while let start = rest.firstIndex(where: \.isWholeNumber) {
            result += rest[..<start]
            let run = numberRun(rest[start...])
            let digits = run.filter(\.isWholeNumber)
            result += digits.count < fewestDigits ? String(run) : digits.prefix(6) + "…" + digits.suffix(4)
            rest = rest[run.endIndex...]
        }
        return result + rest
    }

    private static func isLongNumber(_ text: String) -> Bool {
        text.reduce(0) { $0 + ($1.isWholeNumber ? 1 : 0) } >= fewestDigits
    }

    /// Digits with at most one space or hyphen between two of them, as cards are printed.
    private static func numberRun(_ text: Substring) -> Substring {
        var end = text.startIndex
        var index = text.startIndex
        while index < text.endIndex {
            let character = text[index]
            let next = text.index(after: index)
            if character.isWholeNumber {
                end = next
            } else if !(character == " " || character == "-") || end != index {
                break
            }
            index = next
        }
        return text[..<end]
    }
}
