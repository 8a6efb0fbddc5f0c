/// When a source that failed is asked again: after half a second, then twice as long each time up to ten seconds. Until then what it
/// failed with is its answer, so that one that is slow to fail does not slow the others.
package struct Retry {
    static let firstNanos: UInt64 = 500_000_000, longestNanos: UInt64 = 10_000_000_000

    private var failure: (error: any Error, restNanos: UInt64, untilNanos: UInt64)?

    package init() {}

    /// What `body` gives, or the failure of before while it rests. `nowNanos` is a clock that never steps.
    package mutating func run<Value>(nowNanos: () -> UInt64, _ body: () throws -> Value) throws -> Value {
        if let failure, nowNanos() < failure.untilNanos { throw failure.error }
        do {
            let value = try body()
            failure = nil
            return value
        } catch {
            let rest = min(Self.longestNanos, failure.map { $0.restNanos * 2 } ?? Self.firstNanos)
            failure = (error, rest, nowNanos() + rest)
            throw error
        }
    }
}
