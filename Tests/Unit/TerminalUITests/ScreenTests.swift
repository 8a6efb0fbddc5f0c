import TestSupport
import Testing

@testable import TerminalUI

@Suite struct DisplayWidthTests {
    @Test(arguments: [
        ("plain", 5), ("日本語のリスト", 14), ("😀😀", 4), ("🫡", 2), ("e\u{301}", 1), ("👨‍👩‍👧‍👦", 2), ("❤\u{FE0F}", 2), ("한글", 4),
        ("", 0),
        ("é", 1), ("Ω", 1), ("\u{200B}", 0), ("\t", 1), ("\r\n", 1), ("\u{9B}", 1), ("\u{202E}", 1), ("\u{2028}", 1),
        ("a\u{1B}b", 3), ("a\u{202E}b", 3),
    ])
    func `counts columns`(text: String, columns: Int) {
        #expect(DisplayWidth.of(text) == columns)
    }

    @Test(arguments: ["日本語のリスト", "😀😀😀", "👨‍👩‍👧‍👦👨‍👩‍👧‍👦", "e\u{301}e\u{301}e\u{301}", "plain text", ""], 0...12)
    func `cutting never splits a cluster and never passes the width`(text: String, columns: Int) {
        let cut = DisplayWidth.cut(text, to: columns)
        #expect(DisplayWidth.of(cut) <= columns)
        let kept = cut.hasSuffix("…") ? cut.dropLast() : cut[...]
        #expect(text.hasPrefix(kept))
        #expect(Array(text).starts(with: Array(kept)))
        #expect(DisplayWidth.of(DisplayWidth.fit(text, to: columns)) == columns)
    }
}

@Suite struct ScreenTests {
    @Test func `draws text and cuts it at the edge`() {
        var screen = Screen(Size(8, 2))
        screen.draw("hello world", x: 1, y: 0)
        screen.draw("日本語のリスト", x: 0, y: 1)
        #expect(screen.lines == [" hello …", "日本語…"])
    }

    @Test func `a control character in data becomes a mark in one cell`() {
        var screen = Screen(Size(10, 1))
        screen.draw("a\u{1B}[2Jb\tc", x: 0, y: 0)
        #expect(screen.lines == ["a?[2Jb?c"])
    }

    /// Every scalar that a terminal may obey, and clusters that are awkward to measure.
    @Test func `a cell of any text leaves what stands to its right in its column`() {
        let controls =
            Array(0..<0x20) + Array(0x7F..<0xA0) + [0x061C, 0x200E, 0x200F] + Array(0x2028...0x202E)
            + Array(0x2066...0x2069)
        let texts =
            controls.compactMap { Unicode.Scalar(UInt32($0)) }.map { "x\($0)y" }
            + [
                "\r\n", "日本語のリスト", "😀😀", "🫡", "e\u{301}", "\u{301}", "👨‍👩‍👧‍👦", "1\u{FE0F}\u{20E3}", "\u{FE0F}", "\u{200B}",
                "e" + String(repeating: "\u{301}", count: 5_000),
                "🏴\u{E0067}\u{E0062}\u{E0065}\u{E006E}\u{E0067}\u{E007F}",
            ]
        for text in texts {
            for width in 1...9 {
                var screen = Screen(Size(20, 1))
                screen.draw(DisplayWidth.fit(text, to: width) + "|", x: 0, y: 0)
                var terminal = TerminalEmulator(width: 20, height: 1, columns: DisplayWidth.of)
                terminal.feed(screen.escapes(after: nil))
                #expect(terminal[width, 0].text == "|", "\(Array(text.unicodeScalars).prefix(4)) in \(width) columns")
                #expect(screen.escapes(after: nil).utf8.count < 300)
            }
        }
    }

    @Test func `without colours only bold and reversed are left`() {
        var screen = Screen(Size(6, 1))
        screen.draw("ab", x: 0, y: 0, style: Style(.red, bold: true))
        screen.draw("cd", x: 2, y: 0, style: Style(.cyan, reversed: true))
        #expect(screen.escapes(after: nil).contains("\u{1B}[0;1;31mab"))
        let plain = screen.escapes(after: nil, palette: Palette(depth: .none))
        #expect(plain.contains("\u{1B}[0;1mab") && plain.contains("\u{1B}[0;7mcd"))
        #expect(plain.wholeMatch(of: /.*;3[0-9]m.*/) == nil)
    }

    @Test(
        arguments: [
            (nil, "xterm-256color", .indexed), ("", "xterm", .sixteen), ("1", "xterm", .none), ("0", "xterm", .none),
            (nil, "vt100", .none), (nil, "vt220", .none), (nil, "xterm-mono", .none), (nil, "screen", .sixteen),
            (nil, "xterm-direct", .full),
        ] as [(String?, String, ColourDepth)])
    func `colours depend on NO_COLOR and the kind of terminal`(noColor: String?, kind: String, depth: ColourDepth) {
        #expect(Terminal.depth(noColor: noColor, kind: kind) == depth)
        let full: ColourDepth = depth == .none ? .none : .full
        #expect(Terminal.depth(noColor: noColor, kind: kind, colorTerm: "truecolor") == full)
    }

    @Test(arguments: [(0, 0), (1, 1), (2, 1), (3, 2), (20, 5), (500, 200)])
    func `drawing outside the frame is harmless`(width: Int, height: Int) {
        var screen = Screen(Size(width, height))
        for (x, y) in [(-1, 0), (0, -1), (width, 0), (0, height), (1_000, 1_000), (width - 1, height - 1), (0, 0)] {
            screen.draw("日本", x: x, y: y)
            screen.drawBox("title", x: x, y: y, width: width + 3, height: height + 3)
            screen.drawSparkline([1, 2, .nan, .infinity, 0], x: x, y: y, columns: width)
            screen.drawBar(2, x: x, y: y, columns: width)
            screen.drawPlot([1, 2, .nan, .infinity, -1, 0], x: x, y: y, columns: width, rows: height)
        }
        #expect(screen.lines.count == height)
        #expect(screen.lines.allSatisfy { DisplayWidth.of($0) <= width })
    }

    @Test(arguments: [UInt64(1), 2, 3, 4])
    func `changes applied to the frame before give the next frame`(seed: UInt64) {
        var random = SplitMix64(seed)
        var terminal = TerminalEmulator(width: 24, height: 6, columns: DisplayWidth.of)
        var previous: Screen?
        for _ in 0..<60 {
            var screen = Screen(Size(24, 6))
            for _ in 0..<8 {
                let texts = ["plain", "日本語", "😀", "e\u{301}x", "│█░", "          "]
                screen.draw(
                    texts[Int(random.next() % 6)], x: Int(random.next() % 24), y: Int(random.next() % 6),
                    style: Style(random.next() % 2 == 0 ? .red : nil))
            }
            terminal.feed(screen.escapes(after: previous))
            #expect(terminal.lines == screen.lines, "seed \(seed)")
            previous = screen
        }
        #expect(previous?.escapes(after: previous) == "")
    }
}

@Suite struct KeyDecoderTests {
    static let stream: [UInt8] = Array("q\u{1B}[A\u{1B}[5~é\u{1B}OB\r\u{3}x".utf8)
    static let keys: [Key] = [
        .character("q"), .up, .pageUp, .character("é"), .down, .enter, .control("c"), .character("x"),
    ]

    @Test(arguments: 1...9)
    func `keys survive any split of their bytes`(chunk: Int) {
        var decoder = KeyDecoder()
        var keys: [Key] = []
        var start = 0
        while start < Self.stream.count {
            keys += decoder.decode(Self.stream[start..<min(start + chunk, Self.stream.count)])
            start += chunk
        }
        #expect(keys == Self.keys)
    }

    /// Whatever is in a paste, and however its bytes come, no key comes of it.
    @Test(arguments: [1, 2, 3, 7, 64, 100_000], ["q", "a\r\u{1B}[Aq", String(repeating: "F", count: 20_000)])
    func `a paste is text only, in any pieces, and capped`(chunk: Int, text: String) {
        var decoder = KeyDecoder()
        let bytes = Array("\u{1B}[200~\(text)\u{1B}[201~".utf8)
        var keys: [Key] = []
        for start in stride(from: 0, to: bytes.count, by: chunk) {
            keys += decoder.decode(bytes[start..<min(start + chunk, bytes.count)])
        }
        #expect(keys == [.pasted(String(text.prefix(KeyDecoder.longestPaste)))])
        #expect(decoder.flush().isEmpty)
        #expect(decoder.decode("x".utf8) == [.character("x")])
    }

    @Test func `what stands behind the end of a paste in one piece was pasted, too`() {
        var decoder = KeyDecoder()
        #expect(decoder.decode("\u{1B}[200~a\u{1B}[201~F\rq\u{1B}[201~".utf8) == [.pasted("a")])
    }

    @Test(arguments: 1...30)
    func `the terminal says whether it is light, in any pieces`(chunk: Int) {
        for (answer, isLight) in [
            ("\u{1B}]11;rgb:ffff/ffff/eeee\u{07}", true), ("\u{1B}]11;rgb:1010/0000/2020\u{1B}\\", false),
        ] {
            var decoder = KeyDecoder()
            let bytes = Array((answer + "\u{1B}[?62;22cx").utf8)
            var keys: [Key] = []
            for start in stride(from: 0, to: bytes.count, by: chunk) {
                keys += decoder.decode(bytes[start..<min(start + chunk, bytes.count)])
            }
            #expect(keys == [.background(isLight: isLight), .character("x")])
        }
    }

    @Test func `ESC and a key in one piece are Esc, then the key`() {
        var decoder = KeyDecoder()
        #expect(decoder.decode("\u{1B}x".utf8) == [.escape, .character("x")])
        #expect(decoder.decode("\u{1B}]x".utf8) == [.escape, .character("]"), .character("x")])
        #expect(decoder.decode("\u{1B}[<64;10;5M\u{1B}[<65;10;5M\u{1B}[<0;1;1M".utf8) == [.up, .down])
    }

    @Test func `a lone escape is a key once nothing follows`() {
        var decoder = KeyDecoder()
        #expect(decoder.decode([0x1B]).isEmpty)
        #expect(decoder.flush() == [.escape])
        #expect(decoder.decode([0xFF, 0x61]) == [.character("a")])
    }
}
