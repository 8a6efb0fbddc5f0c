import FeatureEngine
import FeatureStore
import Observability
import Pipeline
import PostgresClient
import PostgresOfflineStore
import RedisOnlineStore
import ServiceRuntime

/// Everything that is stored against what the log gives: the count of records, the rows, the online states, the served answers.
struct Verification {
    let repository: FeatureRepository
    let databaseURL: String
    let redisURL: String
    /// The share of the entities, which of them, and how far back; by source, whose newest event counts.
    let share: Double
    let seed: Int64
    let days: Double?
    let includesServed: Bool
    let repairs: Bool
    let runtime: ServiceRuntime

    func run(_ report: VerifyReport) throws {
        let store = try PostgresOfflineStore(url: databaseURL, limits: .bulk)
        let reader = try PostgresOfflineStore(url: databaseURL, limits: .bulk)
        let online = try RedisOnlineStore(url: redisURL)
        for source in repository.sources where try !MomentTable.hasEvents(of: source, store) {
            throw CommandError(
                .configuration, "the offline store has no events of \(source.name): run `needletail features apply`.")
        }
        // First, for what is gone cannot be built anew: a rebuild without it would make the mistake look right.
        try compareTotals(report, store)
        let isWhole = report.mismatchCount == 0
        for feed in repository.feeds where !feed.views.isEmpty {
            let sample = try sample(of: feed.source, store)
            try store.connection.snapshot {
                try StateVerifier(feed, repository, store, online, report, repairs: repairs && isWhole)
                    .run(sample, runtime)
            }
        }
        guard includesServed else { return }
        for service in repository.services {
            try ServedVerifier(
                service: service, store: try PostgresOfflineStore(url: databaseURL, limits: .bulk), report: report,
                runtime: runtime
            ).run(try sample(of: service.source, store), reader: reader)
        }
    }

    private func sample(of source: SourceSchema, _ store: PostgresOfflineStore) throws -> EntitySample {
        var since: Int64?
        if let days, let newest = try store.newestEventMillis(of: source) {
            since = newest - Int64(days * 86_400_000)
        }
        return EntitySample(share: share, seed: seed, sinceMillis: since)
    }

    /// Whether every record that was read is a row, a dead letter, a repeat or a gap, and every row has its event.
    private func compareTotals(_ report: VerifyReport, _ store: PostgresOfflineStore) throws {
        var tables = [(PipelineTopics.predictions, PrunedTable.predictions.rawValue)]
        for source in repository.sources {
            tables.append((source.topic, source.name))
            if let label = source.label { tables.append((label.topic, "labels")) }
            for feed in repository.rekeyedFeeds(of: source) { tables.append((feed.topic, RekeyedTable.name)) }
        }
        try store.connection.snapshot {
            for (topic, table) in tables {
                for total in try store.totals(ofTopic: topic, table: table) {
                    report.check(.total)
                    guard total.read != total.found else { continue }
                    let (few, many) = (total.read - total.found, total.found - total.read)
                    try report.add(
                        .total, "\(topic)/\(total.partition)",
                        [
                            "\(total.read) records were read, \(few > 0 ? "\(few) of them are" : "\(many) more are") \(few > 0 ? "neither rows of \(table) nor dead letters, repeats or gaps" : "there"): \(table) was changed by hand, or restored alone"
                        ])
                }
            }
            for view in repository.views {
                try store.scanOrphans(view) { id, position in
                    try report.add(
                        .total, "\(view.source.name) \(id), \(VerifyReport.place(position))",
                        ["the event is not stored, its row of \(view.name) is"])
                }
            }
        }
    }
}
