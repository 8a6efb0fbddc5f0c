import FeatureEngine
import Foundation
import KafkaClient
import PostgresClient
import PostgresOfflineStore
import TestSupport
import Testing

/// A topic deleted and made again within moments: the reader goes on at its offset without an error, where by then lie other
/// records.
@Suite(.enabled(if: PipelineHarness.isPossible, Comment(rawValue: PipelineHarness.absence)), .serialized)
struct RecreatedTopicTests {
    private func stored(_ connection: PostgresConnection, like pattern: String) throws -> Int64 {
        try connection.query("SELECT count(*) FROM transactions WHERE trans_num LIKE $1", [.text(pattern)])
            .integer(0, 0) ?? 0
    }

    /// Records of the generator, with ids that say which log they are sent to.
    private func records(_ harness: PipelineHarness, _ log: String, _ count: Int) throws -> [PipelineHarness.Record] {
        try harness.generatedRows(count, seed: 38, cards: 40).map { row in
            let record = harness.record(row)
            let text = String(decoding: record.value ?? [], as: UTF8.self)
            return (record.key, Array(text.replacing(row.eventID, with: "\(log)-\(row.eventID)").utf8), nil)
        }
    }

    @Test(.timeLimit(.minutes(3)))
    func `a topic made anew under load, without a quiet second, stops transform before anything of it is stored`()
        throws
    {
        let harness = try PipelineHarness("recreated", ownBroker: true)
        let (old, new) = (try records(harness, "old", 60), try records(harness, "new", 3_000))
        let running = try harness.startTransform()
        let connection = try harness.store().connection
        let admin = try KafkaAdmin(bootstrapServers: harness.kafka.bootstrapServers)
        // Under load from here on: a few records every 20 ms, so that no second is quiet.
        for start in stride(from: 0, to: old.count, by: 4) {
            try harness.send(Array(old[start..<start + 4]))
            usleep(20_000)
        }
        #expect(try TestEnvironment.waits(seconds: 30) { try stored(connection, like: "old-%") == 60 })
        try harness.send(Array(old[..<4]))
        try admin.deleteTopics([harness.topic])
        try admin.createTopics(
            [KafkaTopicDefinition(harness.topic, partitions: harness.partitionCount)])
        try harness.send(Array(new[..<2_000]))
        for start in stride(from: 2_000, to: new.count, by: 20) where running.isRunning {
            try harness.send(Array(new[start..<start + 20]))
            usleep(20_000)
        }
        #expect(TestEnvironment.waits(seconds: 30) { !running.isRunning }, "\(running.log.suffix(2_000))")
        #expect(running.log.contains("another log"), "\(running.log.suffix(2_000))")
        #expect(try stored(connection, like: "new-%") == 0, "of the new log nothing is stored, so nothing is skipped")
    }
}
