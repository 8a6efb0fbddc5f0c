import FeatureEngine
import Foundation
import PostgresClient
import PostgresOfflineStore
import TestSupport
import Testing

/// Events of producers that are not ours: librdkafka chooses the partitions, by its own default.
@Suite(.enabled(if: PipelineHarness.isPossible, "\(PipelineHarness.absence)"), .serialized, .timeLimit(.minutes(2)))
struct PartitionerTests {
    /// Sends rows as kcat and the Confluent clients do: no partition is named.
    private func send(_ pipeline: PipelineHarness, _ count: Int) throws {
        let rows = try pipeline.generatedRows(count, seed: 5, cards: 40)
        try pipeline.send(rows.map { (pipeline.record($0).key, pipeline.record($0).value, Int32(-1)) })
    }

    private func counts(_ pipeline: PipelineHarness) throws -> (rows: Int64, letters: Int64) {
        let store = try pipeline.store()
        let found = try store.connection.execute(
            "SELECT (SELECT count(*) FROM transactions), (SELECT count(*) FROM dead_letters)")
        return (found.integer(0, 0) ?? -1, found.integer(0, 1) ?? -1)
    }

    @Test func `a source that declares librdkafka's partitioner takes its events, and readers find them`() throws {
        let pipeline = try PipelineHarness(
            "consistent", replacing: ["event_id: trans_num": "event_id: trans_num\npartitioner: consistent"])
        try send(pipeline, 400)
        let ended = try pipeline.transformToEnd()
        #expect(ended.exitCode == 0, "\(ended.output)")
        #expect(try counts(pipeline) == (400, 0))

        let last = try #require(try pipeline.generatedRows(400, seed: 5, cards: 40).last)
        let moment = CivilTime.iso8601(last.eventTimeMillis + 60_000)
        let online = try pipeline.run([
            "features", "get-online", "--entity", last.key, "--at", moment, "--json",
        ])
        #expect(online.exitCode == 0 && online.output.contains(#""amt_last":"#), "\(online.output)")
        #expect(!online.output.contains(#""amt_last":null"#), "\(online.output)")

        // Many at once, from their partitions: the same answers, in the order of the file.
        let cards = Set(try pipeline.generatedRows(400, seed: 5, cards: 40).map(\.key)).sorted() + ["a new card"]
        let list = pipeline.folder + "/cards.txt"
        try cards.joined(separator: "\n").write(toFile: list, atomically: true, encoding: .utf8)
        let many = try pipeline.run(["features", "get-online", "--entities", list, "--at", moment, "--json"])
        let lines = many.output.split(separator: "\n").filter { $0.hasPrefix(#"{"entity""#) }.map(String.init)
        #expect(many.exitCode == 0 && lines.count == cards.count, "\(many.output)")
        #expect(zip(lines, cards).allSatisfy { $0.hasPrefix("{\"entity\":\"\($1)\"") })
        let one = online.output.split(separator: "\n").first { $0.hasPrefix(#"{"entity""#) }.map(String.init)
        #expect(one != nil && lines.contains { $0 == one })
        #expect(lines.last?.contains(#""amt_count_30d":0,"#) == true && !many.output.contains(#""degraded":true"#))

        // What is stored lies by that rule: under another one every key's history would be cut in two.
        let file = pipeline.folder + "/feature_repo/transactions.yaml"
        let text = try String(contentsOfFile: file, encoding: .utf8)
        try text.replacing("partitioner: consistent", with: "partitioner: murmur2")
            .write(toFile: file, atomically: true, encoding: .utf8)
        let stopped = try pipeline.transformToEnd()
        #expect(stopped.exitCode != 0 && stopped.output.contains("`partitioner` of source transactions"))
        #expect(try counts(pipeline) == (400, 0))
    }

    @Test func `without that word they become dead letters that name it`() throws {
        let pipeline = try PipelineHarness("murmur2")
        try send(pipeline, 200)
        #expect(try pipeline.transformToEnd().exitCode == 0)
        let counts = try counts(pipeline)
        #expect(counts.rows + counts.letters == 200 && counts.letters > 50)
        let store = try pipeline.store()
        let reasons = try store.connection.execute("SELECT min(reason), max(reason) FROM dead_letters")
        for column in 0...1 {
            let reason = reasons.text(0, column) ?? ""
            #expect(reason.contains("by murmur2, the `partitioner` of source transactions"), "\(reason)")
        }
    }
}
