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
        let file = try FeatureFile(output, format, columns, threads: threads)
        do {
            let feeds = ViewFeed.feeds(of: columns.views)
            let summary =
                if feeds.count > 1 { try join(columns, feeds, format, to: file) } else {
                    try replay(
                        columns, feeds.first ?? ViewFeed(own: columns.source), format, threads: threads, to: file)
                }
            try file.close()
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
        } catch {
            file.discard()
            throw error
        }
    }

    /// Views of one feed: as the events come.
    private func replay(
        _ columns: BackfillColumns, _ feed: ViewFeed, _ format: FeatureFormat, threads: Int, to file: FeatureFile
    ) throws -> BackfillSummary {
        let store = try PostgresOfflineStore(url: databaseURL, limits: .bulk)
        var summary = BackfillSummary()
        // What is deleted between the horizon and the scan would cut windows that count as whole.
        let replay = try store.connection.snapshot { () -> FeatureReplay in
            let first = try columns.views.map { try firstMillis(of: $0, store) }.max() ?? .min
            let replay = FeatureReplay(columns, format, firstMillis: first, threads: threads) { try file.write($0) }
            try scan(feed, store) { row, place in
                replay.withNextRow { $0 = row }
                try replay.commit(position: place.replayed)
                summary.rows += 1
            }
            return replay
        }
        try replay.finish()
        (summary.tooOld, summary.incomplete) = (replay.tooOld, replay.incomplete)
        return summary
    }

    /// Views of several feeds: each in the order of its own log into a table of this session, then joined by event.
    private func join(
        _ columns: BackfillColumns, _ feeds: [ViewFeed], _ format: FeatureFormat, to file: FeatureFile
    ) throws -> BackfillSummary {
        let reader = try PostgresOfflineStore(url: databaseURL, limits: .bulk)
        let writer = try PostgresOfflineStore(url: databaseURL, limits: .bulk)
        var (counts, summary) = (BackfillSummary(), BackfillSummary())
        try writer.connection.transaction {
            try PostgresOfflineStore.keepHistory(on: writer.connection)
            for feed in feeds {
                try compute(feed, reader, writer.connection, &counts) { table, rows in
                    try stage(table, rows, writer.connection)
                }
            }
            var vector = FeatureVector(count: columns.names.count)
            var rows = RowPiece(columns, format)
            try writer.scanRows(columns.source, columns.views, in: columns.views.map(staging)) { row, vectors in
                columns.assemble(row, vectors, into: &vector)
                rows.append(row, vector)
                summary.rows += 1
                if summary.rows % 10_000 == 0 { try file.write(rows.take()) }
            }
            try file.write(rows.take())
        }
        (summary.tooOld, summary.incomplete) = (counts.tooOld, counts.incomplete)
        return summary
    }

    /// Writes the rows of these views anew, in one transaction: a reader sees the old ones or the new ones.
    @discardableResult func rewrite(_ views: [StreamView]) throws -> BackfillSummary {
        let reader = try PostgresOfflineStore(url: databaseURL, limits: .bulk)
        let writer = try PostgresConnection(url: databaseURL, limits: .bulk)
        var summary = BackfillSummary()
        try writer.transaction {
            // From here on nothing is deleted, so each horizon that is read holds for the scan after it.
            try PostgresOfflineStore.keepHistory(on: writer)
            for feed in ViewFeed.feeds(of: views) {
                try compute(feed, reader, writer, &summary) { table, rows in
                    try stage(table, rows, writer)
                    try replace(table, writer)
                }
            }
        }
        runtime.log.info(
            "backfill done",
            [
                "events": summary.rows, "views": views.count, "too_old_for_any_window": summary.tooOld,
                "rows_kept_without_whole_windows": summary.incomplete,
            ])
        return summary
    }

    /// Computes the rows of one feed's views in the order of its log, and gives them piece by piece.
    private func compute(
        _ feed: ViewFeed, _ reader: PostgresOfflineStore, _ writer: PostgresConnection,
        _ summary: inout BackfillSummary, _ give: (FeatureTable, PostgresCopyBuffer) throws -> Void
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
        try scan(feed, reader) { row, place in
            let topic = Array(place.topic.utf8)
            replay.next(row, position: place.replayed, into: &vectors)
            for (index, table) in tables.enumerated() {
                guard row.eventTimeMillis >= first[index] else {
                    counts.incomplete += 1
                    continue
                }
                table.add(
                    vectors[index], of: row, topic: topic, partition: place.partition, v: place.v,
                    createdMillis: created, definitionHash: definitionHash, to: buffers[index])
            }
            counts.rows += 1
            if counts.rows % 10_000 == 0 {
                for (table, buffer) in zip(tables, buffers) { try give(table, buffer) }
                progress.update(to: counts.rows)
            }
        }
        for (table, buffer) in zip(tables, buffers) { try give(table, buffer) }
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

    private func stage(_ table: FeatureTable, _ rows: PostgresCopyBuffer, _ writer: PostgresConnection) throws {
        guard !rows.isEmpty else { return }
        try writer.copyIn(table: staging(table.view), columns: table.columns, rows: rows)
        rows.removeAll()
    }

    /// COPY cannot replace rows, so they go through a table of this session. A row without a place in the log never replaces one of
    /// the same definitions that has one: the stream has written it meanwhile.
    private func replace(_ table: FeatureTable, _ writer: PostgresConnection) throws {
        let name = PostgresQuoting.identifier(staging(table.view))
        let target = PostgresQuoting.identifier(table.view.name)
        let columns = table.columns.map { PostgresQuoting.identifier($0) }
        let updates = columns.filter { $0 != "\"event_id\"" }.map { "\($0) = excluded.\($0)" }
        try writer.execute(
            """
            INSERT INTO \(target) AS t (\(columns.joined(separator: ", ")))
            SELECT \(columns.joined(separator: ", ")) FROM \(name)
            ON CONFLICT (event_id) DO UPDATE SET \(updates.joined(separator: ", "))
            WHERE excluded._partition >= 0 OR t._partition < 0 OR t.definition_hash <> excluded.definition_hash
            """)
        try writer.execute("TRUNCATE \(name)")
    }

    /// Names stored events that nobody can ask for. They keep the rows they have, and are no failure: their kind is refused where it
    /// would enter today.
    private func tell(_ unusable: UnusableEvents) {
        guard let first = unusable.first else { return }
        runtime.log.warning(
            "stored events are left out: their key or id breaks the present rule",
            ["events": unusable.count, "first": first])
    }

    /// Where an event lies in its feed's log, for a replay and for its rows.
    private struct Place {
        let topic: String
        let partition: Int32
        /// The position before the event.
        let v: Int64
        /// Its position; of an event without one, a number behind all positions.
        let replayed: Int64
    }

    /// Every stored event in the feed's order. All of a key must lie in one partition, or their order is lost.
    private func scan(
        _ feed: ViewFeed, _ store: PostgresOfflineStore, _ body: (SourceRow, Place) throws -> Void
    ) throws {
        var keys = ByteTable()
        var partitions: [(topic: String, partition: Int32)] = []
        var unplaced: Int64 = 0
        try store.scanEvents(feed) { row, position in
            guard !runtime.isStopping else {
                throw CommandError(.temporaryFailure, "stopped before the end; nothing was changed.")
            }
            guard let position else {
                unplaced += 1
                let place = Place(
                    topic: feed.topic, partition: -1, v: -1, replayed: (Watermark.end - 1) / 2 + unplaced)
                return try body(row, place)
            }
            let entity = row.withCanonicalBytes(feed.keyIndex) { keys.insert($0) }.number
            let place = (position.topic, position.partition)
            if entity == partitions.count { partitions.append(place) }
            let known = partitions[entity]
            guard known == place else {
                throw CommandError(
                    .dataError,
                    "\(feed.source.fields[feed.keyIndex].name) \(keys[entity]) has events in two partitions, \(known.topic)/\(known.partition) and \(place.0)/\(place.1): the topic's partition count was changed, and their order is lost."
                )
            }
            try body(
                row,
                Place(
                    topic: position.topic, partition: position.partition, v: position.offset - 1,
                    replayed: position.offset))
        }
        tell(store.takeUnusable())
    }
}
