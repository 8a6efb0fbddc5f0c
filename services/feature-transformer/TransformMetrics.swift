import KafkaClient
import Observability

/// What `transform` counts. Shared by all threads.
struct TransformMetrics: Sendable {
    private let registry: MetricsRegistry
    private let records: Counter
    private let rows: Counter
    private let duplicates: Counter
    private let deadLetters: Counter
    private let newest: Gauge
    private let delays: Histogram
    let assignments: Counter
    let failures: Counter
    let lateEvents: Counter

    init(_ registry: MetricsRegistry) {
        self.registry = registry
        records = registry.counter("needletail_transform_events_total", help: "Records read and committed.")
        rows = registry.counter("needletail_transform_rows_total", help: "Records stored as rows.")
        duplicates = registry.counter("needletail_transform_duplicates_total", help: "Repeats that were dropped.")
        deadLetters = registry.counter("needletail_transform_dead_letters_total", help: "Records that were refused.")
        newest = registry.gauge(
            "needletail_transform_freshness_seconds",
            help: "From producing the newest record of the last batch to its features.")
        delays = registry.histogram(
            "needletail_transform_delay_seconds",
            help: "From producing to readable features, oldest and newest of each batch.",
            bounds: [0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5, 10, 60, 600])
        assignments = registry.counter("needletail_transform_assignments_total", help: "Partitions taken over.")
        failures = registry.counter(
            "needletail_transform_failures_total", help: "Errors that led back to an assignment.")
        lateEvents = registry.counter(
            "needletail_transform_too_late_total",
            help: "Events older than their card's retention: stored, in no window.")
    }

    /// The wall clock, for `created` and freshness only.
    func nowMillis() -> Int64 { WallClock.nowMillis() }

    func lag(_ partition: KafkaPartition) -> Gauge {
        registry.gauge(
            "needletail_transform_lag_events", help: "Records in the log that are not committed yet.",
            labels: ["topic": partition.topic, "partition": "\(partition.partition)"])
    }

    func count(records: Int, rows: Int, duplicates: Int, deadLetters: Int) {
        self.records.add(records)
        self.rows.add(rows)
        if duplicates > 0 { self.duplicates.add(duplicates) }
        if deadLetters > 0 { self.deadLetters.add(deadLetters) }
    }

    func freshness(ofTimestamp oldest: Int64, to newestTimestamp: Int64) {
        let now = nowMillis()
        newest.set(Double(max(0, now - newestTimestamp)) / 1_000)
        delays.observe(Double(max(0, now - oldest)) / 1_000)
        delays.observe(Double(max(0, now - newestTimestamp)) / 1_000)
    }
}
