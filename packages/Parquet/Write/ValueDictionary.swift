internal import FeatureEngine

/// The different values of a column chunk and each row's among them, where that is shorter than the values themselves.
struct ValueDictionary {
    /// The different values in the order they came.
    let values: ParquetValues
    /// The place of each present row's value, in the order of the rows.
    let indexes: [UInt32]
    /// Bits that an index takes.
    var width: Int { max(1, 32 - UInt32(max(0, values.count - 1)).leadingZeroBitCount) }

    private static let mostValues = 1 << 16
    private static let mostBytes = 1 << 20

    /// Nil where the values differ too much: too many of them, or half of the first few thousand.
    init?(of values: ParquetValues) {
        guard values.type != .boolean, values.missingCount < values.count,
            let (different, indexes) = values.type.isText ? Self.texts(values) : Self.numbers(values)
        else { return nil }
        (self.values, self.indexes) = (different, indexes)
        let plain = PlainEncoder.size(of: values)
        guard PlainEncoder.size(of: different) + indexes.count * width / 8 < plain else { return nil }
    }

    private static func isWorthwhile(_ different: Int, of count: Int) -> Bool {
        different <= mostValues && (count & 0xFFF != 0 || different * 2 <= count)
    }

    private static func numbers(_ values: ParquetValues) -> (ParquetValues, [UInt32])? {
        var table = NumberTable()
        var indexes: [UInt32] = []
        indexes.reserveCapacity(values.count)
        for row in 0..<values.count where values.presence[row] {
            indexes.append(table.insert(values.bits[row]))
            guard isWorthwhile(table.values.count, of: indexes.count) else { return nil }
        }
        var different = ParquetValues(values.type)
        for value in table.values { different.append(bits: value) }
        return (different, indexes)
    }

    private static func texts(_ values: ParquetValues) -> (ParquetValues, [UInt32])? {
        var table = ByteTable()
        var different = ParquetValues(values.type)
        var indexes: [UInt32] = []
        indexes.reserveCapacity(values.count)
        for row in 0..<values.count where values.presence[row] {
            let (number, isNew) = table.insert(values.text.span.extracting(values.range(row)))
            if isNew { different.append(row: row, of: values) }
            indexes.append(UInt32(number))
            guard isWorthwhile(table.count, of: indexes.count), different.text.count <= mostBytes else { return nil }
        }
        return (different, indexes)
    }
}
