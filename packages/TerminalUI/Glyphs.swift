/// Which characters may be drawn.
public enum Glyphs: String, Hashable, Sendable, CaseIterable {
    /// Whatever the text has.
    case unicode = "utf8"
    /// Only ASCII: boxes of `+-|`, bars of `#` and dots, and `?` for every other character.
    case ascii

    /// Whether a locale's text is UTF-8, by the variables in the order POSIX gives them (LC_ALL, LC_CTYPE, LANG): the first that is
    /// set and not empty decides. Without one the locale is C, which is ASCII.
    public static func of(locale variables: [String?]) -> Glyphs {
        let name = variables.compactMap { $0 }.first { !$0.isEmpty } ?? "C"
        let charset = name.split(separator: "@")[0].split(separator: ".").dropFirst().first ?? ""
        let letters = charset.lowercased().filter { $0 != "-" }
        return letters == "utf8" ? .unicode : .ascii
    }

    private static let substitutes: [Character: Character] = [
        "─": "-", "│": "|", "┌": "+", "┐": "+", "└": "+", "┘": "+", "█": "#", "░": ".", "▁": "_", "▂": "_", "▃": ".",
        "▄": "-", "▅": "-", "▆": "=", "▇": "=", "●": "*", "○": "o", "·": ".", "…": "~", "–": "-", "≥": ">", "≠": "#",
        "↑": "^", "↓": "v", "←": "<", "→": ">", "µ": "u", "▏": "_", "␛": "?",
    ]

    /// The character as ASCII.
    static func ascii(_ character: Character) -> Character {
        character.isASCII ? character : substitutes[character] ?? "?"
    }
}

extension Screen {
    /// The frame in these characters: every cell keeps its place.
    public func using(_ glyphs: Glyphs) -> Screen {
        guard glyphs == .ascii else { return self }
        var screen = self
        for index in screen.cells.indices {
            // The second half of a wide character becomes a cell of its own.
            screen.cells[index].text = screen.cells[index].text.map(Glyphs.ascii) ?? " "
        }
        return screen
    }
}
