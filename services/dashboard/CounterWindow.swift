/// The last minutes of every counter and of the latency histogram: a figure since a process began says what was, and looks like
/// what is.
package struct CounterWindow: Sendable {
    /// How far back the figures look.
    package static let spanMillis: Int64 = 300_000
    /// How far back latency looks: shorter, because a slow minute must not hide among four quick ones.
    package static let latencyMillis: Int64 = 60_000
    /// A bound for an impatient user: one round each 100 ms fills the five minutes.
    private static let mostSamples = 3_100

    private struct Sample {
        let clockMillis: Int64, counters: Counters, latency: [Bucket]
    }
    private var samples: [Sample] = []

    package init() {}

    /// Adds a reading. A clock that went back begins anew.
    package mutating func add(_ observation: Observation) {
        if let last = samples.last, observation.clockMillis < last.clockMillis { samples = [] }
        samples.append(
            Sample(
                clockMillis: observation.clockMillis, counters: observation.counters, latency: observation.latency))
        let oldest = observation.clockMillis - Self.spanMillis
        let keep = samples.firstIndex { $0.clockMillis >= oldest } ?? samples.count - 1
        samples.removeFirst(max(keep, samples.count - Self.mostSamples))
    }

    /// How much a counter grew and over how long, between its first and its last reading of the window; nil before two.
    package func growth(of counter: Counter) -> (count: Double, seconds: Double)? {
        var count = 0.0
        var first: Int64?
        var last: (value: Double, clockMillis: Int64)?
        for sample in samples {
            guard let value = sample.counters[counter] else { continue }
            if let last { count += Self.growth(from: last.value, to: value) }
            first = first ?? sample.clockMillis
            last = (value, sample.clockMillis)
        }
        guard let first, let last, last.clockMillis > first, count.isFinite else { return nil }
        return (count, Double(last.clockMillis - first) / 1_000)
    }

    /// Events a second between the last two readings; nil when one of them is missing.
    package func newestRate(of counter: Counter) -> Double? {
        guard let now = samples.last, let before = samples.dropLast().last, now.clockMillis > before.clockMillis,
            let value = now.counters[counter], let earlier = before.counters[counter]
        else { return nil }
        return Self.growth(from: earlier, to: value) / (Double(now.clockMillis - before.clockMillis) / 1_000)
    }

    /// The latencies of the last minute as one histogram; empty when none was measured in it.
    package var recentLatency: [Bucket] {
        guard let now = samples.last, !now.latency.isEmpty else { return [] }
        let oldest = now.clockMillis - Self.latencyMillis
        // The oldest reading of the same process: counts that are larger than today's are of one before it.
        let before = samples.first { sample in
            sample.clockMillis >= oldest && sample.latency.map(\.upperBound) == now.latency.map(\.upperBound)
                && zip(sample.latency, now.latency).allSatisfy { $0.count <= $1.count }
        }
        guard let before, before.clockMillis < now.clockMillis else { return [] }
        let recent = zip(now.latency, before.latency).map { Bucket($0.upperBound, $0.count - $1.count) }
        return (recent.last?.count ?? 0) > 0 ? recent : []
    }

    /// The time from the first to the last reading, seconds: what "the last minutes" are until there are five.
    package var seconds: Double {
        guard let first = samples.first, let last = samples.last else { return 0 }
        return Double(last.clockMillis - first.clockMillis) / 1_000
    }

    /// A smaller counter is a process that began anew.
    private static func growth(from before: Double, to now: Double) -> Double { now >= before ? now - before : now }
}

/// The q-quantile of a cumulative histogram, linear within its bucket, as PromQL's `histogram_quantile`; nil for an empty one.
package func quantile(_ q: Double, of buckets: [Bucket]) -> Double? {
    guard let total = buckets.last?.count, total > 0, total.isFinite else { return nil }
    let rank = q * total
    var lower = Bucket(0, 0)
    for bucket in buckets {
        if bucket.count >= rank {
            guard bucket.upperBound.isFinite else { return lower.upperBound }
            let share = bucket.count > lower.count ? (rank - lower.count) / (bucket.count - lower.count) : 0
            return lower.upperBound + (bucket.upperBound - lower.upperBound) * share
        }
        lower = bucket
    }
    return lower.upperBound
}
