/// How far back plots look.
package enum PlotWindow: Int, CaseIterable, Sendable {
    case minutes, hour, day

    /// As a title says it.
    package var title: String { ["5 min", "1 h", "24 h"][rawValue] }
    /// The time of one bucket.
    var bucketMillis: Int64 { [5_000, 60_000, 1_200_000][rawValue] }
    /// Buckets that are kept.
    var buckets: Int { [60, 60, 72][rawValue] }
    /// The next one, round and round.
    package var next: PlotWindow { PlotWindow(rawValue: (rawValue + 1) % 3) ?? .minutes }
}

/// What is plotted.
package enum PlotSeries: Hashable, CaseIterable, Sendable {
    case transformed, predictions, fraudShare, latency, lag

    package var title: String {
        switch self {
        case .transformed: "events/s"
        case .predictions: "predictions/s"
        case .fraudShare: "frauds, %"
        case .latency: "p99, ms"
        case .lag: "lag"
        }
    }

    /// Who tells it, by the name of the part.
    var part: String {
        switch self {
        case .transformed: "transform"
        case .predictions, .fraudShare, .latency: "api"
        case .lag: "postgres"
        }
    }
}

/// Means of each series over whole buckets of time, so that a plot moves by a whole cell when a bucket closes and not otherwise.
package struct PlotHistory: Sendable {
    fileprivate struct Line: Sendable {
        var values: [Double] = []
        var sum = 0.0, count = 0
    }
    fileprivate struct Buckets: Sendable {
        var lines: [PlotSeries: Line] = [:]
        var number: Int64?
    }
    private var buckets: [Buckets] = Array(repeating: Buckets(), count: PlotWindow.allCases.count)

    package init() {}

    /// Adds what was measured at a moment of the clock that never steps; NaN and what is missing count for nothing.
    package mutating func add(_ values: [PlotSeries: Double], clockMillis: Int64) {
        for window in PlotWindow.allCases { buckets[window.rawValue].add(values, window, clockMillis) }
    }

    /// The means of the closed buckets, oldest first; NaN where nothing was measured.
    package func values(_ series: PlotSeries, _ window: PlotWindow) -> [Double] {
        buckets[window.rawValue].lines[series]?.values ?? []
    }
}

extension PlotHistory.Buckets {
    fileprivate mutating func add(_ values: [PlotSeries: Double], _ window: PlotWindow, _ clockMillis: Int64) {
        let now = clockMillis / window.bucketMillis
        if let number, now < number || now - number > Int64(window.buckets) {
            self = .init()
        } else if let number {
            for _ in number..<now { close(keeping: window.buckets) }
        }
        number = now
        for series in PlotSeries.allCases {
            var line = lines[series] ?? .init()
            if let value = values[series], value.isFinite {
                line.sum += value
                line.count += 1
            }
            lines[series] = line
        }
    }

    private mutating func close(keeping count: Int) {
        for (series, var line) in lines {
            line.values.append(line.count > 0 ? line.sum / Double(line.count) : .nan)
            if line.values.count > count { line.values.removeFirst(line.values.count - count) }
            (line.sum, line.count) = (0, 0)
            lines[series] = line
        }
    }
}
