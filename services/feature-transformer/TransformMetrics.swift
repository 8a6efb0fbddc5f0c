import KafkaClient
import Observability

/// What one kind of stage counts. Threads of the same kind share the counters.
struct TransformMetrics: Sendable {
    private let registry: MetricsRegistry
    private let records: Counter
    private let rows: Counter
    private let duplicates: Counter
    private let deadLetters: [RecordRefusal.Kind: Counter]
    private let newest: Gauge
    private let delays: Histogram
    let assignments: Counter
    let failures: Counter
    let lateEvents: Counter
    let lostBlobs: Counter
    let stalledPartitions: Gauge
    let stalledSeconds: Gauge

    init(_ registry: MetricsRegistry, stage: StageKind) {
        self.registry = registry
        let labels: KeyValuePairs = ["stage": stage.name]
        records = registry.counter(
            "needletail_transform_events_total", help: "Records read and committed.", labels: labels)
        rows = registry.counter("needletail_transform_rows_total", help: "Records stored as rows.", labels: labels)
        duplicates = registry.counter(
            "needletail_transform_duplicates_total", help: "Repeats that were dropped.", labels: labels)
        deadLetters = Dictionary(
            uniqueKeysWithValues: RecordRefusal.Kind.allCases.map { kind in
                (
                    kind,
                    registry.counter(
                        "needletail_transform_dead_letters_total", help: "Records that were refused, by what is wrong.",
                        labels: ["stage": stage.name, "reason": kind.rawValue])
                )
            })
        newest = registry.gauge(
            "needletail_transform_freshness_seconds",
            help: "From producing the newest record of the last batch to its features.", labels: labels)
        delays = registry.histogram(
            "needletail_transform_delay_seconds",
            help: "From producing to readable features, of every record.", labels: labels,
            bounds: [0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5, 10, 60, 600])
        assignments = registry.counter(
            "needletail_transform_assignments_total", help: "Partitions taken over.", labels: labels)
        failures = registry.counter(
            "needletail_transform_failures_total", help: "Errors that led back to an assignment.", labels: labels)
        lateEvents = registry.counter(
            "needletail_transform_too_late_total",
            help: "Events older than their card's retention: stored, in no window.", labels: labels)
        lostBlobs = registry.counter(
            "needletail_transform_lost_blobs_total",
            help: "Entities whose online state was gone and was computed from Postgres.", labels: labels)
        stalledPartitions = registry.gauge(
            "needletail_transform_stalled_partitions",
            help: "Partitions with waiting records and no progress for 30 s.", labels: labels)
        stalledSeconds = registry.gauge(
            "needletail_transform_stalled_seconds", help: "How long the slowest of them has made none.", labels: labels)
    }

    func lag(_ partition: KafkaPartition) -> Gauge {
        registry.gauge(
            "needletail_transform_lag_events", help: "Records in the log that are not committed yet.",
            labels: ["topic": partition.topic, "partition": "\(partition.partition)"])
    }

    func count(records: Int, rows: Int, duplicates: Int, deadLetters: [RecordRefusal.Kind]) {
        self.records.add(records)
        self.rows.add(rows)
        if duplicates > 0 { self.duplicates.add(duplicates) }
        for kind in deadLetters { self.deadLetters[kind]?.add() }
    }

    /// Notes the delay of every record of a batch, in the order of the log.
    func freshness(ofTimestamps timestamps: some Sequence<Int64>) {
        let now = WallClock.nowMillis()
        var last: Double?
        for timestamp in timestamps {
            let delay = Self.seconds(from: timestamp, to: now)
            delays.observe(delay)
            last = delay
        }
        if let last { newest.set(last) }
    }

    /// A record's timestamp is whatever its producer wrote.
    static func seconds(from timestamp: Int64, to now: Int64) -> Double {
        let (age, overflow) = now.subtractingReportingOverflow(timestamp)
        return overflow ? 0 : Double(max(0, age)) / 1_000
    }
}
