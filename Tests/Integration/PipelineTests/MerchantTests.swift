import FeatureEngine
import FeatureStore
import Foundation
import KafkaClient
import Observability
import Pipeline
import PostgresClient
import PostgresOfflineStore
import RedisClient
import TestSupport
import Testing
import TransactionData

@testable import FeatureTransformer

/// Views of a second entity of one source: merchants beside cards.
@Suite(.enabled(if: PipelineHarness.isPossible, Comment(rawValue: PipelineHarness.absence)), .serialized)
struct MerchantTests {
    static let view = """
        kind: stream_feature_view
        name: merchant_activity
        entity: {name: merchant, join_key: merchant, type: string}
        source: transactions
        aggregations:
          - {column: amt, functions: [count, sum, mean, std, max], windows: [1h, 24h, 7d]}
          - {column: cc_num, functions: [distinct_count], windows: [24h]}
          - {functions: [seconds_since_last]}
        """

    /// The project's definitions with a view of merchants.
    static func harness(_ name: String) throws -> PipelineHarness {
        try PipelineHarness(
            name,
            replacing: [
                "event_id: trans_num": "key: cc_num\nevent_id: trans_num",
                "features: [card_activity, request_features]":
                    "features: [card_activity, merchant_activity, request_features]",
            ], adding: ["merchant.yaml": view])
    }

    static func merchants(_ harness: PipelineHarness) throws -> ViewFeed {
        try #require(harness.repository.rekeyedFeeds(of: harness.source).first)
    }

    private func finish(_ harness: PipelineHarness) throws {
        let run = try harness.transformToEnd()
        #expect(run.exitCode == 0, "\(run.output.suffix(3_000))")
        try check(harness)
    }

    private func check(_ harness: PipelineHarness) throws {
        let cards = try LogOracle(harness)
        try cards.check(harness)
        let merchants = try LogOracle(harness, Self.merchants(harness), own: cards)
        try merchants.check(harness)
        #expect(merchants.accepted.count == cards.accepted.count, "every event is in the windows of its merchant")
    }

    private func rows(_ view: StreamView, _ harness: PipelineHarness) throws -> [ByteString: (
        LogPosition, FeatureVector
    )] {
        var rows: [ByteString: (LogPosition, FeatureVector)] = [:]
        try harness.store().scanFeatures(view) { id, position, vector in rows[ByteString(id)] = (position, vector) }
        return rows
    }

    private func differing(
        _ rows: [ByteString: (LogPosition, FeatureVector)], _ others: [ByteString: (LogPosition, FeatureVector)]
    ) -> Int {
        rows.count { id, row in others[id].map { $0.0 == row.0 && $0.1.isIdentical(to: row.1) } != true }
    }

    @Test(.timeLimit(.minutes(5))) func `killed at random moments, rows and state of both entities are F`()
        throws
    {
        let harness = try Self.harness("merchants-killed")
        var random = SeededRandom(seed: 51)
        var running = try harness.startTransform()
        try harness.feed(harness.troubledRecords(rows: 4_000, seed: 51), piece: 150) { piece in
            guard piece % 5 == 0 else { return }
            usleep(UInt32.random(in: 0..<700_000, using: &random))
            running.killNow()
            running = try harness.startTransform()
            if piece == 15 { try RedisConnection(RedisAddress(url: harness.redis.url)).command("FLUSHALL") }
        }
        running.killNow()
        try finish(harness)

        // Out of the store the same rows come again, at their places.
        let expected = try harness.repository.views.map { try rows($0, harness) }
        let connection = try harness.store().connection
        for view in harness.repository.views {
            try connection.execute("UPDATE \(view.name) SET amt_count_1h = 99, v = v + 7, definition_hash = 'old'")
        }
        let again = try harness.run(["backfill", "--from-store", "--to-store"])
        #expect(again.exitCode == 0, "\(again.output)")
        for (view, before) in zip(harness.repository.views, expected) {
            #expect(try differing(before, rows(view, harness)) == 0 && before.count > 3_500)
        }
        try checkLines(harness)
    }

    /// The lines of `backfill --from-store --output` are the stored rows of both views, put together.
    private func checkLines(_ harness: PipelineHarness) throws {
        let service = try #require(harness.repository.services.first)
        var expected: [String: [String]] = [:]
        var vector = service.makeVector()
        try harness.store().scanTrainingRows(service, streamHash: harness.repository.streamHash) { row, vectors, _, _ in
            service.assemble(row: row, viewVectors: vectors, into: &vector)
            expected[row.eventID] = service.kinds.indices.map { slot in
                service.kinds[slot] == .category
                    ? vector.texts[slot] ?? "" : vector.numbers[slot].isNaN ? "" : "\(vector.numbers[slot])"
            }
        }
        let output = harness.folder + "/features.csv"
        let run = try harness.run(["backfill", "--from-store", "--output", output])
        #expect(run.exitCode == 0, "\(run.output)")
        let lines = try String(contentsOfFile: output, encoding: .utf8).split(separator: "\n").dropFirst()
        var wrong = 0
        for line in lines {
            let cells = line.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
            if expected[cells[0]] != Array(cells.dropFirst(3)) { wrong += 1 }
        }
        #expect(lines.count == expected.count && lines.count > 3_500)
        #expect(wrong == 0, "\(wrong) lines differ")
    }

    @Test(.timeLimit(.minutes(5))) func `a view declared over stored events gets all of them, by event time`()
        throws
    {
        let harness = try Self.harness("merchants-later")
        let old = harness.folder + "/cards_only"
        try FileManager.default.copyItem(atPath: harness.definitions, toPath: old)
        try FileManager.default.removeItem(atPath: old + "/merchant.yaml")
        let service = old + "/services.yaml"
        try String(contentsOfFile: service, encoding: .utf8).replacing("merchant_activity, ", with: "")
            .write(toFile: service, atomically: true, encoding: .utf8)
        harness.definitions = old
        let records = try harness.generatedRows(3_000, seed: 52, cards: 200).map(harness.record)
        try harness.send(Array(records[..<2_000]))
        #expect(try harness.transformToEnd().exitCode == 0)

        // Before any of them has a place, a backfill computes them by event time, for whoever trains on it.
        harness.definitions = harness.folder + "/feature_repo"
        let feed = try Self.merchants(harness)
        let run = try harness.run(["backfill", "--from-store", "--to-store"])
        #expect(run.exitCode == 0, "\(run.output)")
        let early = try rows(feed.views[0], harness)
        #expect(early.count == 2_000 && early.allSatisfy { $0.value.0.partition == -1 })
        var naive = NaiveFeatures(feed.views[0])
        var (position, wrong) = (Int64(0), 0)
        try harness.store().scanEvents(harness.source, order: .eventTime) { row, _ in
            let key = row.canonicalText(feed.keyIndex) ?? ""
            let vector = naive.evaluate(entity: key, atMillis: row.eventTimeMillis, current: row)
            naive.insert(row, position: position)
            position += 1
            if early[row.eventIDBytes]?.1.isIdentical(to: vector) != true { wrong += 1 }
        }
        #expect(wrong == 0, "\(wrong) rows differ")

        try harness.send(Array(records[2_000...]))
        try finish(harness)
        // The same order as by event time: nothing but the places is new.
        let late = try rows(feed.views[0], harness)
        #expect(early.allSatisfy { id, row in late[id]?.1.isIdentical(to: row.1) == true })
    }

    @Test(.timeLimit(.minutes(3))) func `only stored events count, whoever writes to the topic of merchants`()
        throws
    {
        let harness = try Self.harness("merchants-hostile")
        let feed = try Self.merchants(harness)
        let rows = try harness.generatedRows(400, seed: 53, cards: 40)
        let text = String(decoding: harness.record(rows[0]).value ?? [], as: UTF8.self)
        let merchant = try #require(rows[0].canonicalText(feed.keyIndex))
        let other = try #require(
            (0..<99).map { "shop-\($0)" }.first {
                EntityPlacement.partition(of: $0, among: 4, by: .murmur2)
                    != EntityPlacement.partition(of: merchant, among: 4, by: .murmur2)
            })
        try harness.send(Array(rows[..<200].map(harness.record)))
        #expect(try harness.transformToEnd().exitCode == 0)
        func record(_ text: String, key: String) -> PipelineHarness.Record { (Array(key.utf8), Array(text.utf8), nil) }
        try harness.send(
            [
                record(text.replacing(rows[0].eventID, with: "unknown"), key: merchant),
                record(text.replacing("\"\(merchant)\"", with: "\"\(other)\""), key: other),
                record(
                    String(decoding: harness.record(rows[300]).value ?? [], as: UTF8.self)
                        .replacing("\"amt\":", with: "\"amt\":9"),
                    key: rows[300].canonicalText(feed.keyIndex) ?? ""),
                record("{}", key: merchant),
            ], topic: feed.topic)
        #expect(try harness.transformToEnd().exitCode == 0)
        try harness.send(Array(rows[200...].map(harness.record)))
        try finishHostile(harness, feed)
    }

    /// A record that came before its event was stored is a dead letter, and the event came again.
    private func finishHostile(_ harness: PipelineHarness, _ feed: ViewFeed) throws {
        let run = try harness.transformToEnd()
        #expect(run.exitCode == 0, "\(run.output.suffix(3_000))")
        let letters = try harness.store().connection.query(
            "SELECT reason FROM dead_letters WHERE _topic = $1", [.text(feed.topic)])
        let reasons = (0..<letters.count).compactMap { letters.text($0, 0) }
        #expect(reasons.count { $0.hasPrefix("no event of this id is stored") } == 2, "\(reasons)")
        #expect(reasons.count { $0 == "the record has another key than its event" } == 1, "\(reasons)")
        #expect(reasons.count == 4, "\(reasons)")
        var events = 0
        var naive = NaiveFeatures(feed.views[0])
        let stored = try rows(feed.views[0], harness)
        var wrong = 0
        try harness.store().scanEvents(feed) { row, place in
            let position = try #require(place)
            let vector = naive.evaluate(
                entity: row.canonicalText(feed.keyIndex) ?? "", atMillis: row.eventTimeMillis, current: row)
            naive.insert(row, position: position.offset)
            if stored[row.eventIDBytes]?.1.isIdentical(to: vector) != true { wrong += 1 }
            events += 1
        }
        #expect(events == 400 && stored.count == 400 && wrong == 0)
    }

    @Test(.timeLimit(.minutes(2))) func `a repair that failed begins anew, and nothing counts as sent`()
        throws
    {
        let harness = try Self.harness("merchants-repair")
        let store = try harness.store()
        let connection = store.connection
        try store.migrate()
        try store.createTables(harness.repository)
        // Without partitions the topic of merchants is read to its end, and takes nothing.
        let plan = TransformPlan(
            repository: harness.repository, bootstrapServers: harness.kafka.bootstrapServers, redisURL: "",
            databaseURL: harness.postgres.url, group: "repair", processName: "test", batchEvents: 10,
            lagBatchEvents: 10, partitionCounts: [:])
        let repair = RekeyRepair(plan, log: Log(level: .error) { _ in })
        defer { repair.close() }
        #expect(try repair.pass() == 0)
        let others = """
            FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
            AND backend_type = 'client backend'
            """
        try connection.execute("SELECT pg_terminate_backend(pid) \(others)")
        let isGone = try TestEnvironment.waits(seconds: 30) {
            try connection.execute("SELECT count(*) \(others)").integer(0, 0) == 0
        }
        #expect(isGone)
        #expect(throws: (any Error).self) { try repair.pass() }
        #expect(try repair.pass() == 0, "over a new connection")

        let (events, buffer) = (EventTable(harness.source), PostgresCopyBuffer())
        for (offset, row) in try harness.generatedRows(2, seed: 55, cards: 2).enumerated() {
            events.add(row, topic: Array(harness.topic.utf8), partition: 0, offset: Int64(offset), to: buffer)
        }
        try connection.copyIn(table: harness.source.name, columns: events.columns, rows: buffer)
        let ledger = PartitionLedger(topic: harness.topic, partition: 0)
        let epoch = try ledger.claim("test", on: connection).epoch
        try ledger.set(published: 2, epoch: epoch, on: connection)
        for _ in 0..<4 { #expect(throws: (any Error).self) { try repair.pass() } }
    }

    @Test(.timeLimit(.minutes(3))) func `history that is deleted goes by the other key, too, and counts add up`()
        throws
    {
        let harness = try Self.harness("merchants-history")
        try harness.send(harness.generatedRows(2_000, seed: 54, cards: 100).map(harness.record))
        #expect(try harness.transformToEnd().exitCode == 0)
        let pruned = try harness.run(["prune", "--event-retention-days", "39"])
        #expect(pruned.exitCode == 0, "\(pruned.output)")
        let counts = try harness.store().connection.execute(
            """
            SELECT (SELECT count(*) FROM transactions), (SELECT count(*) FROM rekeyed_events),
            (SELECT count(*) FROM merchant_activity), (SELECT count(DISTINCT removed_before) FROM partition_state
                                                       WHERE topic LIKE 'transactions%')
            """)
        let left = try #require(counts.integer(0, 0))
        #expect(left > 0 && left < 2_000)
        #expect(counts.integer(0, 1) == left && counts.integer(0, 2) == left && counts.integer(0, 3) == 1)
        // A claim counts rows and what is removed, and a rebuild reads what is left.
        try RedisConnection(RedisAddress(url: harness.redis.url)).command("FLUSHALL")
        let again = try harness.transformToEnd()
        #expect(again.exitCode == 0, "\(again.output.suffix(2_000))")
    }
}
