/// Text that came from data, made safe to show to a person: on a terminal, in a log line, in a table's cell.
///
/// A terminal obeys some of what it prints. ESC and its one-character form U+009B begin commands that move the cursor, recolour
/// or answer as if somebody had typed; a newline forges a line; a bidirectional control shows text in another order than it
/// has. Each such scalar becomes one visible mark, so that the text keeps its number of columns.
public enum TerminalText {
    /// `text` with a mark for each scalar that a terminal could obey or would hide: `␛` for ESC and its like for the other
    /// controls of ASCII, `�` for the rest. A combining mark at the start gets a `◌` to stand on, so that it cannot join what is
    /// printed before it. `keepingNewlines` is for messages of several lines.
    public static func visible(_ text: String, keepingNewlines: Bool = false) -> String {
        // Nearly all text is plain ASCII and needs no copy.
        if text.utf8.allSatisfy({ (0x20..<0x7F).contains($0) || (keepingNewlines && $0 == 0x0A) }) { return text }
        var shown = ""
        shown.reserveCapacity(text.utf8.count + 8)
        if let first = text.unicodeScalars.first, isCombining(first) { shown.unicodeScalars.append("\u{25CC}") }
        for scalar in text.unicodeScalars {
            let isKept = !isUnsafe(scalar) || (keepingNewlines && scalar == "\n")
            shown.unicodeScalars.append(isKept ? scalar : mark(of: scalar))
        }
        return shown
    }

    /// Whether a scalar is one that a terminal could obey or would hide: a control (C0, DEL, C1), a separator of lines or
    /// paragraphs, a bidirectional control or another invisible format character, one that is no character at all.
    public static func isUnsafe(_ scalar: Unicode.Scalar) -> Bool {
        if scalar.value < 0x7F { return scalar.value < 0x20 }
        switch scalar {
        // The joiners spell words of Persian and Hindi and hold emoji together. They neither move nor reorder anything.
        case "\u{200C}", "\u{200D}": return false
        default: break
        }
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .unassigned: return true
        default: return false
        }
    }

    private static func mark(of scalar: Unicode.Scalar) -> Unicode.Scalar {
        switch scalar.value {
        // Unicode has a picture for each control of ASCII, in their order.
        case 0..<0x20: Unicode.Scalar(0x2400 + scalar.value) ?? "\u{FFFD}"
        case 0x7F: "\u{2421}"
        default: "\u{FFFD}"
        }
    }

    private static func isCombining(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .nonspacingMark, .spacingMark, .enclosingMark: true
        default: scalar == "\u{200D}"
        }
    }
}
