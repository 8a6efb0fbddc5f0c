internal import Glibc

/// Why a file could not be read or written. `path` is as the user gave it; `-` is named standard input or output.
public enum CompressionError: Error, Hashable, Sendable, CustomStringConvertible {
    /// There is no such file or folder.
    case notFound(path: String)
    /// It is there, but it cannot be opened.
    case notOpened(path: String, reason: String)
    /// The archive ends in the middle.
    case truncated(path: String)
    /// The archive is damaged, or is none.
    case corrupt(path: String, reason: String)
    /// It is a file of another kind; `cure` says what to do with it.
    case otherFormat(path: String, what: String, cure: String)
    /// Nobody reads what is written: the pipe is closed.
    case closedPipe(path: String)
    /// Reading or writing failed on the way.
    case failed(path: String, reason: String)

    /// One sentence that names the file.
    public var description: String {
        switch self {
        case .notFound(let path): "\(path): no such file or folder"
        case .notOpened(let path, let reason): "\(path): cannot be opened: \(reason)"
        case .truncated(let path): "\(path): truncated, the archive ends in the middle"
        case .corrupt(let path, let reason): "\(path): damaged: \(reason)"
        case .otherFormat(let path, let what, let cure): "\(path): is \(what): \(cure)"
        case .closedPipe(let path): "\(path): closed by its reader"
        case .failed(let path, let reason): "\(path): \(reason)"
        }
    }

    static func opening(_ path: String, errno code: Int32) -> CompressionError {
        code == ENOENT ? .notFound(path: path) : .notOpened(path: path, reason: reason(code))
    }

    static func reason(_ code: Int32) -> String { unsafe String(cString: strerror(code)) }
}

/// How the bytes of a file are packed.
public enum CompressionFormat: Sendable {
    /// As they are.
    case plain
    /// gzip, one member or several.
    case gzip
    /// Zstandard, one frame or several.
    case zstd

    /// The format that a file's name promises: by `.gz` and `.zst`.
    public init(path: String) {
        self = path.hasSuffix(".gz") ? .gzip : path.hasSuffix(".zst") ? .zstd : .plain
    }

    /// The format of bytes by their first four.
    init(magic: ArraySlice<UInt8>) {
        self =
            magic.starts(with: [0x1F, 0x8B]) ? .gzip : magic.starts(with: [0x28, 0xB5, 0x2F, 0xFD]) ? .zstd : .plain
    }
}

extension CompressionFormat {
    /// What bytes that are no CSV begin with.
    static func otherFormat(_ bytes: ArraySlice<UInt8>) -> String? {
        let kinds: [(magic: [UInt8], name: String)] = [
            (Array("PAR1".utf8), "a Parquet file"), (Array("BZh".utf8) + [0x31], "a bzip2 archive"),
            (Array("BZh9".utf8), "a bzip2 archive"), ([0xFD, 0x37, 0x7A, 0x58, 0x5A, 0x00], "an xz archive"),
            ([0x37, 0x7A, 0xBC, 0xAF, 0x27, 0x1C], "a 7-Zip archive"), (Array("PK\u{3}\u{4}".utf8), "a zip archive"),
            (Array("SQLite format 3".utf8), "an SQLite database"), ([0xD0, 0xCF, 0x11, 0xE0], "an old Excel workbook"),
            (Array("Obj\u{1}".utf8), "an Avro file"), (Array("ARROW1".utf8), "an Arrow file"),
            (Array("%PDF".utf8), "a PDF"), (Array("<!DOCTYPE".utf8), "an HTML page"),
            (Array("<html".utf8), "an HTML page"),
        ]
        return kinds.first { bytes.starts(with: $0.magic) }?.name
    }

    /// Endings that promise a format which is not written here, with its name.
    private static let others: [(ending: String, name: String)] = [
        ("parquet", "Parquet"), ("xlsx", "Excel"), ("xls", "Excel"), ("ods", "OpenDocument"), ("json", "JSON"),
        ("jsonl", "JSON"), ("ndjson", "JSON"), ("arrow", "Arrow"), ("feather", "Feather"), ("avro", "Avro"),
        ("orc", "ORC"), ("zip", "zip"), ("bz2", "bzip2"), ("xz", "xz"), ("lz4", "lz4"), ("7z", "7-Zip"),
        ("tar", "tar"), ("tgz", "tar"), ("db", "SQLite"), ("sqlite", "SQLite"), ("html", "HTML"), ("pdf", "PDF"),
    ]

    /// What is wrong with the name of a CSV file to be written: one that promises another format. Nil for a good one.
    public static func problem(ofOutputName path: String) -> String? {
        var name = path.lowercased()
        for packing in [".gz", ".zst"] where name.hasSuffix(packing) { name.removeLast(packing.count) }
        guard let dot = name.lastIndex(of: "."), !name[dot...].contains("/"),
            let other = others.first(where: { $0.ending == name[dot...].dropFirst() })
        else { return nil }
        return "\(path): promises \(other.name), but CSV is written: name it .csv, .csv.gz or .csv.zst"
    }
}
