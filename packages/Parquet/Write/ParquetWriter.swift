public import Compression
internal import Dispatch
internal import Synchronization

/// Writes a Parquet file of a flat table: row groups of data pages of version 1, dictionaries where they are shorter, a checksum for
/// every page, bounds and counts for every column chunk, and the footer (parquet-format 2.12, apache/parquet-format). Memory is bounded
/// by one row group. Equal rows give equal bytes. Not `Sendable`: one writer.
public final class ParquetWriter {
    /// Rows of a group.
    public static let rowGroupRows = 1 << 16
    /// Bytes of text in one column after which a group ends early.
    private static let rowGroupText = 64 << 20
    static let magic = Array("PAR1".utf8)

    private let sink: ByteSink
    private let columns: [ParquetColumn]
    private let codec: ParquetCodec
    private let groupRows: Int
    private let usesAllProcessors: Bool
    private var values: [ParquetValues]
    private var metadata = FileMetadata()

    /// Begins a file of `columns`, one at least and each with a name of its own. With `usesAllProcessors` the columns of a group are
    /// packed side by side.
    public init(
        _ sink: ByteSink, columns: [ParquetColumn], codec: ParquetCodec = .zstd, rowGroupRows: Int = rowGroupRows,
        usesAllProcessors: Bool = false
    ) throws(ParquetError) {
        precondition(!columns.isEmpty && rowGroupRows > 0, "a table has columns, and a group rows")
        for case .decimal(let precision, let scale) in columns.map(\.type) {
            precondition((1...18).contains(precision) && (0...precision).contains(scale), "a decimal has 1...18 digits")
        }
        (self.sink, self.columns, self.codec) = (sink, columns, codec)
        (groupRows, self.usesAllProcessors) = (rowGroupRows, usesAllProcessors)
        values = columns.map { ParquetValues($0.type) }
        metadata.createdBy = "needletail"
        metadata.schema = [SchemaElement(name: "schema", childCount: Int32(columns.count))]
        metadata.schema += columns.map { SchemaElement($0) }
        try put(Self.magic)
    }

    /// Writes rows: the values of every column, as many of each.
    public func write(_ rows: [ParquetValues]) throws(ParquetError) {
        precondition(rows.count == columns.count, "every column has values")
        let count = rows[0].count
        precondition(rows.allSatisfy { $0.count == count }, "every column has as many")
        var first = 0
        while first < count {
            let last = min(count, first + groupRows - values[0].count)
            for index in rows.indices { values[index].append(rows: first..<last, of: rows[index]) }
            if values[0].count == groupRows || values.contains(where: { $0.text.count >= Self.rowGroupText }) {
                try writeGroup()
            }
            first = last
        }
    }

    /// Writes what is left and the footer. The sink stays open.
    public func finish() throws(ParquetError) {
        if values[0].count > 0 { try writeGroup() }
        let footer = metadata.encoded()
        guard footer.count <= ParquetReader.longestFooter else {
            throw .unsupported(file: sink.name, place: "the footer", reason: "it is too long")
        }
        try put(footer)
        try put((0..<4).map { UInt8(truncatingIfNeeded: footer.count >> (8 * $0)) } + Self.magic)
    }

    private func writeGroup() throws(ParquetError) {
        var group = RowGroup()
        group.rowCount = Int64(values[0].count)
        for encoded in try encodeColumns() {
            var chunk = encoded.chunk
            let start = sink.bytesWritten
            chunk.dataPageOffset += start
            chunk.dictionaryPageOffset = chunk.dictionaryPageOffset.map { $0 + start }
            try put(encoded.bytes)
            group.byteSize += chunk.size
            group.packedSize += chunk.packedSize
            group.columns.append(chunk)
        }
        metadata.rowGroups.append(group)
        metadata.rowCount += group.rowCount
        for index in values.indices { values[index].removeAll() }
    }

    private func encodeColumns() throws(ParquetError) -> [EncodedChunk] {
        let (columns, codec, values) = (columns, codec, values)
        let results = Mutex<[Int: Result<EncodedChunk, PageError>]>([:])
        @Sendable func encode(_ index: Int) {
            let result = Result { () throws(PageError) in
                var encoder = ColumnChunkEncoder(columns[index], codec)
                return try encoder.encode(values[index])
            }
            results.withLock { $0[index] = result }
        }
        if usesAllProcessors {
            DispatchQueue.concurrentPerform(iterations: columns.count) { encode($0) }
        } else {
            for index in columns.indices { encode(index) }
        }
        let all = results.withLock { $0 }
        var chunks: [EncodedChunk] = []
        for (index, column) in columns.enumerated() {
            do throws(PageError) {
                if let chunk = try all[index]?.get() { chunks.append(chunk) }
            } catch {
                throw error.at("column \(column.name)", of: sink.name)
            }
        }
        return chunks
    }

    private func put(_ bytes: [UInt8]) throws(ParquetError) {
        do throws(CompressionError) { try sink.write(bytes) } catch { throw .file(error) }
    }
}
