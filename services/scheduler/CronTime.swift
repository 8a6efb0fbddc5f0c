import Text

/// When a job is due: the five fields of a crontab line, in UTC, where every day has 24 hours.
public struct CronTime: Equatable, Sendable {
    /// What is wrong with a field.
    public struct Malformed: Error, Equatable, CustomStringConvertible {
        /// The field at fault and what is allowed in it.
        public let description: String
    }

    private var minutes: UInt64
    private var hours: UInt64
    private var daysOfMonth: UInt64
    private var months: UInt64
    private var daysOfWeek: UInt64
    /// With both day fields restricted a day needs to match only one of them; a field that begins with * restricts nothing.
    private var eitherDay: Bool

    private static let monthNames = [
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ]
    private static let dayNames = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
    private static let shorthands = [
        "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
        "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
    ]

    /// Reads five fields, or a word such as `@daily`.
    public init(_ text: String) throws(Malformed) {
        if text.lowercased() == "@reboot" {
            throw Malformed(
                description:
                    "@reboot does not exist here: a schedule may be started often. Run it from what starts this")
        }
        if text.hasPrefix("@"), Self.shorthands[text.lowercased()] == nil {
            let known = Self.shorthands.keys.sorted().joined(separator: ", ")
            throw Malformed(description: "\(text) is no time; there is \(known)")
        }
        let expanded = Self.shorthands[text.lowercased()] ?? text
        let fields = expanded.split(whereSeparator: \.isWhitespace).map(String.init)
        guard fields.count == 5 else {
            throw Malformed(description: "\"\(text)\" has \(fields.count) fields, not the five of a time")
        }
        minutes = try Self.set(fields[0], "minute", 0...59)
        hours = try Self.set(fields[1], "hour", 0...23)
        daysOfMonth = try Self.set(fields[2], "day of the month", 1...31)
        months = try Self.set(fields[3], "month", 1...12, names: Self.monthNames)
        daysOfWeek = try Self.set(fields[4], "day of the week", 0...7, names: Self.dayNames)
        if daysOfWeek & 1 << 7 != 0 { daysOfWeek |= 1 }  // 7 is Sunday too.
        eitherDay = !fields[2].hasPrefix("*") && !fields[4].hasPrefix("*")
    }

    /// The first due minute after `seconds` (since 1970, UTC), or nil when there is none, as for 30 February.
    public func next(after seconds: Int64) -> Int64? {
        var minute = floorDivide(seconds, 60) + 1
        // The rarest time that exists is 29 February on a chosen weekday: every 28 years, 40 across a century without a leap day.
        let last = minute + 41 * 366 * 1440
        while minute < last {
            let day = floorDivide(minute, 1440)
            guard isDue(onDay: day) else {
                minute = (day + 1) * 1440
                continue
            }
            let ofDay = minute - day * 1440
            let hour = ofDay / 60
            guard hours & 1 << UInt64(hour) != 0 else {
                minute = day * 1440 + (hour + 1) * 60
                continue
            }
            if minutes & 1 << UInt64(ofDay % 60) != 0 { return minute * 60 }
            minute += 1
        }
        return nil
    }

    private func isDue(onDay day: Int64) -> Bool {
        let date = CivilDate(daysSince1970: Int(day))
        guard months & 1 << UInt64(date.month) != 0 else { return false }
        let weekday = ((day + 4) % 7 + 7) % 7  // 1970-01-01 was a Thursday.
        let inMonth = daysOfMonth & 1 << UInt64(date.day) != 0
        let inWeek = daysOfWeek & 1 << UInt64(weekday) != 0
        return eitherDay ? inMonth || inWeek : inMonth && inWeek
    }

    /// The numbers of one field as bits: lists of `*`, `a`, `a-b`, each with an optional `/step`.
    private static func set(
        _ field: String, _ name: String, _ range: ClosedRange<Int>, names: [String] = []
    ) throws(Malformed) -> UInt64 {
        func number(_ word: Substring) throws(Malformed) -> Int {
            if let index = names.firstIndex(of: word.lowercased()) { return index + range.lowerBound }
            guard word.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let value = Int(word), range.contains(value)
            else {
                throw Malformed(
                    description:
                        "\(name) \"\(field)\": \"\(word)\" is not from \(range.lowerBound) to \(range.upperBound)")
            }
            return value
        }
        var bits: UInt64 = 0
        for item in field.split(separator: ",", omittingEmptySubsequences: false) {
            let parts = item.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
            var step = 1
            if parts.count == 2 {
                guard let value = Int(parts[1]), value > 0 else {
                    throw Malformed(description: "\(name) \"\(field)\": \"\(parts[1])\" is no step")
                }
                step = value
            }
            var low = range.lowerBound
            var high = range.upperBound
            if parts[0] != "*" {
                let ends = parts[0].split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
                low = try number(ends[0])
                high = ends.count == 2 ? try number(ends[1]) : parts.count == 2 ? range.upperBound : low
            }
            guard low <= high else { throw Malformed(description: "\(name) \"\(field)\": \(low) comes after \(high)") }
            for value in stride(from: low, through: high, by: step) { bits |= 1 << UInt64(value) }
        }
        return bits
    }
}
