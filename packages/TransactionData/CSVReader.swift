public import Compression

/// Reads RFC 4180 records one after the other: quotes, CRLF or LF, line breaks inside quotes, a byte order mark, a last
/// line without its end. Memory is bounded by the longest record allowed. Not `Sendable`: one reader.
///
/// The first record is the header. Cells are separated by commas, or by semicolons, tabs or bars where the header has those and no
/// comma; a line such as `sep=;` before it names any other separator. A quote inside an unquoted cell is text; blank lines are
/// skipped.
public final class CSVReader {
    /// The column names, in file order. The first may be empty.
    public let header: [String]
    /// Longest record, bytes.
    public static let recordLimit = 8 << 20

    var scanner: CSVScanner

    /// Reads the header.
    public init(_ source: ByteSource) throws(CSVError) {
        var scanner = try CSVScanner(source)
        guard try scanner.next() else { throw .empty(file: source.name) }
        header = scanner.cells.indices.map { scanner.text($0) }
        self.scanner = scanner
    }

    /// What messages call the file.
    public var name: String { scanner.source.name }
    /// The line the present record begins on, counted in physical lines from 1.
    public var line: Int { scanner.line }
    /// The number of cells of the present record.
    public var cellCount: Int { scanner.cells.count }
    /// What is wrong with the present record, or nil: `next` has found its end, so reading can go on.
    public var defect: String? { scanner.defect }

    /// Goes to the next record; false behind the last.
    public func next() throws(CSVError) -> Bool { try scanner.next() }

    /// Lends a cell's bytes, unquoted.
    public func withCell<Result, Failure: Error>(
        _ column: Int, _ body: (Span<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try scanner.withCell(column, body)
    }

    /// A cell as text; bytes that are not UTF-8 are replaced.
    public func text(_ column: Int) -> String { scanner.text(column) }

    /// The indexes of columns by name; every one that is missing is named at once, and a name that is there twice is refused.
    public func columns(_ names: [String]) throws(CSVError) -> [Int] {
        try EventColumns.places(of: names, in: header, file: name)
    }
}
