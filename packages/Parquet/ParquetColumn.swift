/// What a column holds: Parquet's logical types as far as they are kept here (parquet-format, LogicalTypes.md).
public enum ParquetType: Hashable, Sendable {
    /// BOOLEAN.
    case boolean
    /// INT32, signed.
    case int32
    /// INT64, signed.
    case int64
    /// FLOAT, IEEE 754 single precision.
    case float
    /// DOUBLE, IEEE 754 double precision.
    case double
    /// BYTE_ARRAY with UTF-8 text.
    case string
    /// BYTE_ARRAY without a meaning.
    case bytes
    /// DECIMAL: an integer of at most 18 digits, written as INT64, of which the last `scale` stand behind the point.
    case decimal(precision: Int, scale: Int)
    /// INT64 TIMESTAMP since 1970; an instant when `isUTC`, what a wall clock shows otherwise.
    case timestamp(TimeUnit, isUTC: Bool)
    /// INT32 DATE, days since 1970-01-01.
    case date

    /// How fine a timestamp is.
    public enum TimeUnit: Hashable, Sendable {
        /// ms
        case millis
        /// µs
        case micros
        /// ns; read, and written as format version 2.6 allows.
        case nanos
    }

    /// Whether values are bytes of any length; those of the others are 64 bits or fewer.
    var isText: Bool { self == .string || self == .bytes }

    /// How values lie in a page that is written here.
    var physical: PhysicalType {
        switch self {
        case .boolean: .boolean
        case .int32, .date: .int32
        case .int64, .decimal, .timestamp: .int64
        case .float: .float
        case .double: .double
        case .string, .bytes: .byteArray
        }
    }
}

/// A column of a flat table.
public struct ParquetColumn: Hashable, Sendable {
    /// Its name.
    public let name: String
    /// What it holds.
    public let type: ParquetType
    /// Whether values may be missing (OPTIONAL); otherwise every row has one (REQUIRED).
    public let isOptional: Bool

    /// Names a column.
    public init(_ name: String, _ type: ParquetType, isOptional: Bool = true) {
        (self.name, self.type, self.isOptional) = (name, type, isOptional)
    }
}

/// How a file's pages are packed.
public enum ParquetCodec: Hashable, Sendable {
    /// As they are.
    case uncompressed
    /// One Zstandard frame a page.
    case zstd
}

/// The `Type` of parquet.thrift: how values lie in a page.
enum PhysicalType: Int32 {
    case boolean = 0
    case int32 = 1
    case int64 = 2
    case int96 = 3
    case float = 4
    case double = 5
    case byteArray = 6
    case fixedLengthByteArray = 7
}

/// The `Encoding` of parquet.thrift, as far as it is known here.
enum PageEncoding {
    static let plain: Int32 = 0
    static let plainDictionary: Int32 = 2
    static let runLength: Int32 = 3
    static let dictionaryIndexes: Int32 = 8
}
