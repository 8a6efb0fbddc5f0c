/// The one rule of what can be an event's time, for stream, file and request. A time outside it is a unit taken for another
/// or a damaged field; one such event would push every other one of its entity out of the windows. See docs/design.md, The function F.
public enum PlausibleTime {
    /// 1970-01-01 to 2099-12-31, ms UTC.
    public static let range: Range<Int64> = 0..<4_102_444_800_000

    /// How far an event may lie ahead of the moment it was recorded, ms: clocks differ, a later one is a mistake.
    public static let aheadMillis: Int64 = 300_000

    /// Whether an event lies too far ahead of its record: the record's Kafka timestamp in the stream, now for a request or
    /// a file. Any pair of numbers is allowed.
    public static func isAhead(_ eventMillis: Int64, ofRecordAt recordMillis: Int64) -> Bool {
        let (latest, overflow) = recordMillis.addingReportingOverflow(aheadMillis)
        return !overflow && eventMillis > latest
    }

    /// What is wrong with `text`, which was read as `millis` (nil: not at all), as the end of a sentence that its field's name
    /// begins.
    static func problem(_ millis: Int64?, of text: Span<UInt8>, as format: EventTimeFormat) -> String {
        guard format.isNumeric, let value = Decimals.integer(text) else {
            guard let millis else { return "is not a time of the declared format \(format.name)" }
            return "is in the year \(CivilTime(millis: millis).year), not between 1970 and 2099"
        }
        guard value >= 0 else { return "is before 1970" }
        let found = millis.map { "is in the year \(CivilTime(millis: $0).year)" } ?? "is far beyond the year 2099"
        guard let unit = unit(of: value), unit != (format == .unixMillis ? "milliseconds" : "seconds") else {
            return "\(found), not between 1970 and 2099"
        }
        return "\(found): are these \(unit)? \(format.name) is declared"
    }

    /// The unit in which a number of today's magnitude is counted since 1970.
    private static func unit(of value: Int64) -> String? {
        switch value {
        case 100_000_000_000..<100_000_000_000_000: "milliseconds"
        case 100_000_000_000_000..<100_000_000_000_000_000: "microseconds"
        case 100_000_000_000_000_000...: "nanoseconds"
        default: nil
        }
    }
}
