/// How many terminal columns text takes: 2 for wide East Asian characters and emoji, 0 for combining marks, else 1
/// (Unicode 15 East Asian Width, UAX #11; emoji presentation, UTS #51). A grapheme cluster is one glyph.
///
/// What is measured is what `Screen` draws, and not what the text would do to a terminal: a control character has no width of
/// its own, but one cell with a mark is drawn for it, so it counts as one column. If the two ever differed, every cell to the
/// right of such a character would stand in the wrong column.
public enum DisplayWidth {
    /// Stands for a character that must not reach a terminal.
    static let mark: Character = "?"
    /// Longest cluster that is drawn whole, in scalars: a family emoji has 7, a regional flag 7. Stacks of combining marks end here.
    static let longestCluster = 16

    /// Columns of one grapheme cluster as `Screen` draws it: 0, 1 or 2.
    public static func of(_ character: Character) -> Int {
        if character.isASCII { return 1 }
        var width = 0
        var isFirst = true
        for scalar in character.unicodeScalars.prefix(longestCluster) {
            if isUnprintable(scalar) { return 1 }
            if scalar.value == 0xFE0F, !isFirst, width > 0 { return 2 }  // asks for emoji presentation
            width = max(width, of(scalar))
            isFirst = false
        }
        return width
    }

    /// The cluster as it is drawn: a mark for one that would move the cursor, change a mode or turn the direction of the line.
    static func shown(_ character: Character) -> Character {
        if let byte = character.asciiValue { return (0x20..<0x7F).contains(byte) ? character : mark }
        let scalars = character.unicodeScalars
        if scalars.prefix(longestCluster).contains(where: isUnprintable) { return mark }
        guard scalars.count > longestCluster else { return character }
        return String(String.UnicodeScalarView(scalars.prefix(longestCluster))).first ?? mark
    }

    /// C0, DEL, C1, the line and paragraph separators, and the controls of the bidirectional algorithm (UAX #9).
    private static func isUnprintable(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0..<0x20, 0x7F..<0xA0, 0x061C, 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069: true
        default: false
        }
    }

    /// Columns of a text on one line.
    public static func of(_ text: some StringProtocol) -> Int { text.reduce(0) { $0 + of($1) } }

    /// The longest prefix of at most `columns` columns, with `…` at its end where something was cut. Never splits a cluster.
    public static func cut(_ text: String, to columns: Int) -> String {
        guard columns > 0 else { return "" }
        if text.utf8.count <= columns || of(text) <= columns { return text }
        var result = ""
        var used = 0
        for character in text {
            let width = of(character)
            guard used + width <= columns - 1 else { break }
            result.append(character)
            used += width
        }
        return result + "…"
    }

    /// The text cut or padded with spaces to exactly `columns` columns.
    public static func fit(_ text: String, to columns: Int, alignRight: Bool = false) -> String {
        let cut = cut(text, to: columns)
        let padding = String(repeating: " ", count: max(0, columns - of(cut)))
        return alignRight ? padding + cut : cut + padding
    }

    static func of(_ scalar: Unicode.Scalar) -> Int {
        if scalar.value < 0x300 { return scalar.value < 0x20 || (0x7F..<0xA0).contains(scalar.value) ? 0 : 1 }
        switch scalar.properties.generalCategory {
        case .nonspacingMark, .enclosingMark, .format, .control, .surrogate, .lineSeparator, .paragraphSeparator:
            return 0
        default: return isWide(scalar.value) ? 2 : 1
        }
    }

    private static func isWide(_ value: UInt32) -> Bool {
        guard value >= 0x1100 else { return false }
        var (low, high) = (0, wide.count - 1)
        while low <= high {
            let middle = (low + high) / 2
            if value > wide[middle].upperBound {
                low = middle + 1
            } else if value < wide[middle].lowerBound {
                high = middle - 1
            } else {
                return true
            }
        }
        return false
    }

    private static let wide: [ClosedRange<UInt32>] = [
        0x1100...0x115F, 0x231A...0x231B, 0x2329...0x232A, 0x23E9...0x23EC, 0x23F0...0x23F0, 0x23F3...0x23F3,
        0x25FD...0x25FE, 0x2614...0x2615, 0x2648...0x2653, 0x267F...0x267F, 0x2693...0x2693, 0x26A1...0x26A1,
        0x26AA...0x26AB, 0x26BD...0x26BE, 0x26C4...0x26C5, 0x26CE...0x26CE, 0x26D4...0x26D4, 0x26EA...0x26EA,
        0x26F2...0x26F3, 0x26F5...0x26F5, 0x26FA...0x26FA, 0x26FD...0x26FD, 0x2705...0x2705, 0x270A...0x270B,
        0x2728...0x2728, 0x274C...0x274C, 0x274E...0x274E, 0x2753...0x2755, 0x2757...0x2757, 0x2795...0x2797,
        0x27B0...0x27B0, 0x27BF...0x27BF, 0x2B1B...0x2B1C, 0x2B50...0x2B50, 0x2B55...0x2B55, 0x2E80...0x303E,
        0x3041...0x33FF, 0x3400...0x4DBF, 0x4E00...0xA4C6, 0xA960...0xA97C, 0xAC00...0xD7A3, 0xF900...0xFAFF,
        0xFE10...0xFE19, 0xFE30...0xFE6B, 0xFF01...0xFF60, 0xFFE0...0xFFE6, 0x16FE0...0x18D08, 0x1AFF0...0x1B2FB,
        0x1F004...0x1F004, 0x1F0CF...0x1F0CF, 0x1F18E...0x1F18E, 0x1F191...0x1F19A, 0x1F1E6...0x1F320,
        0x1F32D...0x1F335, 0x1F337...0x1F37C, 0x1F37E...0x1F393, 0x1F3A0...0x1F3CA, 0x1F3CF...0x1F3D3,
        0x1F3E0...0x1F3F0, 0x1F3F4...0x1F3F4, 0x1F3F8...0x1F43E, 0x1F440...0x1F440, 0x1F442...0x1F4FC,
        0x1F4FF...0x1F53D, 0x1F54B...0x1F54E, 0x1F550...0x1F567, 0x1F57A...0x1F57A, 0x1F595...0x1F596,
        0x1F5A4...0x1F5A4, 0x1F5FB...0x1F64F, 0x1F680...0x1F6C5, 0x1F6CC...0x1F6CC, 0x1F6D0...0x1F6D2,
        0x1F6D5...0x1F6D7, 0x1F6DC...0x1F6DF, 0x1F6EB...0x1F6EC, 0x1F6F4...0x1F6FC, 0x1F7E0...0x1F7EB,
        0x1F7F0...0x1F7F0, 0x1F90C...0x1F93A, 0x1F93C...0x1F945, 0x1F947...0x1F9FF, 0x1FA70...0x1FAF8,
        0x20000...0x2FFFD, 0x30000...0x3FFFD,
    ]
}
