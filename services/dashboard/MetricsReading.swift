import FeatureEngine
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

    /// Takes over what the schedule's `/metrics` page says of its jobs.
    package mutating func readSchedule(_ page: PrometheusText) {
        let prefix = "needletail_schedule_"
        let names = Set(page.samples.filter { $0.isNamed(prefix + "runs_total") }.compactMap { $0.labels["job"] })
        let jobs = names.sorted { ByteString($0) < ByteString($1) }.prefix(Self.mostJobs).map { name -> ScheduledJob in
            func figure(_ metric: String, _ result: String? = nil) -> Double? {
                Self.measure(
                    page.sum(prefix + metric) { labels in
                        ByteString(labels["job"] ?? "") == ByteString(name) && labels["result"] == result
                    })
            }
            // A time of 0 is never; one beyond any calendar is none.
            func millis(_ metric: String) -> Int64? {
                figure(metric).flatMap { $0 > 0 && $0 < 253_402_300_800 ? Int64($0 * 1_000) : nil }
            }
            var job = ScheduledJob(name)
            job.isRunning = figure("running") == 1
            job.succeeded = figure("runs_total", "success")
            job.failed = figure("runs_total", "failure")
            job.skipped = figure("runs_total", "skipped")
            job.seconds = figure("run_seconds")
            job.successMillis = millis("last_success_timestamp_seconds")
            job.failureMillis = millis("last_failure_timestamp_seconds")
            job.nextMillis = millis("next_timestamp_seconds")
            return job
        }
        self.jobs = jobs.isEmpty ? .none : .value(jobs)
    }

    /// A crontab with more jobs is none of ours.
    private static let mostJobs = 200

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
