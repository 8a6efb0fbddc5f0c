/// How many colours a terminal shows.
public enum ColourDepth: String, Hashable, Sendable, CaseIterable {
    /// None: bold and reversed stay.
    case none = "never"
    /// The terminal's own sixteen.
    case sixteen = "16"
    /// xterm's 256.
    case indexed = "256"
    /// 24 bits.
    case full = "24bit"
}

/// What each colour looks like. Nothing is told by colour alone, so `mono` loses nothing.
public struct Theme: Hashable, Sendable {
    /// As the user calls it.
    public let name: String
    private let indexes: [UInt8]  // of xterm's palette, in the order of `Color`
    private let isBright: Bool
    /// Background and text of a picture, as xterm indexes.
    let background: UInt8, foreground: UInt8

    /// For dark backgrounds, light ones, little eyesight, and none of the colours.
    public static let all: [Theme] = [
        Theme("dark", [203, 114, 221, 75, 176, 80, 255, 245], background: 233, foreground: 252),
        Theme("light", [160, 28, 130, 26, 90, 30, 16, 242], background: 231, foreground: 235),
        Theme("contrast", [196, 46, 226, 39, 201, 51, 231, 252], isBright: true, background: 16, foreground: 231),
        Theme("mono", [], background: 231, foreground: 16),
    ]

    private init(
        _ name: String, _ indexes: [UInt8], isBright: Bool = false, background: UInt8, foreground: UInt8
    ) {
        (self.name, self.indexes, self.isBright) = (name, indexes, isBright)
        (self.background, self.foreground) = (background, foreground)
    }

    /// xterm's index of a colour; nil for one that the theme does not show.
    func index(of color: Color) -> UInt8? { indexes.isEmpty ? nil : indexes[color.place] }

    /// The parameters of the sequence that selects a colour; empty without one.
    func parameters(_ color: Color, depth: ColourDepth) -> String {
        guard let index = index(of: color) else { return "" }
        switch depth {
        case .none: return ""
        case .sixteen:
            let base = 30 + Int(color.rawValue)
            return ";\(isBright && base < 90 ? base + 60 : base)"
        case .indexed: return ";38;5;\(index)"
        case .full:
            let (red, green, blue) = Self.components(index)
            return ";38;2;\(red);\(green);\(blue)"
        }
    }

    /// Red, green and blue of xterm's index 16 to 255: a cube of six steps, then greys.
    static func components(_ index: UInt8) -> (Int, Int, Int) {
        let number = Int(index)
        guard number >= 16 else { return (0, 0, 0) }
        if number >= 232 {
            let grey = 8 + (number - 232) * 10
            return (grey, grey, grey)
        }
        func step(_ value: Int) -> Int { value == 0 ? 0 : 55 + value * 40 }
        let cube = number - 16
        return (step(cube / 36), step(cube / 6 % 6), step(cube % 6))
    }
}

/// How frames look on one terminal.
public struct Palette: Hashable, Sendable {
    /// The colours.
    public var theme: Theme
    /// How many of them.
    public var depth: ColourDepth

    /// Colours of a theme, as many as the terminal has.
    public init(_ theme: Theme = Theme.all[0], depth: ColourDepth = .sixteen) {
        self.theme = theme
        self.depth = depth
    }
}

extension Color {
    /// The place in a theme's list.
    fileprivate var place: Int { self == .grey ? 7 : Int(rawValue) - 1 }
}
