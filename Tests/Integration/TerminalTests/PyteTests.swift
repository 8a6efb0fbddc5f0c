import Foundation
import TestSupport
import Testing

@testable import TerminalUI

/// What we write, read by a terminal that is not ours: pyte, a VT100 in Python. Our own emulator is held against it, too.
@Suite(.enabled(if: Pyte.isThere, "python3 has no pyte: pip install pyte"), .timeLimit(.minutes(1)))
struct PyteTests {
    /// Clusters of whose width terminals agree.
    private static let clusters = [
        "a", "Z", "0", " ", "  ", "│", "─", "█", "░", "▁", "é", "Ω", "日", "本", "語", "한", "ｱ", "●", "≠", "…",
    ]

    private static func frame(_ random: inout SplitMix64, over previous: Screen) -> Screen {
        var screen = Bool.random(using: &random) ? Screen(previous.size) : previous
        for _ in 0..<Int.random(in: 0...8, using: &random) {
            let text = (0..<Int.random(in: 0...12, using: &random)).map { _ in
                clusters.randomElement(using: &random) ?? ""
            }
            let colors: [Color?] = [nil, .red, .green, .blue, .magenta, .cyan]
            let style = Style(
                colors.randomElement(using: &random) ?? nil, bold: .random(using: &random),
                reversed: .random(using: &random))
            screen.draw(
                text.joined(), x: Int.random(in: 0...30, using: &random), y: Int.random(in: 0...9, using: &random),
                style: style)
        }
        return screen
    }

    @Test(arguments: [UInt64(1), 2, 3])
    func `it shows our frames cell by cell, as our emulator does`(seed: UInt64) throws {
        var random = SplitMix64(seed)
        let size = Size(32, 10)
        var terminal = TerminalEmulator(width: size.width, height: size.height, columns: DisplayWidth.of)
        var (screen, shown) = (Screen(size), Screen?.none)
        var (outputs, expected) = ([String](), [[String]]())
        for _ in 0..<120 {
            screen = Self.frame(&random, over: screen)
            outputs.append(screen.escapes(after: shown))
            shown = screen
            terminal.feed(outputs[outputs.count - 1])
            expected.append(
                (0..<size.height).flatMap { y in (0..<size.width).map { Self.described(terminal[$0, y]) } })
        }
        let seen = try Pyte.cells(of: outputs, width: size.width, height: size.height)
        #expect(seen.count == expected.count)
        for (frame, (theirs, ours)) in zip(seen, expected).enumerated() where theirs != ours {
            let place = zip(theirs, ours).enumerated().first { $1.0 != $1.1 }
            Issue.record("seed \(seed), frame \(frame), cell \(place?.offset ?? -1): \(String(describing: place))")
            return
        }
    }

    /// Text, colour, bold, reversed: as the script below writes them. The second cell of a wide character is blank.
    private static func described(_ cell: TerminalEmulator.Cell) -> String {
        let parameters = cell.style.split(separator: ";")
        let names = ["31": "red", "32": "green", "34": "blue", "35": "magenta", "36": "cyan"]
        let color = parameters.compactMap { names[String($0)] }.first ?? "default"
        return "\(cell.text.map(String.init) ?? "") \(color) \(parameters.contains("1")) \(parameters.contains("7"))"
    }
}

private enum Pyte {
    private static let python = "/usr/bin/env"

    static let isThere = (try? TestCommand.run([python, "python3", "-c", "import pyte"]).exitCode) == 0

    /// The cells after each output, row by row.
    static func cells(of outputs: [String], width: Int, height: Int) throws -> [[String]] {
        let script = """
            import json, pyte, sys
            width, height = int(sys.argv[2]), int(sys.argv[3])
            screen = pyte.Screen(width, height)
            stream = pyte.Stream(screen)
            frames = []
            for output in json.load(open(sys.argv[1], encoding="utf-8")):
                stream.feed(output)
                frames.append([
                    "%s %s %s %s" % (cell.data, cell.fg, str(cell.bold).lower(), str(cell.reverse).lower())
                    for y in range(height) for cell in (screen.buffer[y][x] for x in range(width))])
            json.dump(frames, open(sys.argv[1], "w", encoding="utf-8"))
            """
        let file = try TestEnvironment.temporaryFolder("pyte") + "/frames.json"
        try JSONSerialization.data(withJSONObject: outputs).write(to: URL(fileURLWithPath: file))
        let run = try TestCommand.run([python, "python3", "-c", script, file, "\(width)", "\(height)"])
        guard run.exitCode == 0 else { throw TestServerError(run.output) }
        let frames = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: file)))
        return try #require(frames as? [[String]])
    }
}
