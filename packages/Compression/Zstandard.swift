internal import CZstd

/// Packs and unpacks whole blocks in memory: one Zstandard frame each, as Parquet's pages are.
public enum Zstandard {
    /// The bytes as one frame. Level 1 is the quickest of the usual ones, 3 is zstd's own default. Nil when there is no memory.
    public static func pack(_ bytes: [UInt8], level: Int32 = 1) -> [UInt8]? {
        let bound = ZSTD_compressBound(bytes.count)
        guard ZSTD_isError(bound) == 0 else { return nil }
        var isGood = false
        let packed = unsafe [UInt8](unsafeUninitializedCapacity: bound) { target, count in
            let size = unsafe bytes.withUnsafeBytes { source in
                unsafe ZSTD_compress(target.baseAddress, bound, source.baseAddress, source.count, level)
            }
            isGood = ZSTD_isError(size) == 0
            count = isGood ? size : 0
        }
        return isGood ? packed : nil
    }

    /// The bytes of one or several frames, or nil when they are damaged or more than `limit`: memory is asked for before it is known.
    public static func unpack(_ bytes: ArraySlice<UInt8>, limit: Int) -> [UInt8]? {
        var isGood = false
        let unpacked = unsafe [UInt8](unsafeUninitializedCapacity: max(limit, 1)) { target, count in
            let size = unsafe bytes.withUnsafeBytes { source in
                unsafe ZSTD_decompress(target.baseAddress, limit, source.baseAddress, source.count)
            }
            isGood = ZSTD_isError(size) == 0 && size <= limit
            count = isGood ? size : 0
        }
        return isGood ? unpacked : nil
    }
}
