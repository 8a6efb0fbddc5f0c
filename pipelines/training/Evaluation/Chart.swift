internal import Text

/// A picture of lines, points or bars as SVG, without a script or a style sheet: it looks the same in a file, a page and a pull request.
struct Chart {
    /// One line or set of points.
    struct Series {
        var name: String
        var points: [(x: Double, y: Double)]
        var colour: String
        var isDashed = false
        var hasMarks = false
    }

    let title: String
    let xLabel: String
    let yLabel: String
    var series: [Series] = []
    /// The ends of the axes.
    var xRange = 0.0...1.0
    var yRange = 0.0...1.0
    /// What stands at the ends of the horizontal axis in place of its numbers.
    var xEnds: (String, String)?

    static let blue = "#1f6feb", orange = "#d9730d", grey = "#8b949e"
    private static let width = 560.0, height = 360.0
    private static let left = 64.0, right = 16.0, top = 40.0, bottom = 52.0

    private func x(_ value: Double) -> Double {
        let share = (value - xRange.lowerBound) / max(xRange.upperBound - xRange.lowerBound, .leastNormalMagnitude)
        return Self.left + min(max(share, 0), 1) * (Self.width - Self.left - Self.right)
    }

    private func y(_ value: Double) -> Double {
        let share = (value - yRange.lowerBound) / max(yRange.upperBound - yRange.lowerBound, .leastNormalMagnitude)
        return Self.height - Self.bottom - min(max(share, 0), 1) * (Self.height - Self.top - Self.bottom)
    }

    /// The picture.
    var svg: String {
        var parts = [Self.opening(title)]
        for step in 0...5 {
            let (xAt, yAt) = (
                xRange.lowerBound + (xRange.upperBound - xRange.lowerBound) * Double(step) / 5,
                yRange.lowerBound + (yRange.upperBound - yRange.lowerBound) * Double(step) / 5
            )
            parts.append(Self.line((Self.left, y(yAt)), (Self.width - Self.right, y(yAt)), "#d0d7de"))
            parts.append(Self.text(Self.number(yAt), at: (Self.left - 6, y(yAt) + 4), anchor: "end"))
            if xEnds == nil {
                parts.append(
                    Self.text(Self.number(xAt), at: (x(xAt), Self.height - Self.bottom + 16), anchor: "middle"))
            }
        }
        if let xEnds {
            let at = Self.height - Self.bottom + 16
            parts.append(Self.text(xEnds.0, at: (Self.left, at), anchor: "start"))
            parts.append(Self.text(xEnds.1, at: (Self.width - Self.right, at), anchor: "end"))
        }
        for line in series {
            let points = line.points.map { "\(Figures.rounded(x($0.x), 1)),\(Figures.rounded(y($0.y), 1))" }
            let dash = line.isDashed ? " stroke-dasharray=\"5 4\"" : ""
            parts.append(
                "<polyline fill=\"none\" stroke=\"\(line.colour)\" stroke-width=\"2\"\(dash) points=\"\(points.joined(separator: " "))\"/>"
            )
            guard line.hasMarks else { continue }
            parts += line.points.map {
                "<circle cx=\"\(Figures.rounded(x($0.x), 1))\" cy=\"\(Figures.rounded(y($0.y), 1))\" r=\"3\" fill=\"\(line.colour)\"/>"
            }
        }
        var legendAt = Self.width - Self.right
        for line in series.reversed() where !line.name.isEmpty {
            parts.append(Self.text(line.name, at: (legendAt, Self.top - 8), anchor: "end", colour: line.colour))
            legendAt -= Double(line.name.count) * 6.5 + 16
        }
        parts.append(
            Self.text(xLabel, at: ((Self.left + Self.width - Self.right) / 2, Self.height - 12), anchor: "middle"))
        parts.append(
            "<text x=\"16\" y=\"\(Self.height / 2)\" text-anchor=\"middle\" transform=\"rotate(-90 16 \(Self.height / 2))\" fill=\"#57606a\">\(Self.escaped(yLabel))</text>"
        )
        return parts.joined(separator: "\n") + "\n</svg>\n"
    }

    /// Bars beside their names, the longest first.
    static func bars(_ title: String, _ bars: [(name: String, share: Double)]) -> String {
        let rowHeight = 20.0
        let height = 48 + rowHeight * Double(bars.count)
        var parts = [opening(title, height: height)]
        let most = max(bars.map(\.share).max() ?? 0, .leastNormalMagnitude)
        for (row, bar) in bars.enumerated() {
            let at = 40 + rowHeight * Double(row)
            parts.append(text(bar.name, at: (270, at + 13), anchor: "end"))
            let length = Figures.rounded(bar.share / most * 230, 1)
            parts.append("<rect x=\"276\" y=\"\(at + 3)\" width=\"\(length)\" height=\"13\" fill=\"\(blue)\"/>")
            let end = 282 + bar.share / most * 230
            parts.append(text(Figures.rounded(bar.share * 100, 1) + " %", at: (end, at + 13), anchor: "start"))
        }
        return parts.joined(separator: "\n") + "\n</svg>\n"
    }

    /// A table of two by two, each field as dark as its share of its row.
    static func confusion(_ title: String, rows: [(name: String, cells: [Int])], columns: [String]) -> String {
        var parts = [opening(title, height: 220)]
        for (column, name) in columns.enumerated() {
            parts.append(text(name, at: (250 + 170 * Double(column), 62), anchor: "middle"))
        }
        for (index, row) in rows.enumerated() {
            let at = 72 + 62 * Double(index)
            let all = Double(max(1, row.cells.reduce(0, +)))
            parts.append(text(row.name, at: (156, at + 34), anchor: "end"))
            for (column, cell) in row.cells.enumerated() {
                let left = 168 + 170 * Double(column)
                let opacity = Figures.rounded(0.08 + 0.6 * Double(cell) / all, 3)
                parts.append(
                    "<rect x=\"\(left)\" y=\"\(at)\" width=\"164\" height=\"56\" fill=\"\(blue)\" fill-opacity=\"\(opacity)\"/>"
                )
                let label = "\(Figures.grouped(cell)) (\(Figures.rounded(Double(cell) / all * 100, 2)) %)"
                parts.append(text(label, at: (left + 82, at + 33), anchor: "middle", colour: "#1f2328"))
            }
        }
        return parts.joined(separator: "\n") + "\n</svg>\n"
    }

    private static func opening(_ title: String, height: Double = height) -> String {
        """
        <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(Int(width)) \(Int(height))" width="\(Int(width))" height="\(Int(height))" font-family="sans-serif" font-size="12" role="img">
        <title>\(escaped(title))</title>
        <rect width="100%" height="100%" fill="#ffffff"/>
        <text x="16" y="20" font-size="14" fill="#1f2328">\(escaped(title))</text>
        """
    }

    private static func line(_ from: (Double, Double), _ to: (Double, Double), _ colour: String) -> String {
        let (x1, y1) = (Figures.rounded(from.0, 1), Figures.rounded(from.1, 1))
        let (x2, y2) = (Figures.rounded(to.0, 1), Figures.rounded(to.1, 1))
        return "<line x1=\"\(x1)\" y1=\"\(y1)\" x2=\"\(x2)\" y2=\"\(y2)\" stroke=\"\(colour)\"/>"
    }

    private static func text(
        _ text: String, at: (Double, Double), anchor: String, colour: String = "#57606a"
    ) -> String {
        let place = "x=\"\(Figures.rounded(at.0, 1))\" y=\"\(Figures.rounded(at.1, 1))\""
        return "<text \(place) text-anchor=\"\(anchor)\" fill=\"\(colour)\">\(escaped(text))</text>"
    }

    private static func number(_ value: Double) -> String {
        abs(value) >= 100
            ? Figures.grouped(Int(value.rounded())) : Figures.rounded(value, abs(value) < 0.1 && value != 0 ? 3 : 2)
    }

    /// Text as XML and HTML hold it. By bytes, as names come from files.
    static func escaped(_ text: String) -> String {
        var bytes: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "&"): bytes += Array("&amp;".utf8)
            case UInt8(ascii: "<"): bytes += Array("&lt;".utf8)
            case UInt8(ascii: ">"): bytes += Array("&gt;".utf8)
            case UInt8(ascii: "\""): bytes += Array("&quot;".utf8)
            case 0..<0x20: bytes.append(0x20)
            default: bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
