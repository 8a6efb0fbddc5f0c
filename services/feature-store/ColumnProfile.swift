import FeatureEngine

/// What the cells of one column have in common, in the rows that were looked at.
struct ColumnProfile {
    /// What the cells can be read as.
    enum Kind: Equatable {
        case empty
        case boolean
        case integer
        case decimal(places: Int)
        /// Nearly all have so many places, and some the noise of floats behind them.
        case noisyDecimal(places: Int)
        case double
        /// Digits that are a name: with zeros before them, more than a number keeps, or a postcode.
        case digits
        /// Numbers with a comma where the point should be.
        case decimalComma
        case text
    }

    let name: String
    let rows: Int
    /// How many cells are empty.
    let missing: Int
    /// How many different cells there are, empty ones left out.
    let distinct: Int
    let kind: Kind
    /// How the cells read as times, where all of them do.
    let time: TimeProfile?
    /// Whether every cell is 0 or 1, and both or at least 0 are there.
    let isZeroOrOne: Bool
    /// Whether every cell may be a key or an id.
    let isKeyLike: Bool

    init(name: String, cells: [ByteString]) {
        let present = cells.filter { !$0.bytes.isEmpty }
        self.name = name
        rows = cells.count
        missing = cells.count - present.count
        distinct = Set(present).count
        kind = Self.kind(of: present, named: name)
        time = missing == 0 ? TimeProfile(present) : nil
        isZeroOrOne = !present.isEmpty && present.allSatisfy { $0 == "0" || $0 == "1" }
        isKeyLike = missing == 0 && !present.isEmpty && present.allSatisfy { KeyRule.problem($0.bytes.span) == nil }
    }

    /// Whether the name holds one of the words: short ones as a whole word of it, longer ones anywhere.
    func says(_ hints: [String]) -> Bool {
        let lower = name.lowercased()
        let words = Set(Self.words(name))
        return hints.contains { $0.count < 4 ? words.contains($0) : lower.contains($0) }
    }

    /// `isFraud` and `IS_FRAUD` are `is` and `fraud`.
    static func words(_ name: String) -> [String] {
        var words: [String] = []
        var current = ""
        var wasLower = false
        for letter in name {
            let isBreak = !letter.isLetter && !letter.isNumber || letter.isUppercase && wasLower
            if isBreak, !current.isEmpty {
                words.append(current)
                current = ""
            }
            if letter.isLetter || letter.isNumber { current += letter.lowercased() }
            wasLower = letter.isLowercase
        }
        return current.isEmpty ? words : words + [current]
    }

    private static let mostPlaces = 4

    private static func kind(of cells: [ByteString], named name: String) -> Kind {
        guard !cells.isEmpty else { return .empty }
        if cells.allSatisfy({ $0 == "true" || $0 == "false" }) { return .boolean }
        var shapes: [NumberShape] = []
        for cell in cells {
            guard let shape = NumberShape(cell.bytes) else {
                return cells.allSatisfy(hasDecimalComma) && cells.contains { $0.bytes.contains(0x2C) }
                    ? .decimalComma : .text
            }
            shapes.append(shape)
        }
        if shapes.contains(where: { $0.hasLeadingZero || $0.wholeDigits > 15 && $0.places == 0 }) { return .digits }
        let places = shapes.reduce(0) { max($0, $1.places) }
        let words = Set(words(name))
        if places == 0, !words.isDisjoint(with: ["zip", "zipcode", "postcode", "plz", "phone", "mcc", "iban"]) {
            return .digits
        }
        if shapes.contains(where: \.hasExponent) { return .double }
        if places == 0 { return .integer }
        if !words.isDisjoint(with: ["lat", "latitude", "lon", "lng", "long", "longitude"]) { return .double }
        if places <= mostPlaces { return .decimal(places: places) }
        let (plain, noisy) = (shapes.filter { $0.places <= mostPlaces }, shapes.filter { $0.places >= 10 })
        let isNoise = plain.count + noisy.count == shapes.count && noisy.count * 10 <= shapes.count
        return isNoise ? .noisyDecimal(places: max(1, plain.reduce(0) { max($0, $1.places) })) : .double
    }

    private static func hasDecimalComma(_ cell: ByteString) -> Bool {
        NumberShape(cell.bytes.map { $0 == 0x2C ? 0x2E : $0 }) != nil && !cell.bytes.contains(0x2E)
    }
}

/// The parts of a number's text that decide its type.
private struct NumberShape {
    let wholeDigits: Int
    let places: Int
    let hasLeadingZero: Bool
    let hasExponent: Bool

    init?(_ text: [UInt8]) {
        guard Decimals.double(text.span) != nil else { return nil }
        let digits = text.drop { $0 == 0x2D }
        let whole = digits.prefix { $0 &- 0x30 < 10 }
        wholeDigits = whole.count
        hasLeadingZero = whole.count > 1 && whole.first == 0x30
        hasExponent = text.contains { $0 | 0x20 == 0x65 }
        let rest = digits.dropFirst(whole.count)
        places = rest.first == 0x2E ? rest.dropFirst().prefix { $0 &- 0x30 < 10 }.count : 0
    }
}

/// How the cells of a column read as times.
struct TimeProfile: Equatable {
    let format: EventTimeFormat
    /// Another order of day and month that reads all cells as well.
    let twin: EventTimeFormat?
    /// The share of rows that are not earlier than the row before.
    let ordered: Double

    /// What is tried, in this order; a day and month that may be swapped stand side by side.
    private static let formats = [
        "yyyy-MM-dd HH:mm:ss", "yyyy-MM-dd HH:mm:ss.SSS", "yyyy-MM-dd HH:mm", "yyyy-MM-dd", "iso8601",
        "yyyy/MM/dd HH:mm:ss", "yyyy/MM/dd HH:mm", "dd/MM/yyyy HH:mm:ss", "MM/dd/yyyy HH:mm:ss", "dd/MM/yyyy HH:mm",
        "MM/dd/yyyy HH:mm",
        "dd.MM.yyyy HH:mm:ss", "dd.MM.yyyy HH:mm", "dd-MM-yyyy HH:mm:ss", "MM-dd-yyyy HH:mm:ss", "yyyyMMddHHmmss",
        "yyyy/MM/dd", "dd/MM/yyyy", "MM/dd/yyyy", "dd.MM.yyyy", "yyyyMMdd",
    ].compactMap { EventTimeFormat($0) }

    /// Nil when there is no format that reads all.
    init?(_ cells: [ByteString]) {
        guard !cells.isEmpty else { return nil }
        let unix: [(EventTimeFormat, ClosedRange<Int64>)] = [
            (.unixSeconds, 500_000_000...4_102_444_799), (.unixMillis, 500_000_000_000...4_102_444_799_999),
        ]
        for (format, range) in unix {
            let values = cells.lazy.map { Decimals.integer($0.bytes.span) }
            guard values.allSatisfy({ $0.map(range.contains) ?? false }) else { continue }
            let ordered = Self.ordered(values.compactMap { $0 })
            // Numbers of this size may be anything; those of a clock rise with the rows.
            guard ordered >= 0.9 else { return nil }
            (self.format, twin, self.ordered) = (format, nil, ordered)
            return
        }
        var found: [(format: EventTimeFormat, ordered: Double)] = []
        for format in Self.formats {
            var times: [Int64] = []
            times.reserveCapacity(cells.count)
            for cell in cells {
                guard let time = format.millis(cell.bytes.span), PlausibleTime.range.contains(time) else { break }
                times.append(time)
            }
            if times.count == cells.count { found.append((format, Self.ordered(times))) }
        }
        guard let first = found.first else { return nil }
        // Of a day and a month that may be swapped, those under which the rows are in order.
        let swapped = found.dropFirst().first { $0.format.name.sorted() == first.format.name.sorted() }
        let isSwapped = swapped.map { $0.ordered > first.ordered } ?? false
        format = isSwapped ? swapped?.format ?? first.format : first.format
        ordered = isSwapped ? swapped?.ordered ?? first.ordered : first.ordered
        twin = isSwapped ? first.format : swapped?.format
    }

    /// Whether it has a time of day.
    var hasClock: Bool { format.isNumeric || format == .iso8601 || format.name.contains("HH") }

    private static func ordered(_ times: [Int64]) -> Double {
        guard times.count > 1 else { return 1 }
        return Double(zip(times, times.dropFirst()).count { $0 <= $1 }) / Double(times.count - 1)
    }
}
