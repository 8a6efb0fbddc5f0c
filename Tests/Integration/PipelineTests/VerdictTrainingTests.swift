import Dashboard
import FeatureEngine
import FeatureStore
import Pipeline
import PostgresClient
import PostgresOfflineStore
import TestSupport
import Testing

/// What an analyst says about a case, all the way to what the next model learns from.
@Suite(.enabled(if: PipelineHarness.isPossible, "\(PipelineHarness.absence)"), .serialized, .timeLimit(.minutes(2)))
struct VerdictTrainingTests {
    private func transform(_ pipeline: PipelineHarness) throws {
        let ended = try pipeline.transformToEnd()
        #expect(ended.exitCode == 0, "\(ended.output.suffix(2_000))")
    }

    /// Every label that a training would learn from, by event id.
    private func learned(_ pipeline: PipelineHarness, _ service: FeatureService) throws -> [String: Int] {
        var labels: [String: Int] = [:]
        try pipeline.store().scanTrainingRows(service, streamHash: pipeline.repository.streamHash) {
            row, _, label, _ in
            labels[row.eventID] = label
        }
        return labels
    }

    @Test func `a verdict goes through the topic into the tables and is learned, until it is taken back`() throws {
        // A broker of its own: the topic of answers has the same name for all.
        let pipeline = try PipelineHarness("verdict", ownBroker: true)
        let service = try #require(pipeline.repository.services.first)
        let rows = try pipeline.generatedRows(400, seed: 9, cards: 40)
        try pipeline.send(rows.prefix(300).map(pipeline.record))
        try pipeline.send([EntityScreenTests.answer("p1", to: rows[100], service)], topic: PipelineTopics.predictions)
        try transform(pipeline)
        let connection = try PostgresConnection(url: pipeline.postgres.url)
        var verdicts: [String] = []
        let book = CaseBook(connection, reviewer: "ana", repository: pipeline.repository) {
            verdicts.append("verdict-\(verdicts.count)")
            return verdicts[verdicts.count - 1]
        }
        let sender = LabelSender(
            bootstrapServers: pipeline.kafka.bootstrapServers,
            PostgresSession { try PostgresConnection(url: pipeline.postgres.url) },
            sources: pipeline.repository.sources)
        let order = { Order($0, predictionID: "p1", newestEventMillis: nil) }
        #expect(try book.carryOut(order(.fraud)).isDone)
        #expect(try sender.send(atOnce: verdicts) == 1)
        // A label counts from the newest event time that was seen on: newer events come.
        try pipeline.send(rows.suffix(100).map(pipeline.record))
        try transform(pipeline)
        #expect(try learned(pipeline, service) == [rows[100].eventID: 1])

        #expect(try book.carryOut(order(.undo)).isDone)
        #expect(try sender.send(atOnce: verdicts) == 1)
        try transform(pipeline)
        #expect(try learned(pipeline, service).isEmpty)
        #expect(try connection.execute("SELECT count(*) FROM labels").integer(0, 0) == 2)
    }
}
