internal import ServiceRuntime

/// How fast a file is replayed.
package enum ReplaySpeed: Equatable, Sendable {
    /// As fast as everything allows.
    case unlimited
    /// So many events a second.
    case rate(Double)
    /// Event time passes so many times as fast as the clock.
    case eventTime(Double)
}

/// What `--speed` takes: a factor, or `max`.
struct SpeedFactor: SettingValue, Equatable {
    /// Nil is as fast as possible.
    let factor: Double?

    static var kind: String { "a number above 0 or max" }
    static var placeholder: String? { "X|max" }
    static func parse(_ text: String) -> SpeedFactor? {
        if text == "max" { return SpeedFactor(factor: nil) }
        guard let value = Double.parse(text), value > 0 else { return nil }
        return SpeedFactor(factor: value)
    }
    var settingText: String? { factor.map { "\($0)" } ?? "max" }
}

/// Says when each event is due. An event is never due before its own time, so a replay that has caught up with the present
/// goes on in real time, whatever its speed.
package struct ReplayPacer: Sendable {
    package let speed: ReplaySpeed
    /// Whether the present, not the speed, decides now.
    package private(set) var isCaughtUp = false
    private var first: (nanos: UInt64, eventMillis: Int64)?
    private var count = 0

    package init(_ speed: ReplaySpeed) { self.speed = speed }

    /// How long to wait for the event, ns; negative is how late it is already. `nowNanos` never steps, `nowMillis` is the wall
    /// clock. Without a speed an event that lies in the past is due at once: 0.
    package mutating func waitNanos(eventMillis: Int64, nowNanos: UInt64, nowMillis: Int64) -> Int64 {
        let start = first ?? (nowNanos, eventMillis)
        first = start
        let ahead = eventMillis.subtractingReportingOverflow(nowMillis)
        let nanos = ahead.partialValue.multipliedReportingOverflow(by: 1_000_000)
        let untilPresent =
            ahead.overflow || nanos.overflow ? (eventMillis > nowMillis ? .max : .min) : nanos.partialValue
        let passed = Double(nowNanos &- start.nanos)
        let scheduled: Int64
        switch speed {
        case .unlimited: scheduled = min(0, untilPresent) < 0 ? 0 : untilPresent
        case .rate(let perSecond): scheduled = Self.nanos(Double(count) / perSecond * 1e9 - passed)
        case .eventTime(let factor):
            scheduled = Self.nanos((Double(eventMillis) - Double(start.eventMillis)) / factor * 1e6 - passed)
        }
        if untilPresent > 0, untilPresent >= scheduled {
            isCaughtUp = true
        } else if untilPresent < -3_600_000_000_000 {
            isCaughtUp = false
        }
        return max(scheduled, untilPresent)
    }

    /// Bounded to some 146 years: a tiny speed makes any gap longer than time lasts.
    private static func nanos(_ value: Double) -> Int64 { Int64(max(-0x1p62, min(0x1p62, value))) }

    /// Notes that the event was sent.
    package mutating func noteSent() { count += 1 }
}
