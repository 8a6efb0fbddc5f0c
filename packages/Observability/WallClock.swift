import Glibc
import Text

/// The wall clock. Only programs read it: libraries take the time as an argument.
public enum WallClock {
    /// Milliseconds since 1970-01-01 UTC.
    public static func nowMillis() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }

    /// Nanoseconds of a clock that never steps, for durations.
    public static func monotonicNanos() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    /// `2026-01-31T23:59:59.999Z`.
    public static func iso8601(millis: Int64) -> String {
        let days = floorDivide(millis, 86_400_000)
        // Wraps on purpose: the product may lie below Int64.min, the difference never leaves one day.
        let ofDay = millis &- days &* 86_400_000
        func two(_ unitMillis: Int64, _ count: Int64) -> String { Padding.zeros(ofDay / unitMillis % count, 2) }
        return CivilDate(daysSince1970: Int(days)).text
            + "T\(two(3_600_000, 24)):\(two(60_000, 60)):\(two(1_000, 60)).\(Padding.zeros(ofDay % 1_000, 3))Z"
    }
}
