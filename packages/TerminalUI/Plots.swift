extension Screen {
    private static let eighths: [Character] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"]

    /// Draws the newest `columns` values as a line of bars, scaled to the largest of them; missing values stay blank.
    public mutating func drawSparkline(_ values: [Double], x: Int, y: Int, columns: Int, style: Style = .plain) {
        guard columns > 0 else { return }
        let shown = values.suffix(columns)
        let largest = shown.filter(\.isFinite).max() ?? 0
        let bars = shown.map { value -> Character in
            guard value.isFinite, largest > 0, value > 0 else { return value.isFinite ? "▁" : " " }
            return Self.eighths[min(8, max(1, Int((value / largest * 8).rounded(.up))))]
        }
        draw(
            String(repeating: " ", count: columns - bars.count) + String(bars), x: x, y: y, style: style,
            columns: columns)
    }

    /// Draws the newest `columns` values as columns of bars `rows` high, scaled to the largest of them; missing values stay blank.
    public mutating func drawPlot(
        _ values: [Double], x: Int, y: Int, columns: Int, rows: Int, style: Style = .plain
    ) {
        guard columns > 0, rows > 0 else { return }
        let shown = Array(values.suffix(columns))
        let largest = shown.filter(\.isFinite).max() ?? 0
        for row in 0..<rows {
            // Eighths of this row that are filled, counted from the bottom.
            let below = (rows - 1 - row) * 8
            let glyphs = shown.map { value -> Character in
                guard value.isFinite else { return " " }
                let height = largest > 0 && value > 0 ? max(1, Int((value / largest * Double(rows * 8)).rounded())) : 0
                let filled = min(8, max(0, height - below))
                return row == rows - 1 && filled == 0 ? "▁" : Self.eighths[filled]
            }
            draw(String(glyphs), x: x + columns - shown.count, y: y + row, style: style, columns: shown.count)
        }
    }

    /// Draws a horizontal bar of `fraction` (0…1) of `columns`.
    public mutating func drawBar(_ fraction: Double, x: Int, y: Int, columns: Int, style: Style = .plain) {
        guard columns > 0, fraction.isFinite else { return }
        let filled = min(columns, max(0, Int((fraction * Double(columns)).rounded())))
        draw(String(repeating: "█", count: filled), x: x, y: y, style: style, columns: filled)
        draw(
            String(repeating: "░", count: columns - filled), x: x + filled, y: y, style: Style(.grey),
            columns: columns - filled)
    }

    /// Draws a frame with a title in its top edge.
    public mutating func drawBox(_ title: String, x: Int, y: Int, width: Int, height: Int, style: Style = Style(.grey))
    {
        guard width >= 2, height >= 2 else { return }
        let edge = String(repeating: "─", count: width - 2)
        draw("┌" + edge + "┐", x: x, y: y, style: style)
        for row in 1..<max(2, height - 1) where height > 2 {
            draw("│", x: x, y: y + row, style: style)
            draw("│", x: x + width - 1, y: y + row, style: style)
        }
        draw("└" + edge + "┘", x: x, y: y + height - 1, style: style)
        draw(" \(title) ", x: x + 1, y: y, style: Style(bold: true), columns: width - 2)
    }
}
