/// Reads the rows of a Parquet file of a flat table in order, some at a time: what `ParquetWriter` writes, and what pyarrow, polars and
/// DuckDB write unless told otherwise (parquet-format 2.12, apache/parquet-format). Memory is bounded by a page of each column, however
/// large the file or its row groups are. Columns that are not asked for are not read, whatever they hold. Not `Sendable`: one reader.
public final class ParquetReader {
    /// Rows of one batch at most.
    static let batchRows = 4_096
    /// Bytes of a footer at most.
    static let longestFooter = 64 << 20

    /// The columns that are read, in the order they were asked for.
    public let columns: [ParquetColumn]
    /// The names of all columns of the file, in its order; a nested one as its path.
    public let names: [String]
    /// How many rows the file says it has.
    public let rowCount: Int64
    /// What messages call the file.
    public var name: String { file.name }

    let metadata: FileMetadata
    private let file: ParquetFile
    private let leaves: [SchemaLeaf]
    private let wanted: [Int]
    private let footerStart: Int
    private let budget = PageBudget()
    private var nextGroup = 0
    private var rowsLeft: Int64 = 0  // of the row group in hand
    private var cursors: [ColumnCursor] = []

    /// Opens a plain file. Only `columns` are read, all of them when it is nil.
    public convenience init(path: String, columns: [String]? = nil) throws(ParquetError) {
        try self.init(ParquetFile(path: path), columns)
    }

    /// Reads from memory.
    public convenience init(
        bytes: [UInt8], name: String = "memory", columns: [String]? = nil
    ) throws(ParquetError) {
        try self.init(ParquetFile(bytes: bytes, name: name), columns)
    }

    private init(_ file: ParquetFile, _ columns: [String]?) throws(ParquetError) {
        self.file = file
        let footer = try Self.footer(of: file)
        footerStart = footer.lowerBound
        let bytes = try file.read(footer)
        do throws(PageError) {
            metadata = try FileMetadata(bytes[...])
            leaves = try SchemaLeaf.leaves(of: metadata.schema)
            try Self.check(metadata, leaves.count)
            names = leaves.map(\.name)
            rowCount = metadata.rowCount
        } catch {
            throw error.at("the footer", of: file.name)
        }
        var (wanted, found): ([Int], [ParquetColumn]) = ([], [])
        for place in try Self.places(of: columns, in: leaves, file) {
            let leaf = leaves[place]
            do throws(PageError) {
                found.append(ParquetColumn(leaf.name, try leaf.type.get(), isOptional: leaf.isOptional))
            } catch {
                throw error.at("column \(leaf.name)", of: file.name)
            }
            wanted.append(place)
        }
        (self.wanted, self.columns) = (wanted, found)
    }

    /// The places of columns by their names, compared as bytes; of all of them for nil.
    private static func places(
        of names: [String]?, in leaves: [SchemaLeaf], _ file: ParquetFile
    ) throws(ParquetError) -> [Int] {
        guard let names else { return Array(leaves.indices) }
        var places: [Int] = []
        for name in names {
            let found = leaves.indices.filter { leaves[$0].name.utf8.elementsEqual(name.utf8) }
            guard found.count == 1 else {
                let reason = found.isEmpty ? "there is no such column" : "there are several columns of that name"
                throw .damaged(file: file.name, place: "column \(name)", reason: reason)
            }
            places += found
        }
        return places
    }

    /// Whether a plain file begins as a Parquet file does.
    public static func isParquet(path: String) -> Bool {
        guard let file = try? ParquetFile(path: path), file.size >= 4 else { return false }
        return (try? file.read(0..<4)) == ParquetWriter.magic
    }

    /// Empty values of the columns, for `next`.
    public func makeBatch() -> [ParquetValues] { columns.map { ParquetValues($0.type) } }

    /// Replaces the rows of `batch` by the next ones; returns how many, 0 only behind the last.
    public func next(into batch: inout [ParquetValues]) throws(ParquetError) -> Int {
        precondition(batch.map(\.type) == columns.map(\.type), "a batch of this file's columns")
        for index in batch.indices { batch[index].removeAll() }
        while rowsLeft == 0 {
            for cursor in cursors { cursor.release() }
            cursors = []
            guard nextGroup < metadata.rowGroups.count else { return 0 }
            try beginGroup()
        }
        let count = Int(min(rowsLeft, Int64(Self.batchRows)))
        for index in cursors.indices { try cursors[index].read(count, into: &batch[index]) }
        rowsLeft -= Int64(count)
        return count
    }

    private func beginGroup() throws(ParquetError) {
        let group = metadata.rowGroups[nextGroup]
        nextGroup += 1
        guard group.rowCount > 0 else { return }
        for index in wanted {
            let leaf = leaves[index]
            do throws(PageError) {
                cursors.append(
                    try ColumnCursor(
                        group.columns[index], leaf, rows: group.rowCount, in: file, before: footerStart, budget: budget)
                )
            } catch {
                throw error.at("column \(leaf.name) of row group \(nextGroup)", of: file.name)
            }
        }
        rowsLeft = group.rowCount
    }

    /// Where the footer lies: magic at both ends, and the footer's length before the last.
    private static func footer(of file: ParquetFile) throws(ParquetError) -> Range<Int> {
        func damage(_ place: String, _ reason: String) -> ParquetError {
            .damaged(file: file.name, place: place, reason: reason)
        }
        guard file.size >= 12 else { throw damage("its end", "\(file.size) bytes are no Parquet file") }
        guard try file.read(0..<4) == ParquetWriter.magic else {
            throw damage("its first bytes", "it does not begin with PAR1, so it is no Parquet file")
        }
        let tail = try file.read(file.size - 8..<file.size)
        if Array(tail.suffix(4)) == Array("PARE".utf8) {
            throw .unsupported(file: file.name, place: "the footer", reason: "the file is encrypted")
        }
        guard Array(tail.suffix(4)) == ParquetWriter.magic else {
            throw damage("its end", "it does not end with PAR1: it is cut off, or was never finished")
        }
        let length = (0..<4).reduce(0) { $0 | Int(tail[$1]) << (8 * $1) }
        guard length <= file.size - 12 else { throw damage("its end", "the footer is longer than the file") }
        guard length <= longestFooter else {
            throw .unsupported(file: file.name, place: "the footer", reason: "it is longer than 64 MiB")
        }
        return file.size - 8 - length..<file.size - 8
    }

    /// What the row groups say of their rows and columns fits together.
    private static func check(_ metadata: FileMetadata, _ columnCount: Int) throws(PageError) {
        var sum: Int64 = 0
        for group in metadata.rowGroups {
            let (next, isHuge) = sum.addingReportingOverflow(group.rowCount)
            guard group.rowCount >= 0, !isHuge else { throw .damaged("a row group has \(group.rowCount) rows") }
            guard group.columns.count == columnCount else {
                throw .damaged("a row group has \(group.columns.count) columns, and the schema \(columnCount)")
            }
            sum = next
        }
        guard sum == metadata.rowCount else {
            throw .damaged("it says \(metadata.rowCount) rows, and its row groups have \(sum)")
        }
    }
}
