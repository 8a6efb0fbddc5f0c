import FeatureEngine
import FeatureStore
import Foundation
import Pipeline
import PostgresClient
import PostgresOfflineStore
import TestSupport
import Testing

/// `backfill --from-store --to-store`: the views' rows computed anew from the stored events.
@Suite(.enabled(if: PipelineHarness.isPossible, "\(PipelineHarness.absence)"), .serialized, .timeLimit(.minutes(5)))
struct StoreBackfillTests {
    private func rows(_ harness: PipelineHarness) throws -> [ByteString: (LogPosition, FeatureVector)] {
        var rows: [ByteString: (LogPosition, FeatureVector)] = [:]
        try harness.store().scanFeatures(harness.view) { id, position, vector in
            rows[ByteString(id)] = (position, vector)
        }
        return rows
    }

    private func compare(
        _ rows: [ByteString: (LogPosition, FeatureVector)], _ expected: [ByteString: (LogPosition, FeatureVector)],
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(rows.count == expected.count, sourceLocation: sourceLocation)
        let wrong = expected.filter { id, row in
            rows[id].map { $0.0 == row.0 && $0.1.isIdentical(to: row.1) } != true
        }
        #expect(wrong.isEmpty, "\(wrong.count) rows differ", sourceLocation: sourceLocation)
    }

    @Test func `damaged and missing rows become the stream's again, at their positions, bit for bit`() throws {
        let harness = try PipelineHarness("rewrite")
        try harness.send(harness.troubledRecords(rows: 3_000, seed: 21))
        let streamed = try harness.transformToEnd()
        #expect(streamed.exitCode == 0, "\(streamed.output)")
        let expected = try rows(harness)
        #expect(expected.count > 2_500)
        let table = PostgresQuoting.identifier(harness.view.name)
        let connection = try harness.store().connection
        try connection.execute("UPDATE \(table) SET amt_count_1h = 99, v = v + 7, definition_hash = 'old'")
        try connection.execute("DELETE FROM \(table) WHERE event_id IN (SELECT event_id FROM \(table) LIMIT 100)")
        let run = try harness.run(["backfill", "--from-store", "--to-store"])
        #expect(run.exitCode == 0, "\(run.output)")
        compare(try rows(harness), expected)
        let hashes = try connection.query("SELECT DISTINCT definition_hash FROM \(table)")
        #expect(hashes.count == 1 && hashes.text(0, 0) == harness.repository.streamHash)
        // One view by name is the same.
        try connection.execute("UPDATE \(table) SET amt_sum_24h = -1")
        let one = try harness.run(["backfill", "--from-store", "--to-store", "--view", harness.view.name])
        #expect(one.exitCode == 0, "\(one.output)")
        compare(try rows(harness), expected)
    }

    @Test func `a card with events in two partitions is refused, and no row is changed`() throws {
        let harness = try PipelineHarness("rewrite-moved")
        try harness.send(harness.troubledRecords(rows: 400, seed: 22))
        #expect(try harness.transformToEnd().exitCode == 0)
        let table = PostgresQuoting.identifier(harness.view.name)
        let connection = try harness.store().connection
        try connection.execute("UPDATE \(table) SET amt_count_1h = 77")
        let damaged = try rows(harness)
        // The last event of the log moves to another partition, as after a raised partition count.
        try connection.execute(
            """
            UPDATE transactions SET _partition = (_partition + 1) % 4, _offset = _offset + 1000000 WHERE trans_num IN
            (SELECT trans_num FROM transactions WHERE cc_num IN
            (SELECT cc_num FROM transactions GROUP BY cc_num HAVING count(*) > 1 LIMIT 1) LIMIT 1)
            """)
        let run = try harness.run(["backfill", "--from-store", "--to-store"])
        #expect(run.exitCode == 65, "\(run.output)")
        #expect(run.output.contains("has events in two partitions"))
        compare(try rows(harness), damaged)
    }

    @Test func `cards and ids of equivalent spelling stay apart in the store as in the stream`() throws {
        let harness = try PipelineHarness("rewrite-spelling")
        let row = try #require(try harness.generatedRows(1, seed: 23, cards: 1).first)
        let record = harness.record(row)
        let text = String(decoding: record.value ?? [], as: UTF8.self)
        var records: [PipelineHarness.Record] = []
        let time = try #require(row.string(row.schema.eventTimeIndex))
        for (index, spelling) in ["caf\u{E9}", "cafe\u{301}", "caf\u{E9}", "caf\u{E9}", "cafe\u{301}"].enumerated() {
            // A minute apart; the fourth repeats the third's id.
            let moved = row.schema.eventTimeFormat.text(row.eventTimeMillis + Int64(index) * 60_000)
            let value = text.replacing("\"\(row.key)\"", with: "\"\(spelling)\"").replacing(time, with: moved)
                .replacing("\"\(row.eventID)\"", with: "\"\(spelling)-\(index / 2)\"")
            records.append((Array(spelling.utf8), Array(value.utf8), nil))
        }
        try harness.send(records)
        let run = try harness.transformToEnd()
        #expect(run.exitCode == 0, "\(run.output)")
        let expected = try rows(harness)
        #expect(expected.count == 4)
        let count = try #require(harness.view.features.firstIndex { $0.name == "amt_count_1h" })
        #expect(expected[ByteString("caf\u{E9}-1")]?.1.numbers[count] == 1)
        #expect(expected[ByteString("cafe\u{301}-0")]?.1.numbers[count] == 0)
        #expect(expected[ByteString("cafe\u{301}-2")]?.1.numbers[count] == 1)
        try LogOracle(harness).check(harness)
        let again = try harness.run(["backfill", "--from-store", "--to-store"])
        #expect(again.exitCode == 0, "\(again.output)")
        compare(try rows(harness), expected)
    }
}
