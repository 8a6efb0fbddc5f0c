import FeatureEngine

/// What the user wants to see of a table: words that must all hold.
///
///     shop            some cell contains it, whatever its case
///     level:error     the cell of the column contains it
///     score>0.9       the column's number is larger; `<` is smaller
///     !word           the word does not hold
///     /expression/    some cell matches the regular expression
package struct Filter: Sendable {
    private struct Word: Sendable {
        let isNegated: Bool
        let test: Test
    }
    private enum Test: Sendable {
        case contains([UInt8])
        case field([UInt8], contains: [UInt8])
        case above([UInt8], Double)
        case below([UInt8], Double)
        case expression(String)
    }
    /// As it was typed.
    package let text: String
    private let words: [Word]

    /// Nil for a text without words. `problem` says what is wrong with one that cannot be used.
    package init?(_ text: String) {
        self.text = text
        words = text.split(separator: " ").map { Self.word($0) }
        if words.isEmpty { return nil }
    }

    /// Why it cannot be used; nil when it can.
    package var problem: String? {
        for word in words {
            if case .expression(let pattern) = word.test, (try? Regex(pattern)) == nil {
                return "/\(pattern)/ is no regular expression"
            }
        }
        return nil
    }

    private static func word(_ text: Substring) -> Word {
        let isNegated = text.utf8.first == UInt8(ascii: "!") && text.utf8.count > 1
        let rest = isNegated ? text.dropFirst() : text
        return Word(isNegated: isNegated, test: test(rest))
    }

    private static func test(_ text: Substring) -> Test {
        let bytes = Array(text.utf8)
        if bytes.count > 2, bytes.first == UInt8(ascii: "/"), bytes.last == UInt8(ascii: "/") {
            return .expression(String(decoding: bytes[1..<(bytes.count - 1)], as: UTF8.self))
        }
        for (index, byte) in bytes.enumerated() where index > 0 && index + 1 < bytes.count {
            let (name, value) = (lowered(bytes[..<index]), bytes[(index + 1)...])
            let number = Double(String(decoding: value, as: UTF8.self))
            switch (byte, number) {
            case (UInt8(ascii: ":"), _): return .field(name, contains: lowered(value))
            case (UInt8(ascii: ">"), let number?): return .above(name, number)
            case (UInt8(ascii: "<"), let number?): return .below(name, number)
            default: continue
            }
        }
        return .contains(lowered(bytes[...]))
    }

    /// Whether a row is left, by its cells and numbers.
    package typealias Matcher = (_ cells: [String], _ numbers: [Double]) -> Bool

    /// Tells of rows with these columns whether they are left. What is the same for all rows (where a name stands, an expression made
    /// ready) is done here.
    package func matcher(_ names: [String]) -> Matcher {
        let names = names.map { Self.lowered(Array($0.utf8)[...]) }
        let tests = words.map { (isNegated: $0.isNegated, holds: Self.matcher($0.test, names)) }
        return { cells, numbers in tests.allSatisfy { $0.holds(cells, numbers) != $0.isNegated } }
    }

    private static func matcher(_ test: Test, _ names: [[UInt8]]) -> Matcher {
        func columns(_ name: [UInt8]) -> [Int] { names.indices.filter { names[$0].starts(with: name) } }
        switch test {
        case .contains(let text): return { cells, _ in cells.contains { contains($0, text) } }
        case .field(let name, let text):
            let columns = columns(name)
            return { cells, _ in columns.contains { contains(cells[$0], text) } }
        case .above(let name, let limit):
            let columns = columns(name)
            return { cells, numbers in columns.contains { number(cells, numbers, $0) > limit } }
        case .below(let name, let limit):
            let columns = columns(name)
            return { cells, numbers in columns.contains { number(cells, numbers, $0) < limit } }
        case .expression(let pattern):
            guard let expression = try? Regex(pattern) else { return { _, _ in false } }
            return { cells, _ in cells.contains { $0.firstMatch(of: expression) != nil } }
        }
    }

    private static func number(_ cells: [String], _ numbers: [Double], _ index: Int) -> Double {
        numbers[index].isNaN ? Double(cells[index]) ?? .nan : numbers[index]
    }

    /// Bytes, so that what is found does not depend on how an accent is written; ASCII letters in any case.
    private static func contains(_ text: String, _ part: [UInt8]) -> Bool {
        let bytes = lowered(Array(text.utf8)[...])
        guard part.count <= bytes.count else { return false }
        return (0...(bytes.count - part.count)).contains { bytes[$0...].starts(with: part) }
    }

    private static func lowered(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
        bytes.map { (0x41...0x5A).contains($0) ? $0 + 0x20 : $0 }
    }
}
