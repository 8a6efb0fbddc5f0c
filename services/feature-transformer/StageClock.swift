import Observability

/// The clock of pauses and patience.
enum StageClock {
    /// Monotonic, ms.
    static func millis() -> Int64 { Int64(WallClock.monotonicNanos() / 1_000_000) }
}
