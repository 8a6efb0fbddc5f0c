/// A date of the proleptic Gregorian calendar, and its distance from 1970-01-01.
///
/// Day counting after Howard Hinnant's "chrono-compatible low-level date algorithms". The year is taken to begin on 1 March, so
/// that the day that is sometimes missing is the last one; then every era of 400 years has the same 146,097 days, and within an
/// era years and months follow from the day's number by division alone.
public struct CivilDate: Hashable, Sendable {
    /// Calendar fields; month and day count from 1.
    public let year: Int, month: Int, day: Int

    /// A date. Nothing is checked: `daysSince1970` of 30 February is that of 1 or 2 March.
    public init(year: Int, month: Int, day: Int) {
        (self.year, self.month, self.day) = (year, month, day)
    }

    /// The date of a day, counted from 1970-01-01. Any day that milliseconds in 64 bits can name.
    public init(daysSince1970 days: Int) {
        let shifted = days + 719_468  // from 1 March of the year 0
        let era = floorDivide(shifted, 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let marchMonth = (5 * dayOfYear + 2) / 153
        day = dayOfYear - (153 * marchMonth + 2) / 5 + 1
        month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
        year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    }

    /// Days since 1970-01-01.
    public var daysSince1970: Int {
        let y = month <= 2 ? year - 1 : year
        let era = floorDivide(y, 400)
        let yearOfEra = y - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }

    /// `2026-01-31`.
    public var text: String { "\(Padding.zeros(year, 4))-\(Padding.zeros(month, 2))-\(Padding.zeros(day, 2))" }
}

/// The quotient rounded down, also for what lies before the beginning: `floorDivide(-1, 60)` is −1. Inlinable, so that each module
/// has it for its own integers: one that asks the type how to divide costs a hundred times as much.
@inlinable public func floorDivide<Number: BinaryInteger>(_ value: Number, _ divisor: Number) -> Number {
    let (quotient, remainder) = value.quotientAndRemainder(dividingBy: divisor)
    return remainder != 0 && (remainder < 0) != (divisor < 0) ? quotient - 1 : quotient
}
