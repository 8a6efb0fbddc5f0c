/// The rows of one data page, decoded some at a time.
struct PageDecoder {
    /// Rows that were not read yet.
    private(set) var rowsLeft: Int
    /// Bytes that the page holds.
    var byteCount: Int { bytes.count }

    private let leaf: SchemaLeaf
    private let bytes: [UInt8]
    private var levels: HybridDecoder?  // nil where no value can be missing
    private var content: Content
    private var present: [UInt32] = []  // 0 or 1 a row
    private var indexes: [UInt32] = []
    private var numbers: [Int64] = []

    private enum Content {
        case plain(PlainDecoder)
        /// Indexes into the dictionary; nil on a page without any value.
        case indexes(HybridDecoder?)
        case booleans(HybridDecoder?)
    }

    /// A page's unpacked bytes: levels behind their length in version 1, of `levelBytes` in version 2, then the values.
    init(
        _ bytes: [UInt8], rows: Int, leaf: SchemaLeaf, encoding: Int32, levelBytes: Int?
    ) throws(PageError) {
        (self.bytes, self.leaf, rowsLeft) = (bytes, leaf, rows)
        var start = 0
        if let levelBytes {
            guard levelBytes <= bytes.count else { throw .damaged("the levels are longer than the page") }
            if leaf.isOptional { levels = try HybridDecoder(0..<levelBytes, width: 1) }
            start = levelBytes
        } else if leaf.isOptional {
            let size = try Self.length(bytes, at: 0)
            levels = try HybridDecoder(4..<4 + size, width: 1)
            start = 4 + size
        }
        switch encoding {
        case PageEncoding.plain: content = .plain(PlainDecoder(start..<bytes.count, leaf))
        case PageEncoding.dictionaryIndexes, PageEncoding.plainDictionary:
            content = .indexes(
                start == bytes.count ? nil : try HybridDecoder(start + 1..<bytes.count, width: Int(bytes[start])))
        case PageEncoding.runLength where leaf.physical == .boolean:
            if start == bytes.count {
                content = .booleans(nil)
            } else {
                let size = try Self.length(bytes, at: start)
                content = .booleans(try HybridDecoder(start + 4..<start + 4 + size, width: 1))
            }
        default:
            let names: [Int32: String] = [
                4: "BIT_PACKED", 5: "DELTA_BINARY_PACKED", 6: "DELTA_LENGTH_BYTE_ARRAY", 7: "DELTA_BYTE_ARRAY",
                9: "BYTE_STREAM_SPLIT",
            ]
            let name = names[encoding] ?? "\(encoding)"
            throw .unsupported("its encoding \(name) is none that is read: write it with PLAIN or a dictionary")
        }
    }

    /// A length of four bytes, of what follows it.
    private static func length(_ bytes: [UInt8], at start: Int) throws(PageError) -> Int {
        guard bytes.count - start >= 4 else { throw .damaged("the page ends in the middle") }
        let size = (0..<4).reduce(0) { $0 | Int(bytes[start + $1]) << (8 * $1) }
        guard size <= bytes.count - start - 4 else { throw .damaged("a length goes past the end of the page") }
        return size
    }

    /// Appends the next `count` rows, which are left.
    mutating func read(
        _ count: Int, _ dictionary: ParquetValues?, into values: inout ParquetValues
    ) throws(PageError) {
        present.removeAll(keepingCapacity: true)
        try levels?.read(count, of: bytes, into: &present)
        let valueCount = levels == nil ? count : present.count { $0 == 1 }
        rowsLeft -= count
        switch content {
        case .plain(var plain):
            if values.type.isText {
                try plain.readTexts(count, present, of: bytes, into: &values)
            } else {
                numbers.removeAll(keepingCapacity: true)
                try plain.readNumbers(valueCount, of: bytes, into: &numbers)
                values.append(numbers, present, rows: count)
            }
            content = .plain(plain)
        case .indexes(var decoder):
            indexes.removeAll(keepingCapacity: true)
            guard let dictionary else { throw .damaged("a page has indexes, and there is no dictionary") }
            if valueCount > 0, decoder == nil { throw .damaged("there are fewer values than rows") }
            try decoder?.read(valueCount, of: bytes, into: &indexes)
            content = .indexes(decoder)
            guard indexes.allSatisfy({ $0 < dictionary.count }) else {
                throw .damaged("an index lies outside the dictionary of \(dictionary.count) values")
            }
            try values.append(dictionary, indexes, present, rows: count)
        case .booleans(var decoder):
            indexes.removeAll(keepingCapacity: true)
            if valueCount > 0, decoder == nil { throw .damaged("there are fewer values than rows") }
            try decoder?.read(valueCount, of: bytes, into: &indexes)
            content = .booleans(decoder)
            values.append(indexes.map { Int64($0) }, present, rows: count)
        }
    }
}
