/// One cell: a grapheme cluster and its style. A wide cluster owns the cell to its right, whose text is empty.
public struct Cell: Hashable, Sendable {
    var text: Character?
    var style: Style

    static let blank = Cell(text: " ", style: .plain)
}

/// A size in cells.
public struct Size: Hashable, Sendable {
    /// Columns and rows, never negative.
    public let width: Int, height: Int

    /// A size; negative numbers count as 0.
    public init(_ width: Int, _ height: Int) {
        self.width = max(0, width)
        self.height = max(0, height)
    }
}

/// A frame of cells. Whatever is drawn outside it is cut off, so drawing code need not ask for the size first.
public struct Screen: Hashable, Sendable {
    /// The frame's size.
    public let size: Size
    var cells: [Cell]

    /// A blank frame.
    public init(_ size: Size) {
        self.size = size
        cells = Array(repeating: .blank, count: size.width * size.height)
    }

    subscript(x: Int, y: Int) -> Cell { cells[y * size.width + x] }

    /// Draws one line of text from (x, y) on, at most `columns` wide, and returns the columns taken. A control character takes one
    /// cell with a mark in it, so nothing in the text can move what stands to its right.
    @discardableResult
    public mutating func draw(_ text: String, x: Int, y: Int, style: Style = .plain, columns: Int = .max) -> Int {
        guard y >= 0, y < size.height, x >= 0, x < size.width, columns > 0 else { return 0 }
        let room = min(columns, size.width - x)
        var column = 0
        for character in DisplayWidth.cut(text, to: room) {
            let glyph = DisplayWidth.shown(character)
            let width = DisplayWidth.of(glyph)
            guard width > 0 else { continue }
            guard column + width <= room else { break }
            put(Cell(text: glyph, style: style), x: x + column, y: y)
            if width == 2 { put(Cell(text: nil, style: style), x: x + column + 1, y: y) }
            column += width
        }
        return column
    }

    private mutating func put(_ cell: Cell, x: Int, y: Int) {
        let index = y * size.width + x
        // Half of a wide glyph that is drawn over leaves a space, not the other half.
        if cells[index].text == nil, x > 0, cell.text != nil {
            cells[index - 1] = Cell(text: " ", style: cells[index - 1].style)
        }
        if x + 1 < size.width, cells[index + 1].text == nil {
            cells[index + 1] = Cell(text: " ", style: cells[index + 1].style)
        }
        cells[index] = cell
    }

    /// The frame as plain lines without trailing spaces: for pipes and tests.
    public var lines: [String] {
        (0..<size.height).map { y in
            var line = ""
            for x in 0..<size.width { if let text = self[x, y].text { line.append(text) } }
            while line.last == " " { line.removeLast() }
            return line
        }
    }

    /// What to write to a terminal that shows `previous` (nil: unknown contents) so that it shows this frame; empty when they are
    /// equal.
    public func escapes(after previous: Screen?, palette: Palette = Palette()) -> String {
        var output = ""
        var style: Style?
        let isRepaint = previous?.size != size
        if isRepaint { output += "\u{1B}[0m\u{1B}[2J" }
        for y in 0..<size.height {
            var x = 0
            var cursor = -1
            while x < size.width {
                let cell = self[x, y]
                guard let text = cell.text else {
                    x += 1
                    continue
                }
                let width = max(1, DisplayWidth.of(text))
                let isSame =
                    !isRepaint && previous?[x, y] == cell
                    && (width == 1 || x + 1 >= size.width || previous?[x + 1, y] == self[x + 1, y])
                if !isSame {
                    if cursor != x { output += "\u{1B}[\(y + 1);\(x + 1)H" }
                    if style != cell.style {
                        output += cell.style.escape(palette)
                        style = cell.style
                    }
                    // Terminals disagree on the width of rarer clusters: blank both cells of one first, and place the cursor anew
                    // after it, so that a terminal which draws it narrow shows no leftover beside it.
                    let isSure = text.isASCII || text.unicodeScalars.count == 1
                    if !isSure, width == 2 { output += "  \u{1B}[\(y + 1);\(x + 1)H" }
                    output.append(text)
                    cursor = isSure ? x + width : -1
                }
                x += width
            }
        }
        if style != nil { output += "\u{1B}[0m" }
        return output
    }
}
