/// A terminal as ECMA-48 and xterm describe it, as far as our programs may use it: everything else is noted in `unknown`. Independent
/// of the code that writes to it but for the width of a cluster, on which no two terminals agree.
package struct TerminalEmulator {
    /// One cell; the second of a wide character has no text.
    package struct Cell: Hashable {
        package var text: Character? = " "
        /// The parameters of the last SGR, without leading zeros.
        package var style = ""
    }

    package private(set) var width: Int, height: Int
    package private(set) var cells: [Cell]
    package private(set) var x = 0, y = 0
    package private(set) var style = ""
    /// Private modes that are set.
    package private(set) var modes: Set<Int> = [7, 25]
    /// Sequences and controls outside of the closed list.
    package private(set) var unknown: [String] = []
    private let columns: (Character) -> Int

    package init(width: Int, height: Int, columns: @escaping (Character) -> Int) {
        (self.width, self.height, self.columns) = (width, height, columns)
        cells = Array(repeating: Cell(), count: width * height)
    }

    package mutating func resize(width: Int, height: Int) {
        (self.width, self.height) = (width, height)
        cells = Array(repeating: Cell(text: "x"), count: width * height)  // Nobody may rely on what is left.
        (x, y) = (0, 0)
    }

    package subscript(x: Int, y: Int) -> Cell { cells[y * width + x] }

    /// The text of each row, without trailing spaces.
    package var lines: [String] {
        (0..<height).map { y in
            var line = String((0..<width).compactMap { self[$0, y].text })
            while line.last == " " { line.removeLast() }
            return line
        }
    }

    package mutating func feed(_ text: String) {
        var rest = Substring(text)
        while let character = rest.popFirst() {
            guard character == "\u{1B}" else {
                put(character)
                continue
            }
            switch rest.popFirst() {
            case "[": control(&rest)
            case "]": command(&rest)
            case let other: unknown.append("ESC \(other.map(String.init) ?? "at the end")")
            }
        }
    }

    private mutating func put(_ character: Character) {
        if character.unicodeScalars.contains(where: { $0.value < 0x20 || (0x7F..<0xA0).contains($0.value) }) {
            unknown.append("control \(character.unicodeScalars.map(\.value))")
            return
        }
        let wide = columns(character)
        guard wide > 0, x < width, y < height else { return }
        let place = y * width + x
        // Half of a wide character that is written over is blank.
        if cells[place].text == nil, x > 0 { cells[place - 1].text = " " }
        if x + wide < width, cells[place + wide].text == nil { cells[place + wide].text = " " }
        cells[place] = Cell(text: character, style: style)
        if wide == 2, x + 1 < width { cells[place + 1] = Cell(text: nil, style: style) }
        x += wide
    }

    private mutating func control(_ rest: inout Substring) {
        let parameters = rest.prefix { !($0.isASCII && $0.asciiValue.map { (0x40...0x7E).contains($0) } == true) }
        rest = rest.dropFirst(parameters.count)
        guard let final = rest.popFirst() else { return unknown.append("CSI at the end") }
        let numbers = parameters.split(separator: ";", omittingEmptySubsequences: false).map { Int($0) ?? 0 }
        switch (final, parameters.first) {
        case ("H", _) where numbers.count == 2: (y, x) = (numbers[0] - 1, numbers[1] - 1)
        case ("J", _) where numbers == [2]: cells = cells.map { _ in Cell() }
        case ("m", _): style = numbers == [0] ? "" : numbers.drop { $0 == 0 }.map(String.init).joined(separator: ";")
        case ("c", nil): break
        case ("h", "?"), ("l", "?"):
            let mode = Int(parameters.dropFirst()) ?? 0
            guard [7, 25, 1000, 1006, 1007, 1049, 2004, 2026].contains(mode) else { fallthrough }
            if final == "h" { modes.insert(mode) } else { modes.remove(mode) }
        default: unknown.append("CSI \(parameters)\(final)")
        }
    }

    private mutating func command(_ rest: inout Substring) {
        guard let end = rest.firstIndex(of: "\u{07}") else { return unknown.append("OSC without an end") }
        let text = rest[..<end]
        rest = rest[rest.index(after: end)...]
        if text != "11;?", !text.hasPrefix("52;c;") { unknown.append("OSC \(text)") }
    }
}
