/// Whether a part of the system answered the last time it was asked.
package enum PartState: Hashable, Sendable {
    /// Not asked yet.
    case unknown
    case up
    /// It did not answer; why, in a few words.
    case down(String)
}

/// What was asked for: an answer, the answer that there is none, or no answer at all. A store that is down says nothing about
/// what it holds, so "none" is shown only where somebody said so.
package enum Known<Value: Sendable>: Sendable {
    case unknown
    case none
    case value(Value)
}

/// The records of one partition that its stage has not stored yet.
package struct PartitionLag: Hashable, Sendable {
    package let topic: String, partition: Int
    /// Records behind the end of the log; nil when one of the two ends is not known.
    package let records: Int64?

    package init(topic: String, partition: Int, records: Int64?) {
        self.topic = topic
        self.partition = partition
        self.records = records
    }
}

/// A counter of some process, since that process began.
package enum Counter: Int, CaseIterable, Sendable {
    case produced, transformed, deadLetters, predictions, frauds, degraded, logDropped
}

/// One reading of every counter; what was not answered, or is no count (negative, NaN, infinite), is nil.
package struct Counters: Sendable {
    private var values = [Double?](repeating: nil, count: Counter.allCases.count)

    package init() {}

    package subscript(counter: Counter) -> Double? {
        get { values[counter.rawValue] }
        set { values[counter.rawValue] = newValue.flatMap { $0.isFinite && $0 >= 0 ? $0 : nil } }
    }
}

/// One bucket of a cumulative histogram: how many values were at most `upperBound`, in the histogram's own unit.
package struct Bucket: Hashable, Sendable {
    package let upperBound: Double, count: Double

    package init(_ upperBound: Double, _ count: Double) {
        self.upperBound = upperBound
        self.count = count
    }
}

/// A figure and its short name.
package struct Figure: Hashable, Sendable {
    package let name: String, value: Double

    package init(_ name: String, _ value: Double) {
        self.name = name
        self.value = value
    }
}

/// The head of a drift report.
package struct DriftSummary: Hashable, Sendable {
    /// When it was made, ms UTC.
    package var createdMillis: Int64
    package var isDrifted: Bool
    /// The features that drifted most, with their PSI, largest first.
    package var worst: [Figure]

    package init(createdMillis: Int64, isDrifted: Bool, worst: [Figure]) {
        self.createdMillis = createdMillis
        self.isDrifted = isDrifted
        self.worst = worst
    }
}

/// The champion of the registry and how far recent rows have drifted from what it was trained on. Which model answers is
/// another question: see `ServedModel`.
package struct Champion: Hashable, Sendable {
    package var version: String
    /// When it was registered, ms UTC.
    package var createdMillis: Int64
    /// Metrics on its holdout, in the order to show them.
    package var metrics: [Figure]
    /// The newest drift report, when there is one.
    package var drift: DriftSummary?

    package init(version: String, createdMillis: Int64, metrics: [Figure], drift: DriftSummary?) {
        self.version = version
        self.createdMillis = createdMillis
        self.metrics = metrics
        self.drift = drift
    }
}

/// The model that the API answers with, as the API says.
package struct ServedModel: Hashable, Sendable {
    package var version: String
    /// The feature service it scores; nil when the API does not say.
    package var service: String?
    /// The probability from which on a prediction is called a fraud.
    package var threshold: Double?

    package init(version: String, service: String? = nil, threshold: Double?) {
        self.version = version
        self.service = service
        self.threshold = threshold
    }
}

/// One job of the schedule; a figure that it does not tell is nil.
package struct ScheduledJob: Hashable, Sendable {
    package var name: String
    package var isRunning = false
    /// Runs since the schedule began that succeeded, failed and were left out because the one before took too long.
    package var succeeded: Double?, failed: Double?, skipped: Double?
    /// How long the last run took.
    package var seconds: Double?
    /// When a run last succeeded and last failed, and when it is due next, ms UTC; nil for never.
    package var successMillis: Int64?, failureMillis: Int64?, nextMillis: Int64?

    package init(_ name: String) { self.name = name }

    /// Whether its last run failed.
    package var hasFailed: Bool { failureMillis.map { $0 >= successMillis ?? .min } ?? false }
}

/// What one round of asking every part brought.
package struct Observation: Sendable {
    /// When it was made, ms UTC: to be shown.
    package var timeMillis: Int64
    /// The same moment on a clock that never steps: to divide by.
    package var clockMillis: Int64
    /// Every part by name, the most important first.
    package var parts: [(name: String, state: PartState)] = []
    package var counters = Counters()
    /// Latency of the API since it began, in seconds; empty when it did not answer.
    package var latency: [Bucket] = []
    /// Seconds from producing to readable features, the newest measured.
    package var freshnessSeconds: Double?
    /// How old the newest event in the state is that the API scores with, seconds.
    package var featureAgeSeconds: Double?
    /// Partitions of `transform` that make no progress while records wait.
    package var stalledPartitions: Double?
    /// Why a service says that it is not ready, by its name; nil or missing when it is.
    package var notReady: [(name: String, reason: String)] = []
    package var lags: Known<[PartitionLag]> = .unknown
    package var champion: Known<Champion> = .unknown
    package var served: Known<ServedModel> = .unknown
    /// The schedule's jobs by name; unknown when it does not answer, as where cron follows the crontab.
    package var jobs: Known<[ScheduledJob]> = .unknown
    /// Predictions since the round before, oldest first.
    package var predictions: [Prediction] = []
    /// Predictions that were passed over because more came than can be read beside everything else.
    package var skippedPredictions: Int64 = 0

    package init(timeMillis: Int64, clockMillis: Int64) {
        self.timeMillis = timeMillis
        self.clockMillis = clockMillis
    }

    /// The state of a part; `unknown` for one that is not in the list.
    package func state(of name: String) -> PartState { parts.first { $0.name == name }?.state ?? .unknown }
}
