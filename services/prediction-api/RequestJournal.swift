import Observability
import Synchronization

/// Says which requests failed here or took long, each with its id, so that what a client complains of can be found: ten lines at
/// once, then one a second, with how many were left out. One for all loops.
final class RequestJournal: Sendable {
    /// Most lines at once.
    static let linesMax: Int64 = 10

    private struct State {
        /// Lines that may be written now, in thousandths.
        var allowance = linesMax * 1_000
        var lastMillis: Int64 = 0
        var leftOut = 0
    }

    private let log: Log
    private let slowMillis: Int64
    private let state = Mutex(State())

    /// Requests that take at least `slowMillis` are slow; with 0 none is.
    init(_ log: Log, slowMillis: Int64) {
        self.log = log
        self.slowMillis = slowMillis
    }

    /// Notes an answer. `nowMillis` is of a clock that never goes back.
    func note(id: String, path: String, status: Int, micros: Int64, nowMillis: Int64) {
        let isSlow = slowMillis > 0 && micros / 1_000 >= slowMillis
        guard isSlow || status >= 400 else { return }
        var fields: [String: any LogValue] = [
            "request_id": id, "path": String(path.prefix(200)), "status": status,
            "millis": Double(micros) / 1_000,
        ]
        // What a client did wrong is for the client, who has been told.
        guard isSlow || status >= 500 else { return log.debug("request refused", fields) }
        guard let leftOut = take(nowMillis) else { return }
        if leftOut > 0 { fields["left_out"] = leftOut }
        log.warning(status >= 500 ? "request failed" : "request was slow", fields)
    }

    /// How many were left out before one that may be written; nil when it may not.
    private func take(_ nowMillis: Int64) -> Int? {
        state.withLock { state in
            let passed = max(0, nowMillis - state.lastMillis)
            state.lastMillis = nowMillis
            state.allowance = min(Self.linesMax * 1_000, state.allowance + min(passed, Self.linesMax * 1_000))
            guard state.allowance >= 1_000 else {
                state.leftOut += 1
                return nil
            }
            state.allowance -= 1_000
            defer { state.leftOut = 0 }
            return state.leftOut
        }
    }
}
