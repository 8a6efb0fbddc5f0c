internal import Compression

/// The `CompressionCodec` of parquet.thrift, as far as it is read here.
enum PageCodec: Int32 {
    case uncompressed = 0
    case snappy = 1
    case gzip = 2
    case zstd = 6

    private static let others: [Int32: String] = [3: "LZO", 4: "Brotli", 5: "LZ4 in its old framing", 7: "LZ4"]

    init(code: Int32) throws(PageError) {
        guard let codec = Self(rawValue: code) else {
            let name = Self.others[code] ?? "the unknown codec \(code)"
            throw .unsupported("its pages are packed with \(name): write it with zstd, Snappy, gzip or none")
        }
        self = codec
    }

    /// The bytes of a page, exactly `size` of them.
    func unpack(_ bytes: ArraySlice<UInt8>, size: Int) throws(PageError) -> [UInt8] {
        let unpacked: [UInt8]? =
            switch self {
            case .uncompressed: Array(bytes)
            case .snappy: size == 0 && bytes.isEmpty ? [] : Snappy.unpack(bytes, limit: size)
            case .gzip: Self.gunzip(bytes, limit: size)
            case .zstd: Zstandard.unpack(bytes, limit: size)
            }
        guard let unpacked, unpacked.count == size else {
            throw .damaged("the page does not unpack to the \(size) bytes that its header promises")
        }
        return unpacked
    }

    private static func gunzip(_ bytes: ArraySlice<UInt8>, limit: Int) -> [UInt8]? {
        // What is no gzip would come back as it is.
        guard bytes.starts(with: [0x1F, 0x8B]) else { return nil }
        return try? ByteSource(bytes: Array(bytes)).readAll(limit: limit)
    }
}
