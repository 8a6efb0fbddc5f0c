extension PageStatistics {
    /// A longer text is no bound: the statistics of a file stay small.
    private static let longestBound = 64

    /// The bounds of values and how many are missing. NaN is no bound, and a zero stands for both zeros, as parquet.thrift wants it.
    init(of values: ParquetValues) {
        missingCount = Int64(values.missingCount)
        switch values.type {
        case .string, .bytes: bound(texts: values)
        case .double: bound(values) { Double(bitPattern: UInt64(bitPattern: $0)) }
        case .float: bound(values) { Double(Float(bitPattern: UInt32(truncatingIfNeeded: $0))) }
        default: bound(integers: values)
        }
    }

    private mutating func bound(integers values: ParquetValues) {
        var (least, most) = (Int64.max, Int64.min)
        for row in 0..<values.count where values.presence[row] {
            least = min(least, values.bits[row])
            most = max(most, values.bits[row])
        }
        guard least <= most else { return }
        minimum = PlainEncoder.bytes(of: least, values.type)
        maximum = PlainEncoder.bytes(of: most, values.type)
    }

    private mutating func bound(_ values: ParquetValues, _ number: (Int64) -> Double) {
        var (least, most) = (Double.infinity, -Double.infinity)
        for row in 0..<values.count where values.presence[row] {
            let value = number(values.bits[row])  // NaN is neither smaller nor larger
            if value < least { least = value }
            if value > most { most = value }
        }
        guard least <= most else { return }  // Every value is missing or NaN.
        minimum = Self.bytes(of: least == 0 ? -0.0 : least, values.type)
        maximum = Self.bytes(of: most == 0 ? 0.0 : most, values.type)
    }

    private static func bytes(of value: Double, _ type: ParquetType) -> [UInt8] {
        let bits = type == .float ? Int64(Float(value).bitPattern) : Int64(bitPattern: value.bitPattern)
        return PlainEncoder.bytes(of: bits, type)
    }

    private mutating func bound(texts values: ParquetValues) {
        var (least, most): (Int?, Int?)
        func precedes(_ left: Int, _ right: Int) -> Bool {
            values.text[values.range(left)].lexicographicallyPrecedes(values.text[values.range(right)])
        }
        for row in 0..<values.count where values.presence[row] {
            if least.map({ precedes(row, $0) }) ?? true { least = row }
            if most.map({ precedes($0, row) }) ?? true { most = row }
        }
        guard let least, let most, values.range(least).count <= Self.longestBound,
            values.range(most).count <= Self.longestBound
        else { return }
        minimum = Array(values.text[values.range(least)])
        maximum = Array(values.text[values.range(most)])
    }
}
