import TerminalUI

/// One line above the panels: something that somebody should know now.
package struct Notice: Hashable, Sendable {
    /// `wrong` is red: records or answers wait or are worse than they look. `note` is yellow.
    package enum Weight: Hashable, Sendable { case wrong, note }
    package let weight: Weight, text: String

    package init(_ weight: Weight, _ text: String) {
        self.weight = weight
        self.text = text
    }
}

extension DashboardModel {
    /// Features older than this make an answer degraded by default (`MAX_FEATURE_AGE_SECONDS` of `serve`).
    package static let oldFeatureSeconds = 30.0

    /// What is wrong, the heaviest first.
    package var notices: [Notice] {
        guard let newest else { return [] }
        var wrong: [String] = []
        var notes: [String] = []
        for part in newest.parts {
            guard case .down(let reason) = part.state else { continue }
            let last = lastUp[part.name].map { ", answered last at \(clock($0).suffix(8))" } ?? ""
            wrong.append("\(part.name): \(reason)\(last)")
        }
        let transformReason = newest.notReady.first { $0.name == "transform" }?.reason
        if let stalled = newest.stalledPartitions, stalled > 0 {
            let many = stalled == 1 ? "a partition stands still" : "\(count(stalled)) partitions stand still"
            wrong.append("transform: \(many): \(transformReason ?? "records wait and none is stored")")
        } else if let transformReason {
            wrong.append("transform is not ready: \(transformReason)")
        }
        for entry in newest.notReady where entry.name != "transform" {
            wrong.append("\(entry.name) is not ready: \(entry.reason)")
        }
        if let age = newest.featureAgeSeconds, age > Self.oldFeatureSeconds {
            wrong.append("the API scores with features that are \(duration(age)) old")
        }
        if let difference = servesAnotherModel { notes.append(difference) }
        if let degraded = window.growth(of: .degraded), degraded.count > 0 {
            notes.append("\(count(degraded.count)) answers without all features in \(duration(degraded.seconds))")
        }
        if let dropped = window.growth(of: .logDropped), dropped.count > 0 {
            notes.append("\(count(dropped.count)) predictions not logged in \(duration(dropped.seconds))")
        }
        if case .pipeline(let file)? = answers[.pipeline]?.answer, file.waitingVerdicts > 0 {
            notes.append("\(count(Double(file.waitingVerdicts))) verdicts wait for Kafka")
        }
        if case .value(let jobs) = newest.jobs {
            for job in jobs where job.hasFailed {
                notes.append("the scheduled job \(job.name) failed at \(clock(job.failureMillis)): see the logs")
            }
        }
        if newest.skippedPredictions > 0 {
            notes.append(
                "\(count(Double(newest.skippedPredictions))) predictions passed over: more come than are read here")
        }
        return wrong.map { Notice(.wrong, $0) } + notes.map { Notice(.note, $0) }
    }

    /// A sentence when the API answers with another model than the registry's champion.
    private var servesAnotherModel: String? {
        guard let newest, case .value(let served) = newest.served, case .value(let champion) = newest.champion,
            served.version != champion.version
        else { return nil }
        return "the API answers with model \(served.version), the champion is \(champion.version)"
    }
}
