/// One row of a binary COPY, lent to the body of `copyOut` until it returns.
public final class PostgresCopyRow {
    private var bytes: [UInt8] = []
    private var starts: [Int] = []
    private var lengths: [Int] = []  // −1 is NULL

    init() {}

    /// The number of columns.
    public var count: Int { starts.count }

    /// Whether the column is NULL.
    public func isNull(_ column: Int) -> Bool { lengths[column] < 0 }

    /// The bytes of a text or bytea column; empty for NULL.
    public func bytes(_ column: Int) -> ArraySlice<UInt8> {
        bytes[starts[column]..<starts[column] + max(0, lengths[column])]
    }

    /// A text column, or nil for NULL.
    public func text(_ column: Int) -> String? {
        isNull(column) ? nil : String(decoding: bytes(column), as: UTF8.self)
    }

    /// A `smallint`, `integer` or `bigint` column; 0 for NULL.
    public func integer(_ column: Int) -> Int64 {
        switch lengths[column] {
        case 8: Int64(bitPattern: bigEndian(column))
        case 4: Int64(Int32(truncatingIfNeeded: bigEndian(column)))
        case 2: Int64(Int16(truncatingIfNeeded: bigEndian(column)))
        default: 0
        }
    }

    /// A `double precision` or `real` column; NaN for NULL.
    public func double(_ column: Int) -> Double {
        switch lengths[column] {
        case 8: Double(bitPattern: bigEndian(column))
        case 4: Double(Float(bitPattern: UInt32(truncatingIfNeeded: bigEndian(column))))
        default: .nan
        }
    }

    /// A boolean column; false for NULL.
    public func boolean(_ column: Int) -> Bool { lengths[column] == 1 && bytes[starts[column]] != 0 }

    /// A `timestamptz` column in milliseconds since 1970; 0 for NULL.
    public func millis(_ column: Int) -> Int64 {
        isNull(column) ? 0 : integer(column) / 1_000 + 946_684_800_000
    }

    /// A `numeric` column as minor units of `places` decimals; nil for NULL, NaN and what does not fit.
    public func minorUnits(_ column: Int, places: Int) -> Int64? {
        guard lengths[column] >= 8 else { return nil }
        func short(_ index: Int) -> Int {
            let at = starts[column] + 2 * index
            return Int(bytes[at]) << 8 | Int(bytes[at + 1])
        }
        let digits = short(0)
        let weight = Int(Int16(truncatingIfNeeded: short(1)))
        let sign = short(2)
        guard sign == 0 || sign == 0x4000, lengths[column] == 8 + 2 * digits else { return nil }
        // The value is Σ digit[i] · 10000^(weight − i); in minor units the exponent of ten grows by `places`.
        var value: Int128 = 0
        for index in 0..<digits {
            var term = Int128(short(4 + index))
            var exponent = 4 * (weight - index) + places
            guard exponent <= 24 else { return nil }
            while exponent > 0 {
                term *= 10
                exponent -= 1
            }
            while exponent < 0 {
                guard term % 10 == 0 else { return nil }
                term /= 10
                exponent += 1
            }
            value += term
        }
        return Int64(exactly: sign == 0 ? value : -value)
    }

    /// Takes one message of the stream over; false for the end mark.
    func read(_ message: UnsafeRawBufferPointer, skippingHeader: Bool) throws(PostgresError) -> Bool {
        bytes.removeAll(keepingCapacity: true)
        unsafe bytes.append(contentsOf: message)
        starts.removeAll(keepingCapacity: true)
        lengths.removeAll(keepingCapacity: true)
        let malformed = PostgresError.unexpectedResult("a malformed row in a binary COPY")
        var cursor = 0
        func number(_ size: Int) throws(PostgresError) -> Int {
            guard cursor + size <= bytes.count else { throw malformed }
            var value: UInt32 = 0
            for index in cursor..<cursor + size { value = value << 8 | UInt32(bytes[index]) }
            cursor += size
            return size == 2 ? Int(Int16(truncatingIfNeeded: value)) : Int(Int32(bitPattern: value))
        }
        if skippingHeader {
            cursor = 15  // 11 bytes of signature and 4 of flags
            let more = try number(4)
            guard more >= 0 else { throw malformed }
            cursor += more
        }
        let columns = try number(2)
        guard columns >= 0 else { return false }
        for _ in 0..<columns {
            let length = try number(4)
            starts.append(cursor)
            lengths.append(length)
            cursor += max(0, length)
            guard cursor <= bytes.count else { throw malformed }
        }
        return true
    }

    private func bigEndian(_ column: Int) -> UInt64 {
        var value: UInt64 = 0
        for index in starts[column]..<starts[column] + lengths[column] { value = value << 8 | UInt64(bytes[index]) }
        return value
    }
}
