/// The values of some rows of one column, one place a row. A number takes 64 bits whatever its type, so that one kind of buffer
/// serves all of them: integers, decimals, times and days as they are, a boolean as 0 or 1, float and double as their bit
/// patterns. Refilled without allocating.
public struct ParquetValues: Sendable, Equatable {
    /// What the values are.
    public let type: ParquetType
    /// How many rows there are.
    public var count: Int { presence.count }
    /// How many of them have no value.
    public private(set) var missingCount = 0

    private(set) var bits: [Int64] = []  // of numbers: one a row, 0 where missing
    private(set) var text: [UInt8] = []  // of texts: row after row
    private(set) var ends: [Int] = []  // of texts: where each ends
    private(set) var presence: [Bool] = []

    /// No rows yet.
    public init(_ type: ParquetType) { self.type = type }

    /// Whether the row has a value.
    public func isPresent(_ row: Int) -> Bool { presence[row] }

    /// The number of a row: an integer, minor units of a decimal, units of a time since 1970, 0 or 1 of a boolean, the bit pattern
    /// of a float (32 bits) or double. Nil when missing or text.
    public func bits(_ row: Int) -> Int64? { presence[row] && !type.isText ? bits[row] : nil }

    /// The value of a float or double column as a double; nil when missing or of another type.
    public func double(_ row: Int) -> Double? {
        guard presence[row] else { return nil }
        return switch type {
        case .double: Double(bitPattern: UInt64(bitPattern: bits[row]))
        case .float: Double(Float(bitPattern: UInt32(truncatingIfNeeded: bits[row])))
        default: nil
        }
    }

    /// The bytes of a text; empty when missing or a number.
    public func bytes(_ row: Int) -> ArraySlice<UInt8> { type.isText ? text[range(row)] : [] }

    /// Removes the rows and keeps the memory.
    public mutating func removeAll() {
        bits.removeAll(keepingCapacity: true)
        text.removeAll(keepingCapacity: true)
        ends.removeAll(keepingCapacity: true)
        presence.removeAll(keepingCapacity: true)
        missingCount = 0
    }

    /// Adds a row without a value.
    public mutating func appendMissing() {
        if type.isText { ends.append(text.count) } else { bits.append(0) }
        presence.append(false)
        missingCount += 1
    }

    /// Adds a number as `bits` gives it. A 32-bit type takes only what fits.
    public mutating func append(bits value: Int64) {
        precondition(!type.isText, "a text column takes text")
        switch type.physical {
        case .int32: precondition(Int32(exactly: value) != nil, "an INT32 column takes 32 bits")
        case .boolean: precondition(value & ~1 == 0, "a boolean is 0 or 1")
        case .float: precondition(UInt32(exactly: value) != nil, "a FLOAT's pattern has 32 bits")
        default: break
        }
        bits.append(value)
        presence.append(true)
    }

    /// Adds a number to a double or float column.
    public mutating func append(_ value: Double) {
        switch type {
        case .double: append(bits: Int64(bitPattern: value.bitPattern))
        case .float: append(bits: Int64(Float(value).bitPattern))
        default: preconditionFailure("the column holds \(type)")
        }
    }

    /// Adds numbers to a double column, NaN as a missing one.
    public mutating func append(missingIfNaN numbers: [Double]) {
        precondition(type == .double, "the column holds \(type)")
        bits.reserveCapacity(bits.count + numbers.count)
        for number in numbers {
            bits.append(number.isNaN ? 0 : Int64(bitPattern: number.bitPattern))
            presence.append(!number.isNaN)
            missingCount += number.isNaN ? 1 : 0
        }
    }

    /// Adds the bytes of a text.
    public mutating func append(_ bytes: ArraySlice<UInt8>) {
        precondition(type.isText, "the column holds \(type)")
        text += bytes
        ends.append(text.count)
        presence.append(true)
    }

    /// Adds a text.
    public mutating func append(_ string: String) {
        precondition(type.isText, "the column holds \(type)")
        text += string.utf8
        ends.append(text.count)
        presence.append(true)
    }

    /// Adds all rows of several parts: row r of part p comes to the place `places[p][r]` among those that are added, each of which is
    /// named once.
    public mutating func append(_ parts: [ParquetValues], at places: [[Int]]) {
        let (first, count) = (presence.count, places.reduce(0) { $0 + $1.count })
        presence += repeatElement(false, count: count)
        if type.isText { return scatterTexts(parts, places, first, count) }
        bits += repeatElement(0, count: count)
        for (part, places) in zip(parts, places) {
            precondition(part.type == type && part.count == places.count, "a place for every row of the column's type")
            let (numbers, isPresent) = (part.bits, part.presence)
            for (row, place) in places.enumerated() {
                bits[first + place] = numbers[row]
                presence[first + place] = isPresent[row]
            }
            missingCount += part.missingCount
        }
    }

    /// As `append(_:at:)`, of which it is a part: finds out where each text ends, then copies them there.
    private mutating func scatterTexts(_ parts: [ParquetValues], _ places: [[Int]], _ first: Int, _ count: Int) {
        var rows = Array(repeating: (part: 0, row: 0), count: count)
        for (number, places) in places.enumerated() {
            precondition(parts[number].type == type && parts[number].count == places.count, "a place for every row")
            for (row, place) in places.enumerated() {
                rows[place] = (number, row)
                presence[first + place] = parts[number].presence[row]
            }
            missingCount += parts[number].missingCount
        }
        let texts = parts.map { $0.text }
        for (part, row) in rows {
            text += texts[part][parts[part].range(row)]
            ends.append(text.count)
        }
    }

    /// Adds a row of other values of the same type.
    public mutating func append(row: Int, of other: ParquetValues) {
        guard other.presence[row] else { return appendMissing() }
        if type.isText { append(other.text[other.range(row)]) } else { append(bits: other.bits[row]) }
    }

    /// Adds rows of other values of the same type.
    mutating func append(rows: Range<Int>, of other: ParquetValues) {
        precondition(type == other.type, "the column holds \(type)")
        presence += other.presence[rows]
        missingCount += other.missingCount == 0 ? 0 : other.presence[rows].count { !$0 }
        guard type.isText else { return bits += other.bits[rows] }
        guard let last = rows.last else { return }
        let start = other.range(rows.lowerBound).lowerBound
        let shift = text.count - start
        text += other.text[start..<other.ends[last]]
        ends += other.ends[rows].lazy.map { $0 + shift }
    }

    /// Adds rows of numbers: `present` has 0 or 1 for each row, or nothing where none is missing, and `numbers` what is present.
    mutating func append(_ numbers: [Int64], _ present: [UInt32], rows: Int) {
        guard !present.isEmpty else {
            bits += numbers
            return presence.append(contentsOf: repeatElement(true, count: rows))
        }
        var next = 0
        for flag in present {
            bits.append(flag == 1 ? numbers[next] : 0)
            presence.append(flag == 1)
            next += Int(flag)
        }
        missingCount += rows - next
    }

    /// Adds rows by their places in a dictionary, which were checked.
    mutating func append(
        _ dictionary: ParquetValues, _ indexes: [UInt32], _ present: [UInt32], rows: Int
    ) throws(PageError) {
        guard type.isText else {
            return append(indexes.map { dictionary.bits[Int($0)] }, present, rows: rows)
        }
        var next = 0
        for row in 0..<rows {
            guard present.isEmpty || present[row] == 1 else {
                appendMissing()
                continue
            }
            append(dictionary.text[dictionary.range(Int(indexes[next]))])
            next += 1
            // A dictionary makes a long text of every few bits.
            guard text.count <= Self.mostText else { throw .unsupported("its texts are longer than 256 MiB together") }
        }
    }

    /// Bytes of text in one batch of rows.
    private static let mostText = 1 << 28

    /// Where a row's text lies.
    func range(_ row: Int) -> Range<Int> { (row == 0 ? 0 : ends[row - 1])..<ends[row] }
}
