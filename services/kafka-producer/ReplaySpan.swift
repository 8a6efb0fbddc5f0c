/// The event times of one pass over a file, and how far a later pass is moved: n times the span, rounded up to weeks, so
/// that weekdays and hours stay what they were and passes follow each other.
package struct ReplaySpan: Equatable, Sendable {
    package static let weekMillis: Int64 = 7 * 86_400_000

    /// The oldest event time seen in the first pass, ms.
    private(set) var oldestMillis: Int64?
    /// The newest event time seen in the first pass, ms.
    private(set) var newestMillis: Int64?

    package init(oldestMillis: Int64? = nil, newestMillis: Int64? = nil) {
        self.oldestMillis = oldestMillis
        self.newestMillis = newestMillis
    }

    package mutating func observe(_ millis: Int64) {
        oldestMillis = min(oldestMillis ?? millis, millis)
        newestMillis = max(newestMillis ?? millis, millis)
    }

    /// What one pass adds, ms; at least a week.
    package var stepMillis: Int64 {
        guard let oldestMillis, let newestMillis else { return Self.weekMillis }
        let weeks = (newestMillis - oldestMillis + Self.weekMillis - 1) / Self.weekMillis
        return max(1, weeks) * Self.weekMillis
    }

    /// What pass `pass` (the first is 0) adds to every time, ms. Past the end of time it stays there.
    package func shiftMillis(pass: Int) -> Int64 {
        let (shift, overflow) = Int64(pass).multipliedReportingOverflow(by: stepMillis)
        return overflow ? .max : shift
    }
}
