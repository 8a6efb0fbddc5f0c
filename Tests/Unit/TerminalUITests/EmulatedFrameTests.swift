import Foundation
import TestSupport
import Testing

@testable import TerminalUI

/// What is written for a frame, read by a terminal, is the frame.
@Suite struct EmulatedFrameTests {
    /// Frame pairs of each seed; NEEDLETAIL_SOAK=1 makes them 10,000 altogether.
    static let pairs = ProcessInfo.processInfo.environment["NEEDLETAIL_SOAK"] == nil ? 150 : 2_500
    static let clusters = [
        "a", "Z", " ", "│", "█", "é", "e\u{301}", "日", "本", "😀", "👨‍👩‍👧‍👦", "🇩🇪", "ﷺ", "\u{200B}", "\u{1B}", "\u{9B}",
        "\t", "\u{202E}", "ｱ", "한", "☺️", "\u{301}",
    ]

    static func draw(_ random: inout SplitMix64, into screen: inout Screen) {
        for _ in 0..<Int.random(in: 0...8, using: &random) {
            let text = (0..<Int.random(in: 0...12, using: &random)).map { _ in
                clusters.randomElement(using: &random) ?? ""
            }
            let colors: [Color?] = [nil, .red, .cyan, .grey]
            let style = Style(
                colors.randomElement(using: &random) ?? nil, bold: .random(using: &random),
                reversed: .random(using: &random))
            screen.draw(
                text.joined(), x: Int.random(in: -1...30, using: &random), y: Int.random(in: -1...9, using: &random),
                style: style)
        }
    }

    @Test(arguments: [UInt64(1), 2, 3, 4], [ColourDepth.none, .sixteen, .indexed, .full])
    func `differences of random frames give the frames`(seed: UInt64, depth: ColourDepth) {
        var random = SplitMix64(seed)
        let palette = Palette(depth: depth)
        var terminal = TerminalEmulator(width: 24, height: 8, columns: DisplayWidth.of)
        var shown: Screen?
        var screen = Screen(Size(24, 8))
        for round in 0..<(Self.pairs / 4 + 1) {
            if Int.random(in: 0..<20, using: &random) == 0 {
                let size = Size(Int.random(in: 0...40, using: &random), Int.random(in: 0...12, using: &random))
                terminal.resize(width: size.width, height: size.height)
                screen = Screen(size)
            } else if Bool.random(using: &random) {
                screen = Screen(screen.size)
            }
            Self.draw(&random, into: &screen)
            terminal.feed(screen.escapes(after: shown, palette: palette))
            shown = screen
            #expect(terminal.unknown.isEmpty, "seed \(seed), round \(round): \(terminal.unknown)")
            for y in 0..<screen.size.height {
                for x in 0..<screen.size.width {
                    let (cell, drawn) = (terminal[x, y], screen[x, y])
                    let style = drawn.style.escape(palette).dropFirst(2).dropLast().split(separator: ";").drop {
                        $0 == "0"
                    }
                    guard cell.text == drawn.text, cell.style == style.joined(separator: ";") else {
                        Issue.record("seed \(seed), round \(round), \(x),\(y): \(cell) is not \(drawn)")
                        return
                    }
                }
            }
        }
    }

    @Test(arguments: [UInt64(5), 6])
    func `a frame in ASCII is ASCII, and every cell keeps its place`(seed: UInt64) {
        var random = SplitMix64(seed)
        for _ in 0..<Self.pairs {
            var screen = Screen(Size(24, 8))
            Self.draw(&random, into: &screen)
            screen.drawBox("ä", x: 0, y: 0, width: 10, height: 4)
            let ascii = screen.using(.ascii)
            #expect(ascii.lines.allSatisfy { $0.utf8.allSatisfy { $0 < 0x80 } })
            #expect(ascii[0, 0].text == "+" && ascii[0, 1].text == "|")
            #expect(ascii.cells.allSatisfy { $0.text != nil })
            #expect(screen.using(.unicode) == screen)
        }
    }

    @Test(
        arguments: [
            ([nil, nil, "C.UTF-8"], Glyphs.unicode), ([nil, nil, nil], .ascii),
            (["C", "de_DE.UTF-8", "de_DE.UTF-8"], .ascii),
            (["", nil, "en_US.utf8"], .unicode), ([nil, "POSIX", "en_US.UTF-8"], .ascii),
            ([nil, nil, "de_DE@euro"], .ascii), ([nil, nil, "de_DE.UTF-8@euro"], .unicode),
        ] as [([String?], Glyphs)])
    func `the locale says which characters there are`(variables: [String?], glyphs: Glyphs) {
        #expect(Glyphs.of(locale: variables) == glyphs)
    }

    @Test(arguments: Theme.all, ColourDepth.allCases)
    func `no theme tells anything by colour alone`(theme: Theme, depth: ColourDepth) {
        let palette = Palette(theme, depth: depth)
        let reversed = Style(.red, bold: true, reversed: true).escape(palette)
        #expect(reversed.hasPrefix("\u{1B}[0;1;7"))
        #expect((Style(.red).escape(palette) == "\u{1B}[0m") == (theme.name == "mono" || depth == .none))
    }

    @Test func `a picture has every text once, escaped`() {
        var screen = Screen(Size(20, 2))
        screen.draw("a<b & \"c\"", x: 0, y: 0, style: Style(.red))
        screen.draw("日本", x: 3, y: 1, style: Style(bold: true, reversed: true))
        let svg = screen.svg()
        #expect(svg.contains(">a&lt;b &amp; \"c\"</text>") && svg.contains(">日本</text>"))
        #expect(svg.contains("font-weight=\"bold\"") && svg.hasPrefix("<svg ") && svg.hasSuffix("</svg>\n"))
    }

    @Test(arguments: ["", "f", "fo", "foo", "foob", "fooba", "foobar", "日本\u{1B}"])
    func `base 64 is that of RFC 4648`(text: String) {
        #expect(Base64.text(Array(text.utf8)) == Data(text.utf8).base64EncodedString())
    }
}
