import FeatureEngine
import FeatureStore
import Observability
import Pipeline
import PostgresOfflineStore
import ServiceRuntime

/// Deletes events with their features, and labels, that are older than the newest event of their source by so many days.
struct HistoryRetention {
    private static let dayMillis: Int64 = 86_400_000

    private let store: PostgresOfflineStore
    private let repository: FeatureRepository
    private let days: Int
    private let runtime: ServiceRuntime

    init(_ store: PostgresOfflineStore, _ repository: FeatureRepository, days: Int, runtime: ServiceRuntime) {
        (self.store, self.repository, self.days, self.runtime) = (store, repository, days, runtime)
    }

    /// Refuses a retention under which the online state could not be rebuilt, or labels would find no event.
    static func check(days: Int, _ repository: FeatureRepository) throws(CommandError) {
        for source in repository.sources {
            let needed = daysNeeded(source, repository)
            guard days < needed else { continue }
            throw CommandError(
                .configuration,
                "EVENT_RETENTION_DAYS is \(days), but source \"\(source.name)\" needs \(needed): its longest window, two days of "
                    + "disorder and its labels' delay. Set it to \(needed) or more, or to 0, which keeps everything.")
        }
    }

    /// The longest look back, the disorder that is put up with, and the delay of the labels, in whole days.
    static func daysNeeded(_ source: SourceSchema, _ repository: FeatureRepository) -> Int {
        // Windows and delays are bounded where they are declared: their sum cannot overflow.
        let needed = lookBack(source, repository) + StreamView.disorderMillis + (source.label?.delayMillis ?? 0)
        return Int((needed + dayMillis - 1) / dayMillis)
    }

    private static func lookBack(_ source: SourceSchema, _ repository: FeatureRepository) -> Int64 {
        repository.views(of: source).map(\.retentionMillis).max() ?? 0
    }

    /// Deletes, source after source, and tells of each table how many rows went.
    func run(_ tell: (_ table: String, _ rows: Int) throws -> Void) throws {
        var hasLabels = false
        for source in repository.sources {
            guard let newest = try store.newestEventMillis(of: source) else { continue }
            // Both are plausible times: years of four digits.
            let removedBefore = newest - Int64(days) * Self.dayMillis
            guard removedBefore > 0 else { continue }
            let lookBack = Self.lookBack(source, repository)
            // First: from here on nobody stores what would have to go, or what may have gone.
            let horizon = HistoryHorizon(removedBefore: removedBefore, completeFrom: removedBefore + lookBack)
            for topic in [source.topic] + repository.rekeyedFeeds(of: source).map(\.topic) {
                try store.raise(horizon, ofTopic: topic)
            }
            let views = repository.views(of: source)
            try tell(source.name, try deleteAll(source.name) { try store.pruneEvents(source, views: views, limit: $0) })
            guard let topic = source.label?.topic else { continue }
            hasLabels = true
            try store.raise(HistoryHorizon(removedBefore: removedBefore, completeFrom: removedBefore), ofTopic: topic)
        }
        if hasLabels { try tell(LabelTable.name, try deleteAll(LabelTable.name) { try store.pruneLabels(limit: $0) }) }
    }

    private func deleteAll(_ table: String, _ step: (Int) throws -> Int?) throws -> Int {
        var total = 0
        while !runtime.isStopping {
            guard let rows = try step(PruneCommand.batchRows) else {
                runtime.log.warning(
                    "the rest is deleted the next time: features are being written anew", ["table": table])
                break
            }
            total += rows
            if rows < PruneCommand.batchRows { break }
        }
        return total
    }
}
