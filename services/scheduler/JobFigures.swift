import Foundation
import Observability

/// What a job hands over to be a metric: lines of a name and a number in the file that JOB_METRICS names. A job that writes none
/// leaves its last ones standing.
///
///     verify_row_mismatches 0      ──▶   needletail_job_figure{job="features verify",figure="verify_row_mismatches"} 0
struct JobFigures {
    /// The variable of the job.
    static let variable = "JOB_METRICS"
    /// The most figures of one job: a job is somebody else's program, and metrics stay.
    static let most = 64

    /// The file of one run.
    let path: String

    /// A file of its own, which the job makes.
    init() {
        path = FileManager.default.temporaryDirectory.appending(path: "needletail-job-\(UUID().uuidString)").path
    }

    /// Publishes what the job has written, and removes the file. Lines that are none are passed over.
    func publish(job: String, in metrics: MetricsRegistry) {
        defer { try? FileManager.default.removeItem(atPath: path) }
        guard let file = FileHandle(forReadingAtPath: path), let data = try? file.read(upToCount: 16_384) else {
            return
        }
        for figure in Self.figures(String(decoding: data, as: UTF8.self)) {
            metrics.gauge(
                "needletail_job_figure", help: "What scheduled jobs say of their last run.",
                labels: ["job": job, "figure": figure.name]
            ).set(figure.value)
        }
    }

    static func figures(_ text: String) -> [(name: String, value: Double)] {
        var figures: [(name: String, value: Double)] = []
        for line in text.split(whereSeparator: \.isNewline) where figures.count < most {
            let words = line.split(separator: " ")
            guard words.count == 2, let value = Double(words[1]), words[0].utf8.count <= 100,
                words[0].utf8.allSatisfy({ $0 == 0x5F || $0 | 0x20 >= 0x61 && $0 | 0x20 <= 0x7A || $0 &- 0x30 < 10 })
            else { continue }
            figures.append((String(words[0]), value))
        }
        return figures
    }
}
