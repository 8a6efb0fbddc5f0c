import Glibc
import Observability

/// Where a replay takes the time from and how it waits: the machine's clocks, or a test's.
package struct ReplayClock {
    /// The wall clock, ms UTC.
    package var nowMillis: () -> Int64
    /// A clock that never steps, ns.
    package var monotonicNanos: () -> UInt64
    /// Lets so many ns pass.
    package var sleep: (_ nanos: Int64) -> Void

    /// The given clocks.
    package init(
        nowMillis: @escaping () -> Int64, monotonicNanos: @escaping () -> UInt64, sleep: @escaping (Int64) -> Void
    ) {
        (self.nowMillis, self.monotonicNanos, self.sleep) = (nowMillis, monotonicNanos, sleep)
    }

    /// The machine's.
    package static var machine: ReplayClock {
        ReplayClock(
            nowMillis: { WallClock.nowMillis() }, monotonicNanos: { WallClock.monotonicNanos() },
            sleep: { nanos in
                var pause = timespec(tv_sec: Int(nanos / 1_000_000_000), tv_nsec: Int(nanos % 1_000_000_000))
                nanosleep(&pause, nil)
            })
    }
}
