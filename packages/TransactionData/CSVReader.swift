public import Compression

/// Reads RFC 4180 records one after the other: quotes, CRLF or LF, line breaks inside quotes, a byte order mark, a last
/// line without its end. Memory is bounded by the longest record allowed. Not `Sendable`: one reader.
///
/// The first record is the header. A quote inside an unquoted cell is text; blank lines are skipped.
public final class CSVReader {
    /// What messages call the file.
    public let name: String
    /// The column names, in file order. The first may be empty.
    public private(set) var header: [String] = []
    /// The line the present record begins on, counted in physical lines from 1.
    public private(set) var line = 0
    /// The number of cells of the present record.
    public private(set) var cellCount = 0
    /// What is wrong with the present record, or nil: `next` has found its end, so reading can go on.
    public private(set) var defect: String?
    /// Longest record, bytes.
    public static let recordLimit = 8 << 20

    private enum State {
        case cellStart, unquoted, quoted, closingQuote, carriageReturn
    }

    private let source: ByteSource
    private var buffer = [UInt8](repeating: 0, count: 1 << 18)
    private var end = 0  // of the valid bytes
    private var cursor = 0  // next byte to look at
    private var store = 0  // where it goes: behind the cursor once a quote was dropped
    private var recordStart = 0
    private var cellStart = 0  // from recordStart
    private var bounds: [(start: Int, end: Int)] = []  // from recordStart
    private var isSourceAtEnd = false
    private var currentLine = 1
    private var quoteLine = 0
    private var quotedSince = 0  // bytes before the buffer's first are negative
    private var isSkipping = false

    /// Reads the header.
    public init(_ source: ByteSource) throws(CSVError) {
        self.source = source
        name = source.name
        bounds.reserveCapacity(32)
        while end < 4, !isSourceAtEnd { try fill() }
        if buffer[..<end].starts(with: [0xEF, 0xBB, 0xBF]) {
            (cursor, store, recordStart) = (3, 3, 3)
        } else if buffer[..<end].starts(with: [0xFF, 0xFE]) || buffer[..<end].starts(with: [0xFE, 0xFF]) {
            throw .encoding(file: name, found: "UTF-16")
        }
        guard try next() else { throw .empty(file: name) }
        header = (0..<cellCount).map { text($0) }
    }

    /// Goes to the next record; false behind the last.
    public func next() throws(CSVError) -> Bool {
        bounds.removeAll(keepingCapacity: true)
        (recordStart, store, cellStart) = (cursor, cursor, 0)
        line = currentLine
        defect = nil
        isSkipping = false
        var state = State.cellStart
        while true {
            if cursor == end, try !refill(state) { return try finishAtEnd(state) }
            switch scan(&state) {
            case .more: break
            case .record:
                currentLine += 1
                if bounds.count == 1, bounds[0].start == bounds[0].end, !isSkipping, cursor - recordStart <= 2 {
                    // A blank line.
                    bounds.removeAll(keepingCapacity: true)
                    (recordStart, store, cellStart) = (cursor, cursor, 0)
                    line = currentLine
                    continue
                }
                cellCount = bounds.count
                return true
            }
        }
    }

    /// Lends a cell's bytes, unquoted.
    public func withCell<Result, Failure: Error>(
        _ column: Int, _ body: (Span<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let (start, end) = bounds[column]
        let bytes = buffer  // holds the memory while it is lent
        return try body(bytes.span.extracting(recordStart + start..<recordStart + end))
    }

    /// A cell as text; bytes that are not UTF-8 are replaced.
    public func text(_ column: Int) -> String {
        let (start, end) = bounds[column]
        return String(decoding: buffer[recordStart + start..<recordStart + end], as: UTF8.self)
    }

    /// The indexes of columns by name; every one that is missing is named at once, and a name that is there twice is refused.
    public func columns(_ names: [String]) throws(CSVError) -> [Int] {
        var missing: [String] = []
        var duplicates: [String] = []
        var result: [Int] = []
        for name in names {
            let found = header.indices.filter { header[$0] == name }
            if found.isEmpty { missing.append(name) }
            if found.count > 1 { duplicates.append(name) }
            result += found.prefix(1)
        }
        guard missing.isEmpty else {
            // No known name, and digits where names should be: the first row is data.
            let isData = missing.count == names.count && header.contains { Double($0) != nil }
            throw isData
                ? .noHeader(file: name, firstCells: header, needed: names)
                : .missingColumns(file: name, missing: missing, found: header)
        }
        guard duplicates.isEmpty else { throw .duplicateColumns(file: name, names: duplicates) }
        return result
    }

    private enum Progress { case more, record }

    /// Looks at the bytes in the buffer until a record ends or they do.
    private func scan(_ state: inout State) -> Progress {
        let (comma, quote, lineFeed, carriageReturn): (UInt8, UInt8, UInt8, UInt8) = (0x2C, 0x22, 0x0A, 0x0D)
        let (limit, first) = (end, recordStart)
        var (at, to) = (cursor, store)
        defer { (cursor, store) = (at, to) }
        return buffer.withUnsafeMutableBufferPointer { bytes in
            while at < limit {
                switch state {
                case .cellStart:
                    if bytes[at] == quote {
                        at += 1
                        quoteLine = currentLine
                        quotedSince = at
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
                    guard at < limit else { return .more }
                    var cellEnd = to - first
                    let isRecord = byte == lineFeed
                    if isRecord, cellEnd > cellStart, bytes[to - 1] == carriageReturn { cellEnd -= 1 }
                    endCell(cellEnd)
                    bytes[to] = byte
                    at += 1
                    to += 1
                    cellStart = to - first
                    state = .cellStart
                    if isRecord { return .record }
                case .quoted:
                    while at < limit {
                        let byte = bytes[at]
                        if byte == quote { break }
                        if byte == lineFeed { currentLine += 1 }
                        bytes[to] = byte
                        at += 1
                        to += 1
                    }
                    guard at < limit else { return .more }
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
                        endCell(to - first)
                        bytes[to] = byte
                        at += 1
                        to += 1
                        cellStart = to - first
                        state = .cellStart
                        if byte == lineFeed { return .record }
                    case carriageReturn:
                        at += 1
                        state = .carriageReturn
                    default:
                        defect = defect ?? "has text behind a closing quote"
                        state = .unquoted
                    }
                case .carriageReturn:
                    if bytes[at] == lineFeed {
                        state = .closingQuote
                    } else {
                        defect = defect ?? "has text behind a closing quote"
                        state = .unquoted
                    }
                }
            }
            return .more
        }
    }

    private func endCell(_ end: Int) {
        if !isSkipping { bounds.append((cellStart, end)) }
    }

    private func finishAtEnd(_ state: State) throws(CSVError) -> Bool {
        switch state {
        case .quoted: throw .unclosedQuote(file: name, line: quoteLine)
        case .cellStart:
            if bounds.isEmpty, !isSkipping { return false }
            endCell(store - recordStart)  // the line ended with a comma
        case .unquoted:
            var cellEnd = store - recordStart
            if cellEnd > cellStart, buffer[store - 1] == 0x0D { cellEnd -= 1 }
            if bounds.isEmpty, cellEnd == cellStart, !isSkipping { return false }
            endCell(cellEnd)
        case .closingQuote, .carriageReturn: endCell(store - recordStart)
        }
        cellCount = bounds.count
        return true
    }

    /// Makes room and reads on; false at the end of the file.
    private func refill(_ state: State) throws(CSVError) -> Bool {
        guard !isSourceAtEnd else { return false }
        if isSkipping { (recordStart, store, cellStart) = (cursor, cursor, 0) }
        if recordStart > 0 {
            let shift = recordStart
            buffer.withUnsafeMutableBufferPointer { bytes in
                for index in 0..<end - shift { bytes[index] = bytes[index + shift] }
            }
            end -= shift
            cursor -= shift
            store -= shift
            quotedSince -= shift
            recordStart = 0
        }
        if state == .quoted, cursor - quotedSince > Self.recordLimit {
            throw .unclosedQuote(file: name, line: quoteLine)
        }
        if end == buffer.count {
            if buffer.count < Self.recordLimit {
                buffer.append(contentsOf: repeatElement(0, count: buffer.count))
            } else {
                if state == .quoted { throw .unclosedQuote(file: name, line: quoteLine) }
                // Unquoted, so a line end will come: give the record up and go on behind it.
                isSkipping = true
                defect = "is longer than \(Self.recordLimit >> 20) MiB"
                bounds.removeAll(keepingCapacity: true)
                (end, cursor, store, recordStart, cellStart) = (0, 0, 0, 0, 0)
            }
        }
        try fill()
        return cursor < end
    }

    private func fill() throws(CSVError) {
        do throws(CompressionError) {
            let count = try source.read(into: &buffer, from: end)
            if count == 0 { isSourceAtEnd = true }
            end += count
        } catch {
            throw .unreadable(error.description)
        }
    }
}
