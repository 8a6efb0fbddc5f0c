/// A colour by what it is called; a `Theme` says what it looks like.
public enum Color: UInt8, Hashable, Sendable {
    /// The palette's names.
    case red = 1, green, yellow, blue, magenta, cyan, white
    /// Grey: bright black.
    case grey = 60
}

/// How a cell is drawn.
public struct Style: Hashable, Sendable {
    /// The colour of the glyph; nil is the terminal's own.
    public var color: Color?
    /// Heavier.
    public var isBold: Bool
    /// Glyph and background exchanged.
    public var isReversed: Bool

    /// A style.
    public init(_ color: Color? = nil, bold: Bool = false, reversed: Bool = false) {
        self.color = color
        isBold = bold
        isReversed = reversed
    }

    /// The terminal's own look.
    public static let plain = Style()

    /// The escape sequence that selects this style and nothing else.
    func escape(_ palette: Palette) -> String {
        var codes = "0"
        if isBold { codes += ";1" }
        if isReversed { codes += ";7" }
        if let color { codes += palette.theme.parameters(color, depth: palette.depth) }
        return "\u{1B}[\(codes)m"
    }
}
