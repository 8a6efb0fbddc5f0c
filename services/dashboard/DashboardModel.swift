public import TerminalUI

/// Whether a part of the system answered the last time it was asked.
public enum PartState: Hashable, Sendable {
    /// Not asked yet.
    case unknown
    /// It answered.
    case up
    /// It did not, with the reason in a few words.
    case down(String)
}

/// The records a consumer of one partition has not read yet.
public struct PartitionLag: Hashable, Sendable {
    /// The topic and its partition.
    public let topic: String, partition: Int
    /// Records behind the end of the log; nil when one of the two ends is not known.
    public let records: Int64?

    /// A partition's lag.
    public init(topic: String, partition: Int, records: Int64?) {
        self.topic = topic
        self.partition = partition
        self.records = records
    }
}

/// A prediction that was called a fraud.
public struct Alert: Hashable, Sendable {
    /// The transaction's id.
    public let transactionID: String
    /// The entity the features are kept for: the card.
    public let entity: String
    /// Event time, ms UTC.
    public let eventTimeMillis: Int64
    /// What the request said, by field: shown as columns.
    public let merchant: String, category: String, amount: String
    /// The model's probability of fraud, 0…1, and the version that said so.
    public let probability: Double, modelVersion: String
    /// Whether it was scored without its online features.
    public let isDegraded: Bool

    /// An alert.
    public init(
        transactionID: String, entity: String, eventTimeMillis: Int64, merchant: String, category: String,
        amount: String, probability: Double, modelVersion: String, isDegraded: Bool
    ) {
        self.transactionID = transactionID
        self.entity = entity
        self.eventTimeMillis = eventTimeMillis
        self.merchant = merchant
        self.category = category
        self.amount = amount
        self.probability = probability
        self.modelVersion = modelVersion
        self.isDegraded = isDegraded
    }
}

/// The registered champion and how far recent rows have drifted from what it was trained on.
public struct Champion: Hashable, Sendable {
    /// The model's version and when it was registered, ms UTC.
    public var version: String, createdMillis: Int64
    /// Metrics on its holdout by name, in the order to show them.
    public var metrics: [Metric]
    /// The newest drift report, when there is one.
    public var drift: DriftSummary?

    /// A champion.
    public init(version: String, createdMillis: Int64, metrics: [Metric], drift: DriftSummary?) {
        self.version = version
        self.createdMillis = createdMillis
        self.metrics = metrics
        self.drift = drift
    }

    /// One figure.
    public struct Metric: Hashable, Sendable {
        /// Its short name and value.
        public let name: String, value: Double

        /// A figure.
        public init(_ name: String, _ value: Double) {
            self.name = name
            self.value = value
        }
    }
}

/// The head of a drift report.
public struct DriftSummary: Hashable, Sendable {
    /// When it was made, ms UTC.
    public var createdMillis: Int64
    /// Its verdict.
    public var isDrifted: Bool
    /// The features that drifted most, with their PSI.
    public var worst: [Champion.Metric]

    /// A summary.
    public init(createdMillis: Int64, isDrifted: Bool, worst: [Champion.Metric]) {
        self.createdMillis = createdMillis
        self.isDrifted = isDrifted
        self.worst = worst
    }
}

/// What one round of asking every part brought. A part that did not answer leaves its fields nil.
public struct Observation: Sendable {
    /// When it was made, ms UTC.
    public var timeMillis: Int64
    /// Every part by name, in the order to show them.
    public var parts: [(name: String, state: PartState)] = []
    /// Counters since their process began.
    public var produced: Double?, transformed: Double?, predictions: Double?, frauds: Double?, degraded: Double?
    /// Dead letters and records dropped from the prediction log, counted likewise.
    public var deadLetters: Double?, logDropped: Double?
    /// Cumulative latency histogram of the API: upper bound in seconds and count.
    public var latency: [(upperBound: Double, count: Double)] = []
    /// Seconds from producing to readable features, the newest measured.
    public var freshnessSeconds: Double?
    /// Lag per partition.
    public var lags: [PartitionLag]?
    /// The registered champion.
    public var champion: Champion?
    /// Alerts since the round before, oldest first.
    public var alerts: [Alert] = []

    /// An empty observation.
    public init(timeMillis: Int64) { self.timeMillis = timeMillis }
}

/// Everything the dashboard shows.
public struct DashboardModel: Sendable {
    /// How many samples of each rate, and how many alerts, are kept.
    public static let keptSamples = 240
    /// See `keptSamples`.
    public static let keptAlerts = 200

    /// The project's name.
    public let project: String
    /// The newest observation.
    public internal(set) var newest: Observation?
    /// Rates per second, oldest first; NaN where not known.
    public internal(set) var producedRates: [Double] = [], transformedRates: [Double] = [],
        predictionRates: [Double] = []
    /// Latency quantiles of the last interval with predictions, seconds.
    public internal(set) var medianLatency: Double?, slowLatency: Double?
    /// Alerts, newest first.
    public internal(set) var alerts: [Alert] = []
    /// The selected alert's row.
    public internal(set) var selected = 0
    /// Frozen by the user: observations are taken, the alerts stay where they are.
    public internal(set) var isPaused = false
    /// Whether the help is shown.
    public internal(set) var showsHelp = false
    /// Whether the user asked to leave.
    public internal(set) var isDone = false

    /// A dashboard that has seen nothing yet.
    public init(project: String) { self.project = project }
}

/// What can happen to the dashboard.
public enum DashboardEvent: Sendable {
    /// A key was pressed.
    case key(Key)
    /// A round of asking came back.
    case observed(Observation)
}

/// Applies an event.
public func update(_ model: inout DashboardModel, _ event: DashboardEvent) {
    switch event {
    case .key(let key): press(key, &model)
    case .observed(let observation): observe(observation, &model)
    }
}

private func press(_ key: Key, _ model: inout DashboardModel) {
    if model.showsHelp {
        model.showsHelp = false
        return
    }
    switch key {
    case .character("q"), .escape: model.isDone = true
    case .character("?"), .character("h"): model.showsHelp = true
    case .character("p"), .character(" "): model.isPaused.toggle()
    case .up, .character("k"): model.selected -= 1
    case .down, .character("j"): model.selected += 1
    case .pageUp: model.selected -= 10
    case .pageDown: model.selected += 10
    case .home, .character("g"): model.selected = 0
    case .end, .character("G"): model.selected = model.alerts.count - 1
    default: break
    }
    model.selected = max(0, min(model.selected, model.alerts.count - 1))
}

private func observe(_ observation: Observation, _ model: inout DashboardModel) {
    let before = model.newest
    let seconds = before.map { Double(observation.timeMillis - $0.timeMillis) / 1_000 } ?? 0
    func rate(_ counter: KeyPath<Observation, Double?>) -> Double {
        guard seconds > 0, let now = observation[keyPath: counter], let then = before?[keyPath: counter] else {
            return .nan
        }
        return (now >= then ? now - then : now) / seconds  // A smaller counter is a process that began anew.
    }
    func append(_ value: Double, to rates: inout [Double]) {
        rates.append(value)
        if rates.count > DashboardModel.keptSamples { rates.removeFirst(rates.count - DashboardModel.keptSamples) }
    }
    append(rate(\.produced), to: &model.producedRates)
    append(rate(\.transformed), to: &model.transformedRates)
    append(rate(\.predictions), to: &model.predictionRates)
    if let before, before.latency.count == observation.latency.count {
        let interval = zip(observation.latency, before.latency).map {
            (upperBound: $0.upperBound, count: max(0, $0.count - $1.count))
        }
        if let total = interval.last?.count, total > 0 {
            model.medianLatency = quantile(0.5, of: interval)
            model.slowLatency = quantile(0.99, of: interval)
        }
    }
    model.newest = observation
    if !model.isPaused {
        model.alerts = Array((observation.alerts.reversed() + model.alerts).prefix(DashboardModel.keptAlerts))
        if model.selected > 0 {
            model.selected = min(model.selected + observation.alerts.count, model.alerts.count - 1)
        }
    }
}

/// The q-quantile of a cumulative histogram, linear within its bucket, as PromQL's `histogram_quantile`.
public func quantile(_ q: Double, of buckets: [(upperBound: Double, count: Double)]) -> Double? {
    guard let total = buckets.last?.count, total > 0 else { return nil }
    let rank = q * total
    var lower = (bound: 0.0, count: 0.0)
    for bucket in buckets {
        if bucket.count >= rank {
            guard bucket.upperBound.isFinite else { return lower.bound }
            let share = bucket.count > lower.count ? (rank - lower.count) / (bucket.count - lower.count) : 0
            return lower.bound + (bucket.upperBound - lower.bound) * share
        }
        lower = (bucket.upperBound, bucket.count)
    }
    return lower.bound
}
