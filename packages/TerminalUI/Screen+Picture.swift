import Text

extension Screen {
    /// The frame as an SVG picture in a monospaced font, each run of equal style one element.
    public func svg(_ theme: Theme = Theme.all[0]) -> String {
        let (cellWidth, cellHeight) = (9, 19)
        let (width, height) = (size.width * cellWidth + 20, size.height * cellHeight + 20)
        var svg = """
            <svg xmlns="http://www.w3.org/2000/svg" width="\(width)" height="\(height)" viewBox="0 0 \(width) \(height)">
            <style>text{font:15px ui-monospace,"DejaVu Sans Mono",Menlo,Consolas,monospace;white-space:pre}</style>
            <rect width="100%" height="100%" rx="6" fill="\(Self.hex(theme.background))"/>

            """
        for y in 0..<size.height {
            var x = 0
            while x < size.width {
                let style = self[x, y].style
                var text = ""
                let start = x
                while x < size.width, self[x, y].style == style {
                    if let glyph = self[x, y].text { text.append(glyph) }
                    x += 1
                }
                svg += Self.run(
                    text, style, theme, x: 10 + start * cellWidth, y: 10 + y * cellHeight,
                    width: (x - start) * cellWidth, height: cellHeight)
            }
        }
        return svg + "</svg>\n"
    }

    private static func run(
        _ text: String, _ style: Style, _ theme: Theme, x: Int, y: Int, width: Int, height: Int
    ) -> String {
        guard style.isReversed || text.utf8.contains(where: { $0 != 0x20 }) else { return "" }
        let color = style.color.flatMap(theme.index(of:)) ?? theme.foreground
        var svg = ""
        if style.isReversed {
            svg += #"<rect x="\#(x)" y="\#(y)" width="\#(width)" height="\#(height)" fill="\#(hex(color))"/>"# + "\n"
        }
        let fill = hex(style.isReversed ? theme.background : color)
        let weight = style.isBold ? #" font-weight="bold""# : ""
        // The length is given, so that a font of another width keeps the columns.
        svg += #"<text x="\#(x)" y="\#(y + 15)" fill="\#(fill)"\#(weight) textLength="\#(width)">"#
        return svg + escaped(text) + "</text>\n"
    }

    private static func escaped(_ text: String) -> String {
        var escaped = ""
        for character in text {
            switch character {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            default: escaped.append(character)
            }
        }
        return escaped
    }

    private static func hex(_ index: UInt8) -> String {
        let (red, green, blue) = Theme.components(index)
        return "#" + [red, green, blue].map { Padding.hexadecimal($0, 2) }.joined()
    }
}
