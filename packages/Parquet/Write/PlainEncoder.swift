/// Values one after the other (Encodings.md, PLAIN): numbers little-endian, texts behind their length, booleans a bit each.
enum PlainEncoder {
    /// How many bytes all present values take.
    static func size(of values: ParquetValues) -> Int {
        let present = values.count - values.missingCount
        return switch values.type.physical {
        case .boolean: (present + 7) / 8
        case .int32, .float: present * 4
        case .byteArray: present * 4 + values.text.count
        case .int64, .double, .int96, .fixedLengthByteArray: present * 8
        }
    }

    /// Appends the present values of some rows.
    static func append(_ values: ParquetValues, _ rows: Range<Int>, to bytes: inout [UInt8]) {
        let present = values.missingCount == 0 ? nil : rows.filter { values.presence[$0] }
        switch values.type.physical {
        case .boolean: HybridEncoder.appendBits((present ?? Array(rows)).map { values.bits[$0] == 1 }, to: &bytes)
        case .int32, .float:
            let narrow = (present ?? Array(rows)).map { UInt32(truncatingIfNeeded: values.bits[$0]).littleEndian }
            narrow.withUnsafeBytes { bytes.append(contentsOf: $0) }
        case .int64, .double, .int96, .fixedLengthByteArray:
            let wide = present?.map { values.bits[$0].littleEndian } ?? values.bits[rows].map { $0.littleEndian }
            wide.withUnsafeBytes { bytes.append(contentsOf: $0) }
        case .byteArray:
            for row in rows where values.presence[row] {
                let range = values.range(row)
                for shift in [0, 8, 16, 24] { bytes.append(UInt8(truncatingIfNeeded: range.count >> shift)) }
                bytes.append(contentsOf: values.text[range])
            }
        }
    }

    /// One number as PLAIN has it.
    static func bytes(of value: Int64, _ type: ParquetType) -> [UInt8] {
        let size =
            switch type.physical {
            case .boolean: 1
            case .int32, .float: 4
            default: 8
            }
        return (0..<size).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    }
}
