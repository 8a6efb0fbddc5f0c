import FeatureEngine
import FeatureStore
import Foundation
import JSON
import Pipeline
import PostgresOfflineStore
import TestSupport
import Testing

/// `feature-server` over the real online store.
@Suite(.enabled(if: PipelineHarness.isPossible, "\(PipelineHarness.absence)"), .serialized, .timeLimit(.minutes(2)))
struct FeatureServerTests {
    @Test func `every card's features over HTTP are the naive oracle's, and Redis may come back`() throws {
        let harness = try PipelineHarness("feature-server")
        try harness.send(harness.troubledRecords(rows: 600, seed: 71))
        #expect(try harness.transformToEnd().exitCode == 0)
        var naive = NaiveFeatures(harness.view)
        var newest: [String: Int64] = [:]
        try harness.store().scanEvents(harness.source) { row, position in
            naive.insert(row, position: position.offset)
            newest[row.key] = max(newest[row.key] ?? 0, row.eventTimeMillis)
        }
        let port = try TestEnvironment.freePort()
        let server = try TestProcess(
            [
                try #require(PipelineHarness.needletail), "feature-server", "--port", "\(port)", "--partitions",
                "\(harness.partitionCount)",
            ], environment: harness.environment, logPath: harness.folder + "/feature-server.log")
        defer { server.killNow() }
        #expect(
            TestEnvironment.waits(
                seconds: 20, until: { (try? HTTPTestClient(port: port))?.get("/health")?.status == 200 }),
            "\(server.log.suffix(1_000))")

        let cards = ["one new card"] + newest.keys.sorted() + ["a new card", "another", "a third"]
        let millis = (newest.values.max() ?? 0) + 60_000
        let names = harness.view.features.map(\.name)
        var body = JSONWriter()
        body.beginObject()
        body.key("features")
        body.beginArray()
        for name in names { body.value("card_activity:\(name)") }
        body.endArray()
        body.key("entities")
        body.beginObject()
        for (column, values) in [("cc_num", cards), ("event_timestamp", cards.map { _ in CivilTime.iso8601(millis) })] {
            body.key(column)
            body.beginArray()
            for value in values { body.value(value) }
            body.endArray()
        }
        body.endObject()
        body.endObject()
        func ask() throws -> HTTPTestClient.Answer {
            let text =
                "POST /get-online-features HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: \(body.bytes.count)\r\n\r\n"
            let client = try HTTPTestClient(port: port)
            client.send(Array(text.utf8) + body.bytes)
            return try #require(client.answer(withinMillis: 20_000))
        }
        let answer = try ask()
        #expect(answer.status == 200, "\(answer.body.prefix(300))")
        let tree = try JSONTree.parse(answer.body)
        #expect(tree["metadata"]?["feature_names"]?.array?.compactMap(\.string) == ["cc_num"] + names)
        var wrong = 0
        for (row, card) in cards.enumerated() {
            let right = naive.evaluate(entity: card, atMillis: millis)
            for slot in names.indices {
                let value = tree["results"]?[slot + 1]?["values"]?[row]?.double ?? .nan
                let isSame = value == right.numbers[slot] || value.isNaN && right.numbers[slot].isNaN
                if !isSame { wrong += 1 }
            }
        }
        #expect(cards.count > 40 && wrong == 0)

        harness.redis.kill()
        #expect(try ask().status == 503)
        try harness.redis.start()
        #expect(try ask().status == 200)
        #expect(server.terminate() && server.log.contains("ready"), "\(server.log.suffix(1_000))")
    }
}
