package import Observability

/// What `/metrics` tells about a replay.
package struct ReplayMetrics: Sendable {
    package let failed: Counter
    package let malformed: Counter
    package let labels: Counter
    private let sent: Counter
    private let acknowledged: Counter
    private let labelsPending: Gauge
    private let behind: Gauge
    private let unacknowledged: Gauge

    package init(_ registry: MetricsRegistry) {
        sent = registry.counter("needletail_produce_sent_total", help: "Events handed to the Kafka client.")
        acknowledged = registry.counter(
            "needletail_produce_acknowledged_total", help: "Events the broker has acknowledged.")
        failed = registry.counter("needletail_produce_failed_total", help: "Records that were refused for good.")
        malformed = registry.counter("needletail_produce_malformed_total", help: "Rows that are no events.")
        labels = registry.counter("needletail_produce_labels_total", help: "Labels sent.")
        labelsPending = registry.gauge(
            "needletail_produce_labels_pending", help: "Labels that wait for their time.")
        behind = registry.gauge(
            "needletail_produce_lag_seconds", help: "How far the replay is behind its schedule.")
        unacknowledged = registry.gauge(
            "needletail_produce_unacknowledged_events", help: "Events sent and not acknowledged yet.")
    }

    /// Brings the figures up to the summary's.
    package func show(_ summary: ReplaySummary, behindSeconds: Double, labelsPending pending: Int) {
        sent.add(summary.sent - Int(sent.value))
        acknowledged.add(summary.acknowledged - Int(acknowledged.value))
        labelsPending.set(pending)
        behind.set(behindSeconds)
        unacknowledged.set(summary.sent - summary.acknowledged)
    }
}
