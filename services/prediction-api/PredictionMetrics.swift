import Observability

/// The API's metrics; one set for all loops, each update is one atomic addition.
struct PredictionMetrics: Sendable {
    let fraud: Counter
    let legit: Counter
    let degraded: Counter
    private let reasons: [(reason: Degradation, counter: Counter)]
    let invalid: Counter
    let unauthorized: Counter
    let foreign: Counter
    let logged: Counter
    let logDropped: Counter
    let logFailed: Counter
    let latency: Histogram
    let onlineFailures: Counter
    let modelLoads: Counter

    init(_ registry: MetricsRegistry) {
        let predictions = "needletail_serve_predictions_total"
        fraud = registry.counter(predictions, help: "Predictions answered.", labels: ["result": "fraud"])
        legit = registry.counter(predictions, help: "Predictions answered.", labels: ["result": "legit"])
        degraded = registry.counter(
            "needletail_serve_degraded_total", help: "Predictions answered without all online features.")
        reasons = Degradation.names.map { reason, name in
            (
                reason,
                registry.counter(
                    "needletail_serve_degraded_reasons_total",
                    help: "Why predictions were answered without all online features.", labels: ["reason": name])
            )
        }
        unauthorized = registry.counter(
            "needletail_serve_unauthorized_total", help: "Requests refused for want of a valid key.")
        foreign = registry.counter(
            "needletail_serve_foreign_origin_total", help: "Requests of web pages that may not ask.")
        invalid = registry.counter("needletail_serve_invalid_total", help: "Requests refused with 422.")
        logged = registry.counter("needletail_serve_logged_total", help: "Predictions handed to the log.")
        logDropped = registry.counter(
            "needletail_serve_log_dropped_total", help: "Predictions not logged, because the queue was full.")
        logFailed = registry.counter(
            "needletail_serve_log_failed_total", help: "Predictions the broker did not acknowledge.")
        latency = registry.histogram(
            "needletail_serve_latency_seconds", help: "From the whole request to its answer.")
        onlineFailures = registry.counter(
            "needletail_serve_online_failures_total", help: "Reads of the online store without values.")
        modelLoads = registry.counter("needletail_serve_model_loads_total", help: "Models put into service.")
    }

    /// Counts a degraded answer.
    func count(_ degradation: Degradation) {
        degraded.add()
        for (reason, counter) in reasons where degradation.contains(reason) { counter.add() }
    }
}
