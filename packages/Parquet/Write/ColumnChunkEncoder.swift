internal import Compression
internal import FeatureEngine

/// A column of a row group as bytes, and where its pages begin from the first of them.
struct EncodedChunk: Sendable {
    var bytes: [UInt8] = []
    var chunk = ColumnChunk()
}

/// Turns a column's values into pages: a page with the dictionary where that is shorter, then data pages of version 1.
struct ColumnChunkEncoder {
    /// Rows of a page at most, and bytes of text after which it ends.
    private static let pageRows = 20_000
    private static let pageBytes = 1 << 20

    let column: ParquetColumn
    let codec: ParquetCodec
    private var result = EncodedChunk()

    init(_ column: ParquetColumn, _ codec: ParquetCodec) { (self.column, self.codec) = (column, codec) }

    /// The pages of `values`, one row at least.
    mutating func encode(_ values: ParquetValues) throws(PageError) -> EncodedChunk {
        precondition(values.type == column.type, "the values are of the column's type")
        precondition(column.isOptional || values.missingCount == 0, "a required column has a value in every row")
        result = EncodedChunk()
        result.chunk.physical = column.type.physical.rawValue
        result.chunk.path = [column.name]
        result.chunk.codec = codec == .zstd ? PageCodec.zstd.rawValue : PageCodec.uncompressed.rawValue
        result.chunk.valueCount = Int64(values.count)
        result.chunk.statistics = PageStatistics(of: values)
        try checkDigits(values)
        let dictionary = ValueDictionary(of: values)
        if let dictionary { try addDictionary(dictionary.values) }
        result.chunk.dataPageOffset = Int64(result.bytes.count)
        var (first, present) = (0, 0)
        while first < values.count {
            let rows = Self.page(of: values, from: first, isText: dictionary == nil && column.type.isText)
            try addPage(values, rows, dictionary, &present)
            first = rows.upperBound
        }
        let (plain, levels) = (PageEncoding.plain, PageEncoding.runLength)
        result.chunk.encodings = dictionary == nil ? [plain, levels] : [plain, levels, PageEncoding.dictionaryIndexes]
        result.chunk.packedSize = Int64(result.bytes.count)
        return result
    }

    /// The rows of the page that begins with `first`.
    private static func page(of values: ParquetValues, from first: Int, isText: Bool) -> Range<Int> {
        let last = min(values.count, first + pageRows)
        guard isText else { return first..<last }
        let start = values.range(first).lowerBound
        let end = (first..<last).first { values.ends[$0] - start >= pageBytes }
        return first..<(end.map { $0 + 1 } ?? last)
    }

    private func checkDigits(_ values: ParquetValues) throws(PageError) {
        guard case .decimal(let precision, _) = column.type else { return }
        let limit = (0..<precision).reduce(UInt64(1)) { power, _ in power * 10 }
        guard values.bits.allSatisfy({ $0.magnitude < limit }) else {
            throw .unsupported("a value has more than \(precision) digits")
        }
    }

    private mutating func addDictionary(_ different: ParquetValues) throws(PageError) {
        var body: [UInt8] = []
        PlainEncoder.append(different, 0..<different.count, to: &body)
        result.chunk.dictionaryPageOffset = 0
        try add(body, .dictionary(valueCount: Int32(different.count), encoding: PageEncoding.plain))
    }

    /// One data page. `present` counts the values before it, which is where its indexes begin.
    private mutating func addPage(
        _ values: ParquetValues, _ rows: Range<Int>, _ dictionary: ValueDictionary?, _ present: inout Int
    ) throws(PageError) {
        var body: [UInt8] = []
        if column.isOptional {
            body += [0, 0, 0, 0]
            HybridEncoder.append(values.presence[rows].map { $0 ? 1 : 0 }, width: 1, to: &body)
            let size = body.count - 4
            for byte in 0..<4 { body[byte] = UInt8(truncatingIfNeeded: size >> (8 * byte)) }
        }
        if let dictionary {
            let count = values.missingCount == 0 ? rows.count : values.presence[rows].count { $0 }
            body.append(UInt8(dictionary.width))
            HybridEncoder.append(
                Array(dictionary.indexes[present..<present + count]), width: dictionary.width, to: &body)
            present += count
        } else {
            PlainEncoder.append(values, rows, to: &body)
        }
        let encoding = dictionary == nil ? PageEncoding.plain : PageEncoding.dictionaryIndexes
        try add(body, .data(valueCount: Int32(rows.count), encoding: encoding, levels: PageEncoding.runLength))
    }

    private mutating func add(_ body: [UInt8], _ kind: PageHeader.Kind) throws(PageError) {
        var packed = body
        if codec == .zstd {
            guard let smaller = Zstandard.pack(body) else { throw .unsupported("zstd failed") }
            packed = smaller
        }
        guard let size = Int32(exactly: body.count), let packedSize = Int32(exactly: packed.count) else {
            throw .unsupported("a text is longer than 2 GiB")
        }
        var checksum = CRC32()
        checksum.combine(packed.span)
        let header = PageHeader(kind: kind, size: size, packedSize: packedSize, checksum: checksum.value).encoded()
        result.bytes += header
        result.bytes += packed
        result.chunk.size += Int64(header.count + body.count)
    }
}
