/// The footer of a file: `FileMetaData` of parquet.thrift, as far as it is used here.
struct FileMetadata: Equatable {
    var rowCount: Int64 = 0
    var schema: [SchemaElement] = []
    var rowGroups: [RowGroup] = []
    var createdBy = ""
}

/// One node of the schema, which is a tree written from its root on, parents before their children.
struct SchemaElement: Equatable {
    var name = ""
    var physical: Int32?  // of leaves
    var typeLength: Int32 = 0
    var repetition: Int32 = 0
    var childCount: Int32 = 0
    var converted: Int32?
    var scale: Int32 = 0
    var precision: Int32 = 0
    var logical: LogicalType?

    static let required: Int32 = 0
    static let optional: Int32 = 1
}

/// The `LogicalType` union.
enum LogicalType: Equatable {
    case string
    case decimal(precision: Int32, scale: Int32)
    case date
    /// `unit` as the union numbers it: 1 ms, 2 µs, 3 ns.
    case timestamp(unit: Int16, isUTC: Bool)
    case integer(bits: Int8, isSigned: Bool)
    case unknown
    /// Another one, by its number in the union.
    case other(Int16)
}

/// Rows that lie together, column after column.
struct RowGroup: Equatable {
    var columns: [ColumnChunk] = []
    var byteSize: Int64 = 0
    var rowCount: Int64 = 0
    var packedSize: Int64 = 0
}

/// Where a column of a row group lies and how.
struct ColumnChunk: Equatable {
    var physical: Int32 = 0
    var encodings: [Int32] = []
    var path: [String] = []
    var codec: Int32 = 0
    var valueCount: Int64 = 0
    var size: Int64 = 0  // unpacked, page headers included
    var packedSize: Int64 = 0  // as it lies in the file
    var dataPageOffset: Int64 = 0
    var dictionaryPageOffset: Int64?
    var statistics = PageStatistics()
    /// Whether the chunk lies in another file or is encrypted.
    var isElsewhere = false
}

/// What is known of the values without reading them. A bound is a value as PLAIN has it; a text's is without its length.
struct PageStatistics: Equatable {
    var missingCount: Int64?
    var minimum: [UInt8]?
    var maximum: [UInt8]?
}

/// The head of a page.
struct PageHeader: Equatable {
    enum Kind: Equatable {
        case data(valueCount: Int32, encoding: Int32, levels: Int32)
        case dictionary(valueCount: Int32, encoding: Int32)
        case dataV2(
            valueCount: Int32, missingCount: Int32, encoding: Int32, levelBytes: Int32, repetitionBytes: Int32,
            isPacked: Bool)
        case other(Int32)
    }
    var kind: Kind
    var size: Int32  // unpacked
    var packedSize: Int32
    var checksum: UInt32?
}
