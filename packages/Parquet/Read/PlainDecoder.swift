/// Reads what `PlainEncoder` describes, some values at a time.
struct PlainDecoder {
    private let physical: PhysicalType
    private let typeLength: Int
    private let isUnsigned: Bool
    private var cursor: Int
    private let end: Int
    private var bit = 0  // of booleans

    /// Reads the values in a range of bytes.
    init(_ range: Range<Int>, _ leaf: SchemaLeaf) {
        (physical, typeLength, isUnsigned) = (leaf.physical, leaf.typeLength, leaf.isUnsigned)
        (cursor, end) = (range.lowerBound, range.upperBound)
    }

    /// Appends the next `count` numbers as `ParquetValues.bits` has them.
    mutating func readNumbers(_ count: Int, of bytes: [UInt8], into numbers: inout [Int64]) throws(PageError) {
        if physical == .boolean { return try readBooleans(count, of: bytes, into: &numbers) }
        let size =
            switch physical {
            case .int32, .float: 4
            case .fixedLengthByteArray: typeLength
            default: 8
            }
        guard size > 0, count <= (end - cursor) / size else { throw Self.tooFew }
        let start = cursor
        switch physical {
        case .fixedLengthByteArray:
            for index in 0..<count {
                numbers.append(try Self.bigEndian(bytes[start + index * size..<start + (index + 1) * size]))
            }
        case .int32 where !isUnsigned:
            bytes.withUnsafeBytes { raw in
                for index in 0..<count {
                    let value = raw.loadUnaligned(fromByteOffset: start + index * 4, as: Int32.self)
                    numbers.append(Int64(Int32(littleEndian: value)))
                }
            }
        case .int32, .float:
            bytes.withUnsafeBytes { raw in
                for index in 0..<count {
                    let value = raw.loadUnaligned(fromByteOffset: start + index * 4, as: UInt32.self)
                    numbers.append(Int64(UInt32(littleEndian: value)))
                }
            }
        default:
            bytes.withUnsafeBytes { raw in
                for index in 0..<count {
                    let value = raw.loadUnaligned(fromByteOffset: start + index * 8, as: Int64.self)
                    numbers.append(Int64(littleEndian: value))
                }
            }
        }
        cursor += count * size
    }

    private mutating func readBooleans(_ count: Int, of bytes: [UInt8], into numbers: inout [Int64]) throws(PageError) {
        guard count <= (end - cursor) * 8 - bit else { throw Self.tooFew }
        for _ in 0..<count {
            numbers.append(Int64(bytes[cursor] >> UInt8(bit) & 1))
            bit += 1
            if bit == 8 { (cursor, bit) = (cursor + 1, 0) }
        }
    }

    /// Appends the next `count` rows of text; `present` has 0 or 1 for each, or nothing where none is missing.
    mutating func readTexts(
        _ count: Int, _ present: [UInt32], of bytes: [UInt8], into values: inout ParquetValues
    ) throws(PageError) {
        for row in 0..<count {
            guard present.isEmpty || present[row] == 1 else {
                values.appendMissing()
                continue
            }
            guard end - cursor >= 4 else { throw Self.tooFew }
            let size = (0..<4).reduce(0) { $0 | Int(bytes[cursor + $1]) << (8 * $1) }
            guard size <= end - cursor - 4 else { throw .damaged("a text goes past the end of its page") }
            values.append(bytes[cursor + 4..<cursor + 4 + size])
            cursor += 4 + size
        }
    }

    /// A signed number of up to 16 bytes that fits 64 bits.
    private static func bigEndian(_ bytes: ArraySlice<UInt8>) throws(PageError) -> Int64 {
        let low = bytes.suffix(8).reduce(bytes.first.map { $0 >= 0x80 ? -1 : 0 } ?? 0) { $0 << 8 | Int64($1) }
        guard bytes.dropLast(8).allSatisfy({ $0 == (low < 0 ? 0xFF : 0) }) else {
            throw .damaged("a decimal has more than 18 digits")
        }
        return low
    }

    private static let tooFew = PageError.damaged("there are fewer values than rows")
}
