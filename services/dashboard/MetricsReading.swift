import JSON

extension Observation {
    /// Takes over what a service's `/metrics` page says. A figure that is missing or impossible stays unknown.
    package mutating func read(_ part: String, _ page: PrometheusText) {
        switch part {
        case "produce": counters[.produced] = page.sum("needletail_produce_acknowledged_total")
        case "transform":
            counters[.transformed] = page.sum("needletail_transform_events_total") { $0["stage"] == "events" }
            counters[.deadLetters] = page.sum("needletail_transform_dead_letters_total")
            freshnessSeconds = Self.measure(
                page.sum("needletail_transform_freshness_seconds") { $0["stage"] == "events" })
            stalledPartitions = Self.measure(page.sum("needletail_transform_stalled_partitions"))
        default:
            counters[.predictions] = page.sum("needletail_serve_predictions_total")
            counters[.frauds] = page.sum("needletail_serve_predictions_total") { $0["result"] == "fraud" }
            counters[.degraded] = page.sum("needletail_serve_degraded_total")
            counters[.logDropped] = page.sum("needletail_serve_log_dropped_total")
            latency = page.buckets("needletail_serve_latency_seconds")
            featureAgeSeconds = Self.measure(page.largest("needletail_serve_feature_age_seconds"))
            if let labels = page.labels("needletail_serve_model_info"), let version = labels["version"] {
                let threshold = Self.measure(page.sum("needletail_serve_model_threshold"))
                served = .value(ServedModel(version: version, service: labels["service"], threshold: threshold))
            }
        }
    }

    /// Takes over what the API's `/api/v1/model` says: 503 is a server without a model, anything else but 200 says nothing.
    package mutating func readModel(status: Int, _ body: [UInt8]) {
        switch status {
        case 503: served = .none
        case 200:
            guard let answer = try? JSONTree.parse(body), let version = answer["version"]?.string else { return }
            served = .value(
                ServedModel(
                    version: version, service: answer["service"]?.string,
                    threshold: Self.measure(answer["threshold"]?.double)))
        default: break
        }
    }

    /// Takes over what a service's `/health/ready` says: 503 comes with its reason.
    package mutating func readReadiness(_ part: String, status: Int, _ body: [UInt8]) {
        guard status == 503 else { return }
        let reason = (try? JSONTree.parse(body))?["detail"]?.string ?? "it does not say why"
        notReady.append((part, Masking.digits(in: String(reason.unicodeScalars.prefix(300)))))
    }

    /// A number that can be a measure of something: finite and not negative.
    private static func measure(_ value: Double?) -> Double? {
        value.flatMap { $0.isFinite && $0 >= 0 ? $0 : nil }
    }
}
