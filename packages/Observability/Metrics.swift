import Synchronization

/// Counts up. Update it from any thread; one atomic addition.
public final class Counter: Sendable {
    private let count = Atomic<UInt64>(0)

    /// Adds `amount`.
    public func add(_ amount: Int = 1) { count.wrappingAdd(UInt64(amount), ordering: .relaxed) }
    /// What was counted so far.
    public var value: UInt64 { count.load(ordering: .relaxed) }
}

/// A value that goes up and down.
public final class Gauge: Sendable {
    private let bits = Atomic<UInt64>(Double(0).bitPattern)

    /// Sets the value.
    public func set(_ value: Double) { bits.store(value.bitPattern, ordering: .relaxed) }
    /// Sets the value.
    public func set(_ value: Int) { set(Double(value)) }
    /// Adds `amount`, which may be negative.
    public func add(_ amount: Double) {
        var old = bits.load(ordering: .relaxed)
        while true {
            let new = (Double(bitPattern: old) + amount).bitPattern
            let (exchanged, original) = bits.weakCompareExchange(expected: old, desired: new, ordering: .relaxed)
            if exchanged { return }
            old = original
        }
    }
    /// The present value.
    public var value: Double { Double(bitPattern: bits.load(ordering: .relaxed)) }
}

/// Counts observations into fixed buckets.
public final class Histogram: Sendable {
    /// Upper bounds of the buckets, ascending, without +Inf.
    public let bounds: [Double]
    private let cells: [Counter]
    private let total = Gauge()

    /// From 50 µs to 10 s, in steps of about two.
    public static let latencySeconds: [Double] = [
        0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5,
        10,
    ]

    init(bounds: [Double]) {
        precondition(!bounds.isEmpty && zip(bounds, bounds.dropFirst()).allSatisfy(<), "buckets ascend")
        self.bounds = bounds
        cells = (0...bounds.count).map { _ in Counter() }
    }

    /// Counts one observation.
    public func observe(_ value: Double) {
        var low = 0
        var high = bounds.count
        while low < high {
            let middle = (low + high) / 2
            if value <= bounds[middle] { high = middle } else { low = middle + 1 }
        }
        cells[low].add(1)
        total.add(value)
    }

    /// How many were observed.
    public var count: UInt64 { cells.reduce(0) { $0 + $1.value } }
    /// The sum of what was observed.
    public var sum: Double { total.value }
    /// Observations at or below each bound, then all of them.
    public var cumulative: [UInt64] {
        var running: UInt64 = 0
        return cells.map {
            running += $0.value
            return running
        }
    }
}

/// All metrics of a process, in Prometheus' text format. Ask once for a handle and keep it.
public final class MetricsRegistry: Sendable {
    private enum Instrument: Sendable {
        case counter(Counter)
        case gauge(Gauge)
        case computed(@Sendable () -> Double)
        case computedCounter(@Sendable () -> Double)
        case histogram(Histogram)

        var type: String {
            switch self {
            case .counter, .computedCounter: "counter"
            case .gauge, .computed: "gauge"
            case .histogram: "histogram"
            }
        }
    }
    private struct Family: Sendable {
        let type: String
        let help: String
        var series: [(labels: String, instrument: Instrument)] = []
    }
    private let families = Mutex<[String: Family]>([:])

    /// An empty registry.
    public init() {}

    /// The counter of this name and these labels.
    public func counter(_ name: String, help: String, labels: KeyValuePairs<String, String> = [:]) -> Counter {
        guard case .counter(let counter) = instrument(name, help, labels, { .counter(Counter()) }) else {
            preconditionFailure("\(name) is already another kind of metric")
        }
        return counter
    }

    /// The gauge of this name and these labels.
    public func gauge(_ name: String, help: String, labels: KeyValuePairs<String, String> = [:]) -> Gauge {
        guard case .gauge(let gauge) = instrument(name, help, labels, { .gauge(Gauge()) }) else {
            preconditionFailure("\(name) is already another kind of metric")
        }
        return gauge
    }

    /// A gauge that is computed when it is asked for. `compute` must not block.
    public func gauge(
        _ name: String, help: String, labels: KeyValuePairs<String, String> = [:],
        compute: @escaping @Sendable () -> Double
    ) {
        remove(name, labels: labels)
        _ = instrument(name, help, labels, { .computed(compute) })
    }

    /// A counter that is computed when it is asked for. `compute` must not block, and never goes down.
    public func counter(
        _ name: String, help: String, labels: KeyValuePairs<String, String> = [:],
        compute: @escaping @Sendable () -> Double
    ) {
        remove(name, labels: labels)
        _ = instrument(name, help, labels, { .computedCounter(compute) })
    }

    /// The histogram of this name and these labels.
    public func histogram(
        _ name: String, help: String, labels: KeyValuePairs<String, String> = [:],
        bounds: [Double] = Histogram.latencySeconds
    ) -> Histogram {
        guard case .histogram(let histogram) = instrument(name, help, labels, { .histogram(Histogram(bounds: bounds)) })
        else { preconditionFailure("\(name) is already another kind of metric") }
        return histogram
    }

    /// Forgets one series, for example the lag of a partition that another process owns now.
    public func remove(_ name: String, labels: KeyValuePairs<String, String> = [:]) {
        let key = Self.render(labels)
        families.withLock { $0[name]?.series.removeAll { $0.labels == key } }
    }

    /// The text that Prometheus reads.
    public func renderPrometheus() -> String {
        let snapshot = families.withLock { $0 }
        var text = ""
        for (name, family) in snapshot.sorted(by: { $0.key < $1.key }) where !family.series.isEmpty {
            let help = family.help.replacing("\\", with: "\\\\").replacing("\n", with: "\\n")
            text += "# HELP \(name) \(help)\n# TYPE \(name) \(family.type)\n"
            for (labels, instrument) in family.series {
                let braces = labels.isEmpty ? "" : "{\(labels)}"
                switch instrument {
                case .counter(let counter): text += "\(name)\(braces) \(counter.value)\n"
                case .gauge(let gauge): text += "\(name)\(braces) \(Self.number(gauge.value))\n"
                case .computed(let compute), .computedCounter(let compute):
                    text += "\(name)\(braces) \(Self.number(compute()))\n"
                case .histogram(let histogram):
                    let prefix = labels.isEmpty ? "" : labels + ","
                    let cumulative = histogram.cumulative
                    for (bound, count) in zip(histogram.bounds + [.infinity], cumulative) {
                        text += "\(name)_bucket{\(prefix)le=\"\(Self.number(bound))\"} \(count)\n"
                    }
                    text += "\(name)_sum\(braces) \(Self.number(histogram.sum))\n"
                    text += "\(name)_count\(braces) \(cumulative.last ?? 0)\n"
                }
            }
        }
        return text
    }

    private func instrument(
        _ name: String, _ help: String, _ labels: KeyValuePairs<String, String>, _ make: () -> Instrument
    ) -> Instrument {
        precondition(Self.isName(name), "\(name) is no metric name")
        let key = Self.render(labels)
        return families.withLock { families in
            if let found = families[name]?.series.first(where: { $0.labels == key }) { return found.instrument }
            let new = make()
            var family = families[name] ?? Family(type: new.type, help: help)
            precondition(family.type == new.type, "\(name) is already a \(family.type)")
            family.series.append((key, new))
            families[name] = family
            return new
        }
    }

    private static func isName(_ name: String) -> Bool {
        !name.isEmpty && !(name.utf8.first.map { (0x30...0x39).contains($0) } ?? true)
            && name.utf8.allSatisfy {
                (0x61...0x7A).contains($0) || (0x41...0x5A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x5F
                    || $0 == 0x3A
            }
    }

    private static func render(_ labels: KeyValuePairs<String, String>) -> String {
        labels.map { name, value in
            // By bytes: to Swift a quote with a combining mark behind it is no quote.
            var escaped: [UInt8] = []
            for byte in value.utf8 {
                switch byte {
                case UInt8(ascii: "\\"), UInt8(ascii: "\""): escaped += [UInt8(ascii: "\\"), byte]
                case UInt8(ascii: "\n"): escaped += Array("\\n".utf8)
                default: escaped.append(byte)
                }
            }
            return "\(name)=\"\(String(decoding: escaped, as: UTF8.self))\""
        }.joined(separator: ",")
    }

    /// Integers without a fraction; NaN and infinities as Prometheus writes them.
    private static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        return value == value.rounded() && value.magnitude < 1e15 ? String(Int64(value)) : "\(value)"
    }
}
