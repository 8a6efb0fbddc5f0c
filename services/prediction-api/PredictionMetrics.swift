import Observability

/// The API's metrics; one set for all loops, each update is one atomic addition.
struct PredictionMetrics: Sendable {
    let fraud: Counter
    let legit: Counter
    let degraded: Counter
    let invalid: Counter
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
}
