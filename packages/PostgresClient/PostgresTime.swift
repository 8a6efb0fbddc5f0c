/// What a `timestamptz` can hold, in milliseconds since 1970. A time that came from a topic or a file may be anything.
public enum PostgresTime {
    /// From 4714-11-24 BC to the end of the year 294276, UTC.
    public static let range: ClosedRange<Int64> = -210_866_803_200_000...9_224_318_015_999_999
    /// 2000-01-01, from which Postgres counts.
    static let epochMillis: Int64 = 946_684_800_000

    /// The nearest time that can be stored.
    public static func clamped(_ millis: Int64) -> Int64 { min(max(millis, range.lowerBound), range.upperBound) }
}
