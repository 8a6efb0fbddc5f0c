import Text

/// A date and time of day in UTC, proleptic Gregorian.
public struct CivilTime: Hashable, Sendable {
    /// Calendar fields; month and day count from 1.
    public var year = 1970, month = 1, day = 1, hour = 0, minute = 0, second = 0, milli = 0

    /// 1970-01-01 00:00:00.
    public init() {}

    /// The civil time of a moment, ms UTC.
    public init(millis: Int64) {
        let days = floorDivide(millis, 86_400_000)
        // Wraps on purpose: the product may lie below Int64.min, the difference never leaves one day.
        let rest = Int(millis &- days &* 86_400_000)
        let date = CivilDate(daysSince1970: Int(days))
        (year, month, day) = (date.year, date.month, date.day)
        hour = rest / 3_600_000
        minute = rest / 60_000 % 60
        second = rest / 1_000 % 60
        milli = rest % 1_000
    }

    /// Days since 1970-01-01 of a valid date.
    public static func days(year: Int, month: Int, day: Int) -> Int {
        CivilDate(year: year, month: month, day: day).daysSince1970
    }

    /// Milliseconds UTC, or nil when a field is out of range (30 February, 24 o'clock) or the time is before 1970.
    public var millis: Int64? {
        let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        guard (1...12).contains(month), hour < 24, minute < 60, second < 60, year >= 1970 else { return nil }
        let longest =
            switch month {
            case 2: isLeap ? 29 : 28
            case 4, 6, 9, 11: 30
            default: 31
            }
        guard (1...longest).contains(day) else { return nil }
        let days = Int64(Self.days(year: year, month: month, day: day))
        return days * 86_400_000 + Int64(hour) * 3_600_000 + Int64(minute) * 60_000 + Int64(second) * 1_000
            + Int64(milli)
    }

    /// `2019-01-01T00:00:18Z`, with milliseconds only where they are not zero.
    public static func iso8601(_ millis: Int64) -> String {
        let time = CivilTime(millis: millis)
        let date = "\(Padding.zeros(time.year, 4))-\(Padding.zeros(time.month, 2))-\(Padding.zeros(time.day, 2))"
        let clock = "\(Padding.zeros(time.hour, 2)):\(Padding.zeros(time.minute, 2)):\(Padding.zeros(time.second, 2))"
        return time.milli == 0 ? "\(date)T\(clock)Z" : "\(date)T\(clock).\(Padding.zeros(time.milli, 3))Z"
    }

    /// Milliseconds UTC of an ISO 8601 date and time; digits past the milliseconds are refused unless zero.
    public static func parseISO8601(_ text: Span<UInt8>) -> Int64? {
        var time = CivilTime()
        var cursor = 0
        func literal(_ byte: UInt8) -> Bool {
            guard cursor < text.count, text[cursor] == byte else { return false }
            cursor += 1
            return true
        }
        guard let year = digits(text, at: &cursor, count: 4), literal(0x2D),
            let month = digits(text, at: &cursor, count: 2), literal(0x2D),
            let day = digits(text, at: &cursor, count: 2)
        else { return nil }
        (time.year, time.month, time.day) = (year, month, day)
        guard cursor < text.count else { return time.millis }
        guard literal(0x54) || literal(0x20), let hour = digits(text, at: &cursor, count: 2), literal(0x3A),
            let minute = digits(text, at: &cursor, count: 2)
        else { return nil }
        (time.hour, time.minute) = (hour, minute)
        if literal(0x3A) {
            guard let second = digits(text, at: &cursor, count: 2) else { return nil }
            time.second = second
            if literal(0x2E) {
                var scale = 100
                let first = cursor
                while cursor < text.count, (0x30...0x39).contains(text[cursor]) {
                    let digit = Int(text[cursor] - 0x30)
                    guard scale > 0 || digit == 0 else { return nil }
                    time.milli += digit * scale
                    scale /= 10
                    cursor += 1
                }
                guard cursor > first else { return nil }
            }
        }
        guard let local = time.millis else { return nil }
        if cursor == text.count || (literal(0x5A) && cursor == text.count) { return local }
        guard cursor < text.count, text[cursor] == 0x2B || text[cursor] == 0x2D else { return nil }
        let sign: Int64 = text[cursor] == 0x2B ? 1 : -1
        cursor += 1
        guard let hours = digits(text, at: &cursor, count: 2) else { return nil }
        _ = literal(0x3A)
        guard let minutes = digits(text, at: &cursor, count: 2), cursor == text.count, hours < 24, minutes < 60 else {
            return nil
        }
        let utc = local - sign * Int64(hours * 60 + minutes) * 60_000
        return utc < 0 ? nil : utc
    }

    static func digits(_ text: Span<UInt8>, at cursor: inout Int, count: Int) -> Int? {
        guard cursor + count <= text.count else { return nil }
        var value = 0
        for index in cursor..<cursor + count {
            let digit = text[index] &- 0x30
            guard digit < 10 else { return nil }
            value = value * 10 + Int(digit)
        }
        cursor += count
        return value
    }
}

extension CivilTime {
    /// Milliseconds UTC of an ISO 8601 date or time that may lie before 1970, such as a date of birth.
    static func parseDate(_ text: Span<UInt8>) -> Int64? {
        var cursor = 0
        guard let year = digits(text, at: &cursor, count: 4), cursor < text.count, text[cursor] == 0x2D else {
            return nil
        }
        if year >= 1970 { return parseISO8601(text) }
        cursor += 1
        guard text.count == 10, let month = digits(text, at: &cursor, count: 2), text[cursor] == 0x2D else {
            return nil
        }
        cursor += 1
        guard let day = digits(text, at: &cursor, count: 2) else { return nil }
        var date = CivilTime()
        (date.year, date.month, date.day) = (year, month, day)
        guard isDate(date) else { return nil }
        return Int64(days(year: year, month: month, day: day)) * 86_400_000
    }

    /// Whether the fields are those of a date and time after the year 0, also before 1970.
    static func isDate(_ time: CivilTime) -> Bool {
        guard time.year > 0 else { return false }
        // The Gregorian calendar repeats every 400 years: look in a year that `millis` accepts.
        var same = time
        same.year += 2_000
        return same.millis != nil
    }
}
