import FeatureEngine
import Foundation
import Pipeline
import PostgresClient
import PostgresOfflineStore
import RedisClient
import TestSupport
import Testing

/// History deleted by age: what is kept goes on as if nothing had happened, and what comes too late is said.
@Suite(.enabled(if: PipelineHarness.isPossible, "\(PipelineHarness.absence)"), .serialized, .timeLimit(.minutes(3)))
struct HistoryTests {
    private static let day: Int64 = 86_400_000

    /// Events and labels of one card, each at a number of days after the first.
    private struct Card {
        let harness: PipelineHarness
        let row: SourceRow
        let text: String

        init(_ harness: PipelineHarness) throws {
            self.harness = harness
            row = try #require(try harness.generatedRows(1, seed: 41, cards: 1).first)
            text = String(decoding: harness.record(row).value ?? [], as: UTF8.self)
        }

        func millis(_ days: Double) -> Int64 { row.eventTimeMillis + Int64(days * Double(HistoryTests.day)) }

        func event(_ id: String, at days: Double) throws -> PipelineHarness.Record {
            let time = try #require(row.string(row.schema.eventTimeIndex))
            let value = text.replacing("\"\(row.eventID)\"", with: "\"\(id)\"")
                .replacing(time, with: row.schema.eventTimeFormat.text(millis(days)))
            return (Array(row.key.utf8), Array(value.utf8), nil)
        }

        func label(_ id: String, at days: Double) -> PipelineHarness.Record {
            let value =
                "{\"event_id\":\"\(id)\",\"label\":0,\"event_timestamp\":\(millis(days)),\"available_at\":\(millis(days + 7))}"
            return (Array(row.key.utf8), Array(value.utf8), nil)
        }
    }

    private func counts(_ harness: PipelineHarness) throws -> [Int64?] {
        let result = try harness.store().connection.execute(
            """
            SELECT (SELECT count(*) FROM transactions), (SELECT count(*) FROM card_activity), (SELECT count(*) FROM labels),
            (SELECT sum(removed)::bigint FROM partition_state), (SELECT sum(duplicates)::bigint FROM partition_state),
            (SELECT count(*) FROM dead_letters WHERE reason LIKE '%EVENT_RETENTION_DAYS%')
            """)
        return (0..<6).map { result.integer(0, $0) }
    }

    private func rows(_ harness: PipelineHarness) throws -> [String: FeatureVector] {
        var rows: [String: FeatureVector] = [:]
        try harness.store().scanFeatures(harness.view) { id, _, vector in rows[id] = vector }
        return rows
    }

    @Test func `old events, features and labels go, repeats of them are refused, and windows stay whole`() throws {
        let harness = try PipelineHarness("history")
        let card = try Card(harness)
        let labels = try #require(harness.source.label).topic
        try harness.send(try (0..<100).map { try card.event("d-\($0)", at: Double($0)) })
        try harness.send((0..<90).map { card.label("d-\($0)", at: Double($0)) }, topic: labels)
        #expect(try harness.transformToEnd().exitCode == 0)

        let refused = try harness.run(["prune", "--event-retention-days", "38"])
        #expect(refused.exitCode == 78 && refused.output.contains("needs 39"), "\(refused.output)")
        #expect(try counts(harness) == [100, 100, 90, 0, 0, 0])
        let kept = try harness.run(["prune"])
        #expect(kept.exitCode == 0)
        #expect(try counts(harness) == [100, 100, 90, 0, 0, 0], "for ever unless it is said")
        // The newest two may be wrong, so day 97 counts: days 0 to 57 go.
        let pruned = try harness.run(["prune", "--event-retention-days", "39"])
        #expect(pruned.exitCode == 0 && pruned.output.contains("table_bytes"), "\(pruned.output)")
        #expect(try counts(harness) == [42, 42, 32, 116, 0, 0])

        try RedisConnection(RedisAddress(url: harness.redis.url)).command("FLUSHALL")
        try harness.send([
            card.event("d-10", at: 10), card.event("d-90", at: 90), card.event("late", at: 80),
            card.event("in-time", at: 97.5), card.event("d-100", at: 100),
        ])
        try harness.send([card.label("d-10", at: 10), card.label("d-80", at: 80)], topic: labels)
        let run = try harness.transformToEnd()
        #expect(run.exitCode == 0, "\(run.output)")
        // Two of the events and one label are too late, one of each is a repeat.
        #expect(try counts(harness) == [44, 44, 32, 116, 2, 3])
        let before = try rows(harness)
        let count = try #require(harness.view.features.firstIndex { $0.name == "amt_count_30d" })
        #expect(before["d-100"]?.numbers[count] == 31)
        #expect(before["in-time"]?.numbers[count] == 30)
        #expect(before["d-60"]?.numbers[count] == 30, "as it was computed when all of its window was there")

        let backfill = try harness.run(["backfill", "--from-store", "--to-store"])
        #expect(backfill.exitCode == 0, "\(backfill.output)")
        let after = try rows(harness)
        #expect(before.count == after.count && before.allSatisfy { after[$0]?.isIdentical(to: $1) == true })
        let again = try harness.run(["prune", "--event-retention-days", "39"])
        #expect(again.exitCode == 0)
        #expect(try counts(harness)[0] == 43, "day 58 goes, for day 98 counts now")
        #expect(try harness.transformToEnd().exitCode == 0)
    }

    @Test func `an answer that was deleted and comes again is counted as a repeat, and stays deleted`() throws {
        let harness = try PipelineHarness("history-answers", ownBroker: true)
        let now = Int64(Date().timeIntervalSince1970 * 1_000)
        func send(_ ids: [String], ageDays: Int64) throws {
            try harness.send(
                ids.map { id in
                    let text = """
                        {"prediction_id": "\(id)", "transaction_id": "t", "created_at": \(now - ageDays * Self.day),
                        "event_timestamp": 2, "service": "s", "model_version": "3", "definition_hash": "h", "probability": 0.25,
                        "threshold": 0.5, "is_fraud": false, "degraded": false, "latency_micros": 7, "request": {},
                        "features_as_of": {}, "vector": []}
                        """
                    return (Array("4000".utf8), Array(text.utf8), nil)
                }, topic: PipelineTopics.predictions)
        }
        func counts() throws -> [Int64?] {
            let result = try harness.store().connection.execute(
                """
                SELECT (SELECT count(*) FROM predictions), sum(removed)::bigint, sum(duplicates)::bigint,
                (SELECT count(*) FROM dead_letters), sum(next_offset)::bigint FROM partition_state
                """)
            return (0..<5).map { result.integer(0, $0) }
        }
        try send(["new"], ageDays: 1)
        try send(["old-1", "old-2"], ageDays: 20)
        #expect(try harness.transformToEnd().exitCode == 0)
        let pruned = try harness.run(["prune", "--prediction-retention-days", "10"])
        #expect(pruned.exitCode == 0, "\(pruned.output)")
        #expect(try counts() == [1, 2, 0, 0, 3])
        // The last record that was stored is not there any more: the log is the same one all the same.
        try send(["old-1", "old-2", "old-1"], ageDays: 20)
        try send(["new", "newer"], ageDays: 1)
        let run = try harness.transformToEnd()
        #expect(run.exitCode == 0, "\(run.output)")
        #expect(try counts() == [2, 2, 4, 0, 8])
        #expect(try harness.transformToEnd().exitCode == 0, "the sum is right")
    }

    @Test func `a file of features leaves out events whose windows are not whole`() throws {
        let harness = try PipelineHarness("history-file")
        let card = try Card(harness)
        try harness.send(try (0..<100).map { try card.event("d-\($0)", at: Double($0)) })
        #expect(try harness.transformToEnd().exitCode == 0)
        #expect(try harness.run(["prune", "--event-retention-days", "45"]).exitCode == 0)
        for threads in ["1", "3"] {
            let file = harness.folder + "/features-\(threads).csv"
            let run = try harness.run(["backfill", "--from-store", "--output", file, "--threads", threads])
            #expect(run.exitCode == 0, "\(run.output)")
            let lines = try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n")
            #expect(lines.count == 1 + 18, "from day 97 - 45 + 30 on")
            #expect(lines[1].hasPrefix("d-82,"))
        }
    }

    @Test func `history that is deleted while a file of features begins cuts no window in it`() throws {
        let harness = try PipelineHarness("history-window")
        let card = try Card(harness)
        try harness.send(try (0..<100).map { try card.event("d-\($0)", at: Double($0)) })
        #expect(try harness.transformToEnd().exitCode == 0)
        let (whole, file) = (harness.folder + "/whole.csv", harness.folder + "/features.csv")
        let undisturbed = try harness.run(["backfill", "--from-store", "--output", whole])
        #expect(undisturbed.exitCode == 0, "\(undisturbed.output)")

        // The horizon is read, and the scan waits until the deletion is done.
        let (deleter, watcher) = (try harness.store(), try harness.store().connection)
        try deleter.connection.execute("BEGIN; LOCK TABLE transactions IN ACCESS EXCLUSIVE MODE")
        let backfill = try TestProcess(
            [try #require(PipelineHarness.needletail), "backfill", "--from-store", "--output", file],
            environment: harness.environment, logPath: harness.folder + "/backfill.log")
        let isWaiting = try TestEnvironment.waits(seconds: 60) {
            try watcher.execute(
                "SELECT count(*) FROM pg_locks WHERE relation = 'transactions'::regclass AND NOT granted"
            ).integer(0, 0) == 1
        }
        #expect(isWaiting)
        try deleter.raise(
            HistoryHorizon(removedBefore: card.millis(50), completeFrom: card.millis(80)),
            ofTopic: harness.source.topic)
        try deleter.connection.execute(
            "DELETE FROM transactions WHERE event_timestamp < to_timestamp(\(card.millis(50)) / 1000.0); COMMIT")
        #expect(backfill.waitUntilExit(seconds: 60))
        let text = try String(contentsOfFile: file, encoding: .utf8)
        #expect(text.split(separator: "\n").count == 1 + 100)
        #expect(try text == String(contentsOfFile: whole, encoding: .utf8))
    }
}
