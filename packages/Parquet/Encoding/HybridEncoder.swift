/// Writes small numbers as runs of two kinds (parquet-format, Encodings.md, "RLE/Bit-Packing Hybrid"): one number repeated, or
/// groups of eight, packed bit by bit from the low ones on.
enum HybridEncoder {
    /// Appends all of `values`, each below 2^`width`, width 1...32.
    static func append(_ values: [UInt32], width: Int, to bytes: inout [UInt8]) {
        var packedFrom = 0  // numbers from here on wait to be packed
        var index = 0
        while index < values.count {
            var end = index + 1
            while end < values.count, values[end] == values[index] { end += 1 }
            // The groups before a run are whole, so it gives them what they lack.
            let lack = (8 - (index - packedFrom) % 8) % 8
            if end - index - lack >= 8 {
                index += lack
                pack(values, packedFrom..<index, width, to: &bytes)
                Varint.append(UInt64(end - index) << 1, to: &bytes)
                for byte in 0..<(width + 7) / 8 {
                    bytes.append(UInt8(truncatingIfNeeded: values[index] >> (8 * UInt32(byte))))
                }
                packedFrom = end
            }
            index = end
        }
        pack(values, packedFrom..<values.count, width, to: &bytes)
    }

    /// One run of packed groups; the last is filled up with zeros.
    private static func pack(_ values: [UInt32], _ range: Range<Int>, _ width: Int, to bytes: inout [UInt8]) {
        guard !range.isEmpty else { return }
        let groups = (range.count + 7) / 8
        Varint.append(UInt64(groups) << 1 | 1, to: &bytes)
        var (pending, count): (UInt64, Int) = (0, 0)
        for index in range.lowerBound..<range.lowerBound + groups * 8 {
            pending |= UInt64(index < range.upperBound ? values[index] : 0) << UInt64(count)
            count += width
            while count >= 8 {
                bytes.append(UInt8(truncatingIfNeeded: pending))
                pending >>= 8
                count -= 8
            }
        }
    }

    /// Booleans as PLAIN has them: a bit each, the last byte filled up with zeros.
    static func appendBits(_ values: some Sequence<Bool>, to bytes: inout [UInt8]) {
        var (pending, count): (UInt8, UInt8) = (0, 0)
        for value in values {
            pending |= (value ? 1 : 0) << count
            count += 1
            if count == 8 {
                bytes.append(pending)
                (pending, count) = (0, 0)
            }
        }
        if count > 0 { bytes.append(pending) }
    }
}
