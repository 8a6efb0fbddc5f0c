import Compression
import FeatureEngine
import FeatureStore
import Observability
import Pipeline
import PostgresClient
import PostgresOfflineStore
import ServiceRuntime

/// Recomputes features from the events stored in Postgres, in log order: each with its own partition and offset, so that the
/// rows are those the stream wrote.
struct StoreBackfill: Sendable {
    private let repository: FeatureRepository
    private let databaseURL: String
    private let runtime: ServiceRuntime

    init(_ repository: FeatureRepository, databaseURL: String, runtime: ServiceRuntime) {
        (self.repository, self.databaseURL, self.runtime) = (repository, databaseURL, runtime)
    }

    /// Waits until Postgres answers, and makes the tables that are missing.
    func waitForStore() async throws {
        try await runtime.waiting(for: "Postgres") {
            try await runtime.onThread("prepare") {
                let store = try PostgresOfflineStore(url: databaseURL, limits: .bulk)
                do {
                    try store.migrate()
                    try store.createTables(repository)
                } catch let mismatch as TableMismatch {
                    throw CommandError(.configuration, mismatch.description)
                }
            }
        }
    }

    /// Writes the features of every stored event into a file.
    @discardableResult func write(
        _ columns: BackfillColumns, to output: String, _ format: FeatureFormat, threads: Int
    ) throws -> BackfillSummary {
        let store = try PostgresOfflineStore(url: databaseURL, limits: .bulk)
        let file = try FeatureFile(output, format, columns, threads: threads)
        do {
            var summary = BackfillSummary()
            // What is deleted between the horizon and the scan would cut windows that count as whole.
            let replay = try store.connection.snapshot { () -> FeatureReplay in
                let first = try columns.views.map { try firstMillis(of: $0, store) }.max() ?? .min
                let replay = FeatureReplay(columns, format, firstMillis: first, threads: threads) { try file.write($0) }
                try scan(columns.source, keyedBy: columns.source.keyIndex, store) { row, position in
                    replay.withNextRow { $0 = row }
                    try replay.commit(position: position.offset)
                    summary.rows += 1
                }
                return replay
            }
            try replay.finish()
            try file.close()
            (summary.tooOld, summary.incomplete) = (replay.tooOld, replay.incomplete)
            runtime.log.info(
                "backfill done",
                [
                    "rows": summary.rows, "too_old_for_any_window": summary.tooOld,
                    "left_out_without_whole_windows": summary.incomplete,
                ])
            return summary
        } catch CompressionError.closedPipe {
            file.discard()
            throw CommandError(.success, "")
        } catch let error as CompressionError {
            file.discard()
            throw CommandError(.inputOutput, "\(error).")
        }
    }

    /// Writes the rows of these views anew, in one transaction: a reader sees the old ones or the new ones.
    @discardableResult func rewrite(_ views: [StreamView]) throws -> BackfillSummary {
        let reader = try PostgresOfflineStore(url: databaseURL, limits: .bulk)
        let writer = try PostgresConnection(url: databaseURL, limits: .bulk)
        var summary = BackfillSummary()
        try writer.transaction {
            // From here on nothing is deleted, so each horizon that is read holds for the scan after it.
            try PostgresOfflineStore.keepHistory(on: writer)
            for feed in ViewFeed.feeds(of: views) { try rewrite(feed, reader, writer, &summary) }
        }
        runtime.log.info(
            "backfill done",
            [
                "events": summary.rows, "views": views.count, "too_old_for_any_window": summary.tooOld,
                "rows_kept_without_whole_windows": summary.incomplete,
            ])
        return summary
    }

    private func rewrite(
        _ feed: ViewFeed, _ reader: PostgresOfflineStore, _ writer: PostgresConnection,
        _ summary: inout BackfillSummary
    ) throws {
        let views = feed.views
        let tables = views.map { FeatureTable($0) }
        let buffers = views.map { _ in PostgresCopyBuffer(capacity: 1 << 20) }
        let definitionHash = Array(repository.streamHash.utf8)
        let created = WallClock.nowMillis()
        var replay = ViewsReplay(views)
        var vectors = replay.makeVectors()
        for view in views { try makeStaging(view, writer) }
        let progress = runtime.progress("backfill")
        var counts = summary
        let first = try views.map { try firstMillis(of: $0, reader) }
        try scan(feed.source, keyedBy: feed.keyIndex, reader) { row, position in
            let topic = Array(position.topic.utf8)
            replay.next(row, position: position.offset, into: &vectors)
            for (index, table) in tables.enumerated() {
                guard row.eventTimeMillis >= first[index] else {
                    counts.incomplete += 1
                    continue
                }
                table.add(
                    vectors[index], of: row, topic: topic, partition: position.partition, v: position.offset - 1,
                    createdMillis: created, definitionHash: definitionHash, to: buffers[index])
            }
            counts.rows += 1
            if counts.rows % 10_000 == 0 {
                for (table, buffer) in zip(tables, buffers) { try store(table, buffer, writer) }
                progress.update(to: counts.rows)
            }
        }
        for (table, buffer) in zip(tables, buffers) { try store(table, buffer, writer) }
        progress.finish()
        summary = counts
        summary.tooOld += replay.tooOld
    }

    /// The first event time whose windows are whole. What is older was computed when it came, and cannot be computed again.
    private func firstMillis(of view: StreamView, _ store: PostgresOfflineStore) throws -> Int64 {
        try store.firstWholeMillis(ofTopic: view.source.topic, lookBackMillis: view.retentionMillis)
    }

    private func staging(_ view: StreamView) -> String { "_backfill_\(view.name)" }

    private func makeStaging(_ view: StreamView, _ writer: PostgresConnection) throws {
        let (name, table) = (PostgresQuoting.identifier(staging(view)), PostgresQuoting.identifier(view.name))
        try writer.execute("CREATE TEMPORARY TABLE \(name) (LIKE \(table)) ON COMMIT DROP")
    }

    /// COPY cannot replace rows, so they go through a table of this session.
    private func store(_ table: FeatureTable, _ rows: PostgresCopyBuffer, _ writer: PostgresConnection) throws {
        guard !rows.isEmpty else { return }
        let (name, target) = (staging(table.view), PostgresQuoting.identifier(table.view.name))
        try writer.copyIn(table: name, columns: table.columns, rows: rows)
        rows.removeAll()
        let columns = table.columns.map { PostgresQuoting.identifier($0) }
        let updates = columns.filter { $0 != "\"event_id\"" }.map { "\($0) = excluded.\($0)" }
        try writer.execute(
            """
            INSERT INTO \(target) (\(columns.joined(separator: ", ")))
            SELECT \(columns.joined(separator: ", ")) FROM \(PostgresQuoting.identifier(name))
            ON CONFLICT (event_id) DO UPDATE SET \(updates.joined(separator: ", "))
            """)
        try writer.execute("TRUNCATE \(PostgresQuoting.identifier(name))")
    }

    /// Names stored events that nobody can ask for. They keep the rows they have, and are no failure: their kind is refused where it
    /// would enter today.
    private func tell(_ unusable: UnusableEvents) {
        guard let first = unusable.first else { return }
        runtime.log.warning(
            "stored events are left out: their key or id breaks the present rule",
            ["events": unusable.count, "first": first])
    }

    /// Every stored event in log order. All of a key must lie in one partition, or their order is lost.
    private func scan(
        _ source: SourceSchema, keyedBy keyIndex: Int, _ store: PostgresOfflineStore,
        _ body: (SourceRow, LogPosition) throws -> Void
    ) throws {
        var keys = ByteTable()
        var partitions: [(topic: String, partition: Int32)] = []
        try store.scanEvents(source, order: .log) { row, position in
            guard !runtime.isStopping else {
                throw CommandError(.temporaryFailure, "stopped before the end; nothing was changed.")
            }
            let entity = row.withCanonicalBytes(keyIndex) { keys.insert($0) }.number
            let place = (position.topic, position.partition)
            if entity == partitions.count {
                partitions.append(place)
            } else if partitions[entity] != place {
                throw CommandError(
                    .dataError,
                    "\(source.fields[keyIndex].name) \(keys[entity]) has events in two partitions, \(partitions[entity].topic)/\(partitions[entity].partition) and \(place.0)/\(place.1): the topic's partition count was changed, and their order is lost."
                )
            }
            try body(row, position)
        }
        tell(store.takeUnusable())
    }
}
