import Observability
import Synchronization

/// Says that something goes wrong again and again: at once when it begins, then once a minute for as long as it lasts, with
/// how often and the last reason.
final class Complaints: Sendable {
    /// The least time between two of them.
    static let pauseMillis: Int64 = 60_000

    private struct State {
        var count = 0
        var reason = ""
        var nextMillis = Int64.min
    }

    private let message: StaticString
    private let log: Log
    private let state = Mutex(State())

    init(_ message: StaticString, _ log: Log) {
        self.message = message
        self.log = log
    }

    /// Counts one occurrence.
    func add(_ reason: String) {
        state.withLock {
            $0.count += 1
            $0.reason = reason
        }
    }

    /// Logs what was counted, if the last time is long enough ago. `nowMillis` is of a clock that never goes back.
    func sayIfDue(nowMillis: Int64) {
        let due: (Int, String)? = state.withLock { state in
            guard state.count > 0, nowMillis >= state.nextMillis else { return nil }
            defer { state.count = 0 }
            state.nextMillis = nowMillis + Self.pauseMillis
            return (state.count, state.reason)
        }
        if let (count, reason) = due { log.warning(message, ["count": count, "reason": reason]) }
    }
}
