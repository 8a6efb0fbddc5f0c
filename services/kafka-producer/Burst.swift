/// Tells of what happens often: the first at once, then how many more there were, at most once in a while.
package struct Burst {
    /// Between two lines, ns.
    package static let pauseNanos: UInt64 = 10_000_000_000

    private var told = 0
    private var toldNanos: UInt64?

    package init() {}

    /// How many to tell of now, of `total` so far; nil when it is too early or there are no more.
    package mutating func due(total: Int, nowNanos: UInt64, isLast: Bool = false) -> Int? {
        guard total > told else { return nil }
        if let toldNanos, !isLast, nowNanos < toldNanos + Self.pauseNanos { return nil }
        defer { (told, toldNanos) = (total, nowNanos) }
        return total - told
    }
}
