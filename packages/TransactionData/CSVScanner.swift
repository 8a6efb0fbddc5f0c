internal import Compression
internal import FeatureEngine

/// The state machine behind `CSVReader`: a value with one owner, so that the hot loop works on its own memory.
struct CSVScanner {
    let source: ByteSource
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
        while end < 4, !isSourceAtEnd { try fill() }
        if buffer[..<end].starts(with: [0xEF, 0xBB, 0xBF]) {
            (cursor, store, recordStart) = (3, 3, 3)
        } else if buffer[..<end].starts(with: [0xFF, 0xFE]) || buffer[..<end].starts(with: [0xFE, 0xFF]) {
            throw .encoding(file: source.name, found: "UTF-16")
        }
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
        let (comma, quote, lineFeed, carriageReturn): (UInt8, UInt8, UInt8, UInt8) = (0x2C, 0x22, 0x0A, 0x0D)
        let (limit, first, keepsCells) = (end, recordStart, !isSkipping)
        var (at, to, start) = (cursor, store, cellStart)
        var (lineNow, quoteNow, quotedNow) = (currentLine, quoteLine, quotedSince)
        var hasTextBehindQuote = false
        var found: [Cell] = []
        swap(&found, &cells)
        let isRecord = buffer.withUnsafeMutableBufferPointer { bytes in
            while at < limit {
                switch state {
                case .cellStart:
                    if bytes[at] == quote {
                        at += 1
                        quoteNow = lineNow
                        quotedNow = at
                        state = .quoted
                    } else {
                        state = .unquoted
                    }
                case .unquoted:
                    var byte: UInt8 = 0
                    if at == to {
                        while at < limit {
                            byte = bytes[at]
                            if byte == comma || byte == lineFeed { break }
                            at += 1
                        }
                        to = at
                    } else {
                        while at < limit {
                            byte = bytes[at]
                            if byte == comma || byte == lineFeed { break }
                            bytes[to] = byte
                            at += 1
                            to += 1
                        }
                    }
                    guard at < limit else { return false }
                    var cellEnd = to - first
                    let isLast = byte == lineFeed
                    if isLast, cellEnd > start, bytes[to - 1] == carriageReturn { cellEnd -= 1 }
                    if keepsCells { found.append(Cell(start: start, end: cellEnd)) }
                    bytes[to] = byte
                    at += 1
                    to += 1
                    start = to - first
                    state = .cellStart
                    if isLast { return true }
                case .quoted:
                    while at < limit {
                        let byte = bytes[at]
                        if byte == quote { break }
                        if byte == lineFeed { lineNow += 1 }
                        bytes[to] = byte
                        at += 1
                        to += 1
                    }
                    guard at < limit else { return false }
                    at += 1
                    state = .closingQuote
                case .closingQuote:
                    let byte = bytes[at]
                    switch byte {
                    case quote:
                        bytes[to] = quote
                        at += 1
                        to += 1
                        state = .quoted
                    case comma, lineFeed:
                        if keepsCells { found.append(Cell(start: start, end: to - first)) }
                        bytes[to] = byte
                        at += 1
                        to += 1
                        start = to - first
                        state = .cellStart
                        if byte == lineFeed { return true }
                    case carriageReturn:
                        at += 1
                        state = .carriageReturn
                    default:
                        hasTextBehindQuote = true
                        state = .unquoted
                    }
                case .carriageReturn:
                    if bytes[at] == lineFeed {
                        state = .closingQuote
                    } else {
                        hasTextBehindQuote = true
                        state = .unquoted
                    }
                }
            }
            return false
        }
        swap(&found, &cells)
        (cursor, store, cellStart) = (at, to, start)
        (currentLine, quoteLine, quotedSince) = (lineNow, quoteNow, quotedNow)
        if hasTextBehindQuote, defect == nil { defect = "has text behind a closing quote" }
        return isRecord
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
