import Text

/// Strict reading and exact writing of numbers. The same rule holds for CSV cells, JSON numbers and JSON strings.
public enum Decimals {
    /// Largest accepted magnitude of a decimal, in minor units. Keeps sums of squares within 128 bits for any real window.
    public static let largestMinorUnits: Int64 = 1_000_000_000_000_000

    /// Powers of ten by places, as integers and as doubles (each exact).
    static let powers: [Int64] = [
        1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000,
    ]

    /// `-?digits`, no plus, no spaces, no leading-zero rule (ZIP codes and card numbers are strings anyway).
    public static func integer(_ text: Span<UInt8>) -> Int64? {
        var index = 0
        let isNegative = text.count > 0 && text[0] == 0x2D
        if isNegative { index = 1 }
        guard index < text.count else { return nil }
        var value: Int64 = 0  // Built as a negative number, which has one more value than the positive range.
        while index < text.count {
            let digit = text[index] &- 0x30
            guard digit < 10 else { return nil }
            let (scaled, overflow) = value.multipliedReportingOverflow(by: 10)
            let (next, borrow) = scaled.subtractingReportingOverflow(Int64(digit))
            guard !overflow, !borrow else { return nil }
            value = next
            index += 1
        }
        if isNegative { return value }
        return value == .min ? nil : -value
    }

    /// Minor units of `-?digits[.digits]` with at most `places` decimals; nil for anything else, and past 10¹⁵ minor units.
    public static func minorUnits(_ text: Span<UInt8>, places: Int) -> Int64? {
        var index = 0
        let isNegative = text.count > 0 && text[0] == 0x2D
        if isNegative { index = 1 }
        let first = index
        var value: Int64 = 0
        while index < text.count, text[index] &- 0x30 < 10 {
            value = value &* 10 &+ Int64(text[index] &- 0x30)
            guard value <= largestMinorUnits else { return nil }
            index += 1
        }
        guard index > first else { return nil }
        var decimals = 0
        if index < text.count {
            guard text[index] == 0x2E else { return nil }
            index += 1
            while index < text.count, text[index] &- 0x30 < 10 {
                value = value &* 10 &+ Int64(text[index] &- 0x30)
                decimals += 1
                guard value <= largestMinorUnits, decimals <= places else { return nil }
                index += 1
            }
            guard decimals > 0, index == text.count else { return nil }
        }
        let (units, overflow) = value.multipliedReportingOverflow(by: powers[places - decimals])
        guard !overflow, units <= largestMinorUnits else { return nil }
        return isNegative ? -units : units
    }

    /// Minor units of a JSON number (`-?digits[.digits][e±digits]`, leading zeros allowed) rounded to `places` decimals, half to
    /// even; nil for anything else, and past 10¹⁵ minor units.
    ///
    /// Exact decimal arithmetic on the text: `251.20000000000002` is 251.20, `0.125` is 0.12, `0.12500000000000001` is 0.13.
    public static func roundedMinorUnits(_ text: Span<UInt8>, places: Int) -> Int64? {
        guard let number = DecimalText(text) else { return nil }
        // The first `kept` significant digits are minor units; one digit more decides, and whether any other is there.
        let kept = number.pointPosition + places
        var value: Int64 = 0
        var (next, hasMore): (UInt8, Bool) = (0, false)
        var position = 0
        for index in number.digits where text[index] != 0x2E {
            let digit = text[index] &- 0x30
            if position < kept {
                value = value * 10 + Int64(digit)
                guard value <= largestMinorUnits else { return nil }
            } else if position == kept {
                next = digit
            } else if digit != 0 {
                hasMore = true
            }
            position += 1
        }
        // Zeros that are not written: before the point of 1e3, or before the digits of 1e-9, where all of them only decide.
        if kept < 0 { return 0 }
        while position < kept, value != 0 {
            value *= 10
            guard value <= largestMinorUnits else { return nil }
            position += 1
        }
        if next > 5 || next == 5 && (hasMore || value % 2 != 0) { value += 1 }
        guard value <= largestMinorUnits else { return nil }
        return number.isNegative ? -value : value
    }

    /// A finite double from JSON number grammar (`-?digits[.digits][e±digits]`), leading zeros allowed; nil when it overflows.
    ///
    /// Up to 15 digits and 22 decimals are exact doubles, so one division rounds correctly (Clinger's fast path); the
    /// rest is the standard library's.
    public static func double(_ text: Span<UInt8>) -> Double? {
        let count = text.count
        var index = 0
        let isNegative = count > 0 && text[0] == 0x2D
        if isNegative { index = 1 }
        var mantissa: UInt64 = 0
        let whole = index
        while index < count, text[index] &- 0x30 < 10 {
            mantissa = mantissa &* 10 &+ UInt64(text[index] &- 0x30)
            index += 1
        }
        guard index > whole else { return nil }
        var digits = index - whole
        var decimals = 0
        if index < count, text[index] == 0x2E {
            index += 1
            let first = index
            while index < count, text[index] &- 0x30 < 10 {
                mantissa = mantissa &* 10 &+ UInt64(text[index] &- 0x30)
                index += 1
            }
            decimals = index - first
            guard decimals > 0 else { return nil }
            digits += decimals
        }
        if index == count, digits <= 15 {
            let value = Double(mantissa) / exactPowers[decimals]
            return isNegative ? -value : value
        }
        if index < count, text[index] | 0x20 == 0x65 {
            index += 1
            if index < count, text[index] == 0x2B || text[index] == 0x2D { index += 1 }
            let first = index
            while index < count, text[index] &- 0x30 < 10 { index += 1 }
            guard index > first else { return nil }
        }
        guard index == count else { return nil }
        let string = String(unsafeUninitializedCapacity: count) { buffer in
            for position in 0..<count { buffer[position] = text[position] }
            return count
        }
        guard let value = Double(string), value.isFinite else { return nil }
        return value
    }

    /// 10⁰ to 10¹⁵, each exact.
    private static let exactPowers: [Double] = [
        1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
    ]

    /// The text of minor units with exactly `places` decimals: 1230 with 2 is `12.30`.
    public static func text(minorUnits: Int64, places: Int) -> String {
        guard places > 0 else { return String(minorUnits) }
        let (whole, fraction) = minorUnits.magnitude.quotientAndRemainder(dividingBy: UInt64(powers[places]))
        return "\(minorUnits < 0 ? "-" : "")\(whole).\(Padding.zeros(Int(fraction), places))"
    }

    /// The major-unit double of minor units, correctly rounded once: Double(units) / 10^places.
    public static func majorUnits(_ minorUnits: Int64, places: Int) -> Double {
        Double(minorUnits) / Double(powers[places])
    }
}

extension Decimals {
    /// Whether the text is `-?digits`, of any length.
    static func isInteger(_ text: Span<UInt8>) -> Bool {
        let first = text.count > 0 && text[0] == 0x2D ? 1 : 0
        return first < text.count && (first..<text.count).allSatisfy { text[$0] &- 0x30 < 10 }
    }
}

/// Where the parts of a JSON number lie in its text.
private struct DecimalText {
    let isNegative: Bool
    /// Digits and the point between them.
    let digits: Range<Int>
    /// How many digits stand before the point once the exponent has moved it; bounded, for what lies beyond is 0 or too large.
    let pointPosition: Int

    init?(_ text: Span<UInt8>) {
        let count = text.count
        isNegative = count > 0 && text[0] == 0x2D
        let first = isNegative ? 1 : 0
        var index = first
        while index < count, text[index] &- 0x30 < 10 { index += 1 }
        let whole = index - first
        guard whole > 0 else { return nil }
        if index < count, text[index] == 0x2E {
            index += 1
            let start = index
            while index < count, text[index] &- 0x30 < 10 { index += 1 }
            guard index > start else { return nil }
        }
        digits = first..<index
        var exponent = 0
        if index < count, text[index] | 0x20 == 0x65 {
            index += 1
            let isMinus = index < count && text[index] == 0x2D
            if isMinus || index < count && text[index] == 0x2B { index += 1 }
            let start = index
            while index < count, text[index] &- 0x30 < 10 {
                exponent = min(1 << 32, exponent * 10 + Int(text[index] &- 0x30))
                index += 1
            }
            guard index > start else { return nil }
            if isMinus { exponent = -exponent }
        }
        guard index == count else { return nil }
        pointPosition = whole + exponent
    }
}
