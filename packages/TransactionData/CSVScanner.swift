internal import Compression
internal import FeatureEngine

/// The state machine behind `CSVReader`: a value with one owner, so that the hot loop works on its own memory.
///
///     cellStart ──"──▶ quoted ──"──▶ closingQuote ──"──▶ quoted (a doubled quote is one)
///         │                               ├── comma, end of line ──▶ cellStart
///         └─ any other ─▶ unquoted        └── other text ──▶ a defect; the record is read on as if unquoted
///
/// A quoted cell may hold line ends, so a record cannot be found by looking for them; the bytes are read once, in order, and
/// unquoted in place: behind the first doubled quote they move to the left (`store` runs behind `cursor`), and a cell is a
/// range of the buffer, never a copy. When the buffer ends inside a record, the record moves to its front and reading goes on in
/// the state it was in, so where the input is cut makes no difference.
///
/// A quote that never closes would swallow the rest of the file as one cell. Past a bound, or at the end of the file, reading ends
/// with an error that names the line on which the quote was opened; memory stays bounded however long the file is.
struct CSVScanner {
    let source: ByteSource
    /// What stands between cells: what a line such as `sep=;` before the header says, else what the header shows.
    private(set) var separator: UInt8 = 0x2C
    private(set) var line = 0
    private(set) var cells: [Cell] = []
    private(set) var defect: String?

    /// Where a cell lies, from the record's first byte.
    struct Cell {
        let start: Int
        let end: Int
    }

    private enum State {
        case cellStart, unquoted, quoted, closingQuote, carriageReturn
    }

    private var buffer = [UInt8](repeating: 0, count: 1 << 18)
    private var end = 0  // of the valid bytes
    private var cursor = 0  // next byte to look at
    private var store = 0  // where it goes: behind the cursor once a quote was dropped
    private var recordStart = 0
    private var cellStart = 0  // from recordStart
    private var isSourceAtEnd = false
    private var currentLine = 1
    private var quoteLine = 0
    private var quotedSince = 0  // bytes before the buffer's first are negative
    private var isSkipping = false

    init(_ source: ByteSource) throws(CSVError) {
        self.source = source
        cells.reserveCapacity(32)
        while end < buffer.count, !isSourceAtEnd, !buffer[..<end].contains(0x0A) { try fill() }
        if buffer[..<end].starts(with: [0xEF, 0xBB, 0xBF]) {
            (cursor, store, recordStart) = (3, 3, 3)
        } else if buffer[..<end].starts(with: [0xFF, 0xFE]) || buffer[..<end].starts(with: [0xFE, 0xFF]) {
            throw .encoding(file: source.name, found: "UTF-16")
        }
        if !takeSeparatorLine() { separator = Self.separator(ofHeader: buffer[cursor..<end]) }
    }

    /// A header without a comma that holds semicolons, tabs or bars is separated by those: spreadsheets write what their country does.
    private static func separator(ofHeader bytes: ArraySlice<UInt8>) -> UInt8 {
        let marks: [UInt8] = [0x2C, 0x3B, 0x09, 0x7C]  // the comma wins
        var counts = [0, 0, 0, 0]
        var isQuoted = false
        for byte in bytes {
            if byte == 0x22 { isQuoted.toggle() }
            if byte == 0x0A, !isQuoted { break }
            if !isQuoted, let mark = marks.firstIndex(of: byte) { counts[mark] += 1 }
        }
        guard counts[0] == 0, let most = counts.max(), most > 0, let mark = counts.firstIndex(of: most) else {
            return marks[0]
        }
        return marks[mark]
    }

    /// `sep=;`, as spreadsheets write it before the header.
    private mutating func takeSeparatorLine() -> Bool {
        let line = buffer[cursor..<end].prefix(7)
        guard line.starts(with: Array("sep=".utf8)), line.count >= 6 else { return false }
        let (mark, after) = (line[line.startIndex + 4], line.dropFirst(5))
        guard mark != 0x22, mark != 0x0A, mark != 0x0D, after.first == 0x0A || after.starts(with: [0x0D, 0x0A]) else {
            return false
        }
        separator = mark
        cursor += after.first == 0x0A ? 6 : 7
        (store, recordStart, currentLine) = (cursor, cursor, 2)
        return true
    }

    /// Goes to the next record; false behind the last.
    mutating func next() throws(CSVError) -> Bool {
        cells.removeAll(keepingCapacity: true)
        (recordStart, store, cellStart) = (cursor, cursor, 0)
        line = currentLine
        if defect != nil { defect = nil }
        isSkipping = false
        var state = State.cellStart
        while true {
            if cursor == end, try !refill(state) { return try finishAtEnd(state) }
            guard scan(&state) else { continue }
            currentLine += 1
            if cells.count == 1, cells[0].start == cells[0].end, !isSkipping, cursor - recordStart <= 2 {
                // A blank line.
                cells.removeAll(keepingCapacity: true)
                (recordStart, store, cellStart) = (cursor, cursor, 0)
                line = currentLine
                continue
            }
            return true
        }
    }

    /// Lends a cell's bytes, unquoted.
    func withCell<Result, Failure: Error>(
        _ column: Int, _ body: (Span<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(buffer.span.extracting(recordStart + cells[column].start..<recordStart + cells[column].end))
    }

    func text(_ column: Int) -> String {
        String(decoding: buffer[recordStart + cells[column].start..<recordStart + cells[column].end], as: UTF8.self)
    }

    /// Sets the fields of `row` from the cells of `columns`, one a field.
    func fill(_ row: inout SourceRow, from columns: [Int?]) throws(FieldError) {
        let bytes = buffer.span
        for index in columns.indices {
            guard let column = columns[index] else { continue }
            let cell = cells[column]
            try row.set(index, text: bytes.extracting(recordStart + cell.start..<recordStart + cell.end))
        }
    }

    /// Looks at the bytes in the buffer until a record ends (true) or they do.
    private mutating func scan(_ state: inout State) -> Bool {
        let (limit, first, keepsCells, separator) = (end, recordStart, !isSkipping, separator)
        var place = Place(
            at: cursor, to: store, start: cellStart, line: currentLine, quoteLine: quoteLine, quotedSince: quotedSince)
        var found: [Cell] = []
        swap(&found, &cells)
        let isRecord = buffer.withUnsafeMutableBytes { bytes in
            guard let base = bytes.baseAddress else { return false }
            return Self.scan(base, limit, first, keepsCells, separator, &state, &place, &found)
        }
        swap(&found, &cells)
        (cursor, store, cellStart) = (place.at, place.to, place.start)
        (currentLine, quoteLine, quotedSince) = (place.line, place.quoteLine, place.quotedSince)
        if place.hasTextBehindQuote, defect == nil { defect = "has text behind a closing quote" }
        return isRecord
    }

    /// Where a scan is; see the scanner's fields of these names.
    private struct Place {
        var at: Int
        var to: Int
        var start: Int
        var line: Int
        var quoteLine: Int
        var quotedSince: Int
        var hasTextBehindQuote = false
    }

    private static func scan(
        _ bytes: UnsafeMutableRawPointer, _ limit: Int, _ first: Int, _ keepsCells: Bool, _ mark: UInt8,
        _ state: inout State, _ place: inout Place, _ found: inout [Cell]
    ) -> Bool {
        let (quote, lineFeed, carriageReturn): (UInt8, UInt8, UInt8) = (0x22, 0x0A, 0x0D)
        var (at, to, start) = (place.at, place.to, place.start)
        defer { (place.at, place.to, place.start) = (at, to, start) }
        func byte(_ index: Int) -> UInt8 { bytes.load(fromByteOffset: index, as: UInt8.self) }
        func put(_ value: UInt8, _ index: Int) { bytes.storeBytes(of: value, toByteOffset: index, as: UInt8.self) }
        while at < limit {
            switch state {
            case .cellStart:
                if byte(at) == quote {
                    at += 1
                    place.quoteLine = place.line
                    place.quotedSince = at
                    state = .quoted
                } else {
                    state = .unquoted
                }
            case .unquoted:
                let from = at
                at = Self.endOfCell(UnsafeRawPointer(bytes), at, limit, mark)
                if from == to {
                    to = at
                } else {
                    for index in from..<at {
                        put(byte(index), to)
                        to += 1
                    }
                }
                guard at < limit else { return false }
                let separator = byte(at)
                var cellEnd = to - first
                let isLast = separator == lineFeed
                if isLast, cellEnd > start, byte(to - 1) == carriageReturn { cellEnd -= 1 }
                if keepsCells { found.append(Cell(start: start, end: cellEnd)) }
                put(separator, to)
                at += 1
                to += 1
                start = to - first
                state = .cellStart
                if isLast { return true }
            case .quoted:
                while at < limit {
                    let next = byte(at)
                    if next == quote { break }
                    if next == lineFeed { place.line += 1 }
                    put(next, to)
                    at += 1
                    to += 1
                }
                guard at < limit else { return false }
                at += 1
                state = .closingQuote
            case .closingQuote:
                let next = byte(at)
                switch next {
                case quote:
                    put(quote, to)
                    at += 1
                    to += 1
                    state = .quoted
                case mark, lineFeed:
                    if keepsCells { found.append(Cell(start: start, end: to - first)) }
                    put(next, to)
                    at += 1
                    to += 1
                    start = to - first
                    state = .cellStart
                    if next == lineFeed { return true }
                case carriageReturn:
                    at += 1
                    state = .carriageReturn
                default:
                    place.hasTextBehindQuote = true
                    state = .unquoted
                }
            case .carriageReturn:
                if byte(at) == lineFeed {
                    state = .closingQuote
                } else {
                    place.hasTextBehindQuote = true
                    state = .unquoted
                }
            }
        }
        return false
    }

    /// The first separator or line feed, or `limit`. Eight bytes at a time: `x - 0x01…` borrows into a byte's high bit where the
    /// byte is zero; the lowest such bit is exact.
    @inline(__always)
    private static func endOfCell(_ bytes: UnsafeRawPointer, _ from: Int, _ limit: Int, _ mark: UInt8) -> Int {
        var at = from
        let marks = UInt64(mark) &* 0x0101_0101_0101_0101
        while at + 8 <= limit {
            let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self))
            let separators = word ^ marks
            let lineFeeds = word ^ 0x0A0A_0A0A_0A0A_0A0A
            let found =
                ((separators &- 0x0101_0101_0101_0101) & ~separators | (lineFeeds &- 0x0101_0101_0101_0101) & ~lineFeeds)
                & 0x8080_8080_8080_8080
            if found != 0 { return at + (found.trailingZeroBitCount >> 3) }
            at += 8
        }
        while at < limit {
            let byte = bytes.load(fromByteOffset: at, as: UInt8.self)
            if byte == mark || byte == 0x0A { break }
            at += 1
        }
        return at
    }

    private mutating func endCell(_ end: Int) {
        if !isSkipping { cells.append(Cell(start: cellStart, end: end)) }
    }

    private mutating func finishAtEnd(_ state: State) throws(CSVError) -> Bool {
        switch state {
        case .quoted: throw .unclosedQuote(file: source.name, line: quoteLine)
        case .cellStart:
            if cells.isEmpty, !isSkipping { return false }
            endCell(store - recordStart)  // the line ended with a comma
        case .unquoted:
            var cellEnd = store - recordStart
            if cellEnd > cellStart, buffer[store - 1] == 0x0D { cellEnd -= 1 }
            if cells.isEmpty, cellEnd == cellStart, !isSkipping { return false }
            endCell(cellEnd)
        case .closingQuote, .carriageReturn: endCell(store - recordStart)
        }
        return true
    }

    /// Makes room and reads on; false at the end of the file.
    private mutating func refill(_ state: State) throws(CSVError) -> Bool {
        guard !isSourceAtEnd else { return false }
        if isSkipping { (recordStart, store, cellStart) = (cursor, cursor, 0) }
        if recordStart > 0 {
            let shift = recordStart
            let count = end - shift
            buffer.withUnsafeMutableBufferPointer { bytes in
                for index in 0..<count { bytes[index] = bytes[index + shift] }
            }
            end -= shift
            cursor -= shift
            store -= shift
            quotedSince -= shift
            recordStart = 0
        }
        if state == .quoted, cursor - quotedSince > CSVReader.recordLimit {
            throw .unclosedQuote(file: source.name, line: quoteLine)
        }
        if end == buffer.count {
            if buffer.count < CSVReader.recordLimit {
                buffer.append(contentsOf: repeatElement(0, count: buffer.count))
            } else {
                if state == .quoted { throw .unclosedQuote(file: source.name, line: quoteLine) }
                // Unquoted, so a line end will come: give the record up and go on behind it.
                isSkipping = true
                defect = "is longer than \(CSVReader.recordLimit >> 20) MiB"
                cells.removeAll(keepingCapacity: true)
                (end, cursor, store, recordStart, cellStart) = (0, 0, 0, 0, 0)
            }
        }
        try fill()
        return cursor < end
    }

    private mutating func fill() throws(CSVError) {
        do throws(CompressionError) {
            let count = try source.read(into: &buffer, from: end)
            if count == 0 { isSourceAtEnd = true }
            end += count
        } catch {
            throw .unreadable(error.description)
        }
    }
}
