import Observability
import Synchronization
import Testing

@Suite struct TerminalTextTests {
    /// Every scalar that a terminal could obey, that forges a line or that changes the order of what is read.
    static let harmful: [Unicode.Scalar] =
        ((0..<0x20).map { $0 } + (0x7F...0x9F).map { $0 } + [0xAD, 0x61C, 0x200B, 0x200E, 0x200F, 0x2028, 0x2029]
        + (0x202A...0x202E).map { $0 } + (0x2060...0x2064).map { $0 } + (0x2066...0x2069).map { $0 }
        + [0xFEFF, 0xFFF9, 0xFFFE, 0xE0001, 0xE0041, 0x10FFFF] as [UInt32])
        .compactMap { Unicode.Scalar($0) }

    @Test func `each harmful scalar becomes one harmless mark`() {
        #expect(Self.harmful.count > 80)
        for scalar in Self.harmful {
            let shown = TerminalText.visible("a\(scalar)b")
            #expect(!shown.unicodeScalars.contains(scalar), "U+\(String(scalar.value, radix: 16))")
            #expect(shown.unicodeScalars.count == 3)
            #expect(!shown.unicodeScalars.contains { TerminalText.isUnsafe($0) })
        }
    }

    @Test func `known texts`() {
        #expect(TerminalText.visible("\u{1B}[2J\u{9B}31m\u{7}\u{7F}") == "␛[2J�31m␇␡")
        #expect(TerminalText.visible("paid\u{202E}0001\u{202C}\u{2028}x") == "paid�0001��x")
        #expect(TerminalText.visible("a\r\nb\tc") == "a␍␊b␉c")
        #expect(TerminalText.visible("a\r\nb\tc", keepingNewlines: true) == "a␍\nb␉c")
        #expect(TerminalText.visible("one\ntwo", keepingNewlines: true) == "one\ntwo")
        #expect(TerminalText.visible("") == "")
    }

    @Test func `what people write stays as it is`() {
        for text in [
            "plain 1,234.50 $", "café, cafe\u{301}", "日本語", "می\u{200C}خواهم", "👩\u{200D}👧", "שלום", "naïve ✓ █░",
        ] {
            #expect(Array(TerminalText.visible(text).utf8) == Array(text.utf8))
        }
    }

    @Test func `a mark that would join what stands before it gets a place of its own`() {
        #expect(TerminalText.visible("\u{301}x") == "\u{25CC}\u{301}x")
        #expect("=\(TerminalText.visible("\u{301}"))".first == "=")
    }

    @Test func `no text of any scalars passes a harmful one, and what is shown stays as it is`() {
        var state: UInt64 = 42
        func next(_ bound: UInt64) -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return (state >> 33) % bound
        }
        for _ in 0..<2_000 {
            var text = ""
            for _ in 0..<next(12) {
                let value = next(3) == 0 ? next(0x110000) : next(0xA0)
                if let scalar = Unicode.Scalar(UInt32(value)) { text.unicodeScalars.append(scalar) }
            }
            let shown = TerminalText.visible(text)
            #expect(!shown.unicodeScalars.contains { TerminalText.isUnsafe($0) })
            #expect(TerminalText.visible(shown) == shown)
        }
    }

    @Test(arguments: [true, false])
    func `a log line escapes each of them, in both forms`(isJSON: Bool) {
        let lines = Mutex<[String]>([])
        let log = Log(
            format: isJSON ? .json : .text(colour: false), nowMillis: { 0 },
            write: { line in lines.withLock { $0.append(line) } })
        for scalar in Self.harmful { log.info("seen", ["na\(scalar)me": "va\(scalar)lue"]) }
        let all = lines.withLock { $0 }
        #expect(all.count == Self.harmful.count)
        for line in all {
            #expect(!line.unicodeScalars.contains { TerminalText.isUnsafe($0) }, "\(line.debugDescription)")
        }
    }

    @Test func `an escape beyond the first plane is a pair, as JSON asks for`() {
        let lines = Mutex<[String]>([])
        let log = Log(format: .json, nowMillis: { 0 }, write: { line in lines.withLock { $0.append(line) } })
        log.info("seen", ["v": "\u{9B}\u{E0001}\u{2028}"])
        #expect(lines.withLock { $0[0].hasSuffix(#""v":"\u009b\udb40\udc01\u2028"}"#) })
    }
}
