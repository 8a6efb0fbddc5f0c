import FeatureEngine
import FeatureStore
import Pipeline
import PostgresClient
import TestSupport
import Testing

@testable import Dashboard

/// An entity's features where they are served from beside where they are stored, as a pipeline left both.
@Suite(.enabled(if: PipelineHarness.isPossible, "\(PipelineHarness.absence)"), .serialized, .timeLimit(.minutes(2)))
struct EntityScreenTests {
    /// An answer of the API about an event, as it goes to its topic.
    static func answer(_ id: String, to row: SourceRow, _ service: FeatureService) -> PipelineHarness.Record {
        let value = """
            {"prediction_id":"\(id)","transaction_id":"\(row.eventID)","created_at":1700000000000,
             "event_timestamp":\(row.eventTimeMillis),"service":"\(service.name)","model_version":"1",
             "definition_hash":"h","threshold":0.5,"probability":0.9,"is_fraud":true,"degraded":false,"latency_micros":1,
             "request":{},"vector":[],"features_as_of":{}}
            """
        return (Array(row.key.utf8), Array(value.utf8), nil)
    }

    @Test func `online and offline are the same, now and as of a moment`() throws {
        // A broker of its own: the topic of answers has the same name for all.
        let pipeline = try PipelineHarness("entity", ownBroker: true)
        let service = try #require(pipeline.repository.services.first)
        let rows = try pipeline.generatedRows(600, seed: 3, cards: 5)
        try pipeline.send(rows.map(pipeline.record))
        let key = try #require(rows.last).key
        let own = rows.filter { ByteString($0.key) == ByteString(key) }.suffix(4)
        let answers = own.enumerated().map { Self.answer("p\($0)", to: $1, service) }
        try pipeline.send(answers, topic: PipelineTopics.predictions)
        #expect(try pipeline.transformToEnd().exitCode == 0)

        let connection = try PostgresConnection(url: pipeline.postgres.url)
        let columns = PredictionColumns(pipeline.repository)
        let reader = EntityReader(pipeline.repository, OnlineSource(url: pipeline.redis.url), columns)
        let last = try #require(own.last).eventTimeMillis
        func read(_ millis: Int64?) throws -> EntityFile {
            try reader.read(key, atMillis: millis, nowMillis: last + 60_000, connection)
        }
        let now = try read(nil)
        #expect(now.storedMillis == last && now.history.count == 4 && !now.isPast && now.canCompare)
        #expect(!now.features.isEmpty && now.features.allSatisfy { !$0.isDifferent })
        #expect(now.features.contains { $0.offline != nil && $0.online == $0.offline })
        #expect(!now.key.contains(key), "it is sensitive")

        let before = try #require(own.dropLast().last).eventTimeMillis
        let then = try read(before)
        #expect(then.isPast && then.atMillis == before && then.storedMillis == before && then.history.count == 3)
        #expect(then.features.allSatisfy { !$0.isDifferent })
        // At the event's own time what is served is what was stored.
        #expect(then.canCompare == (before >= last - StreamView.disorderMillis))
        if then.canCompare { #expect(then.features.allSatisfy { $0.now == $0.offline }) }
        let never = try read(0)
        #expect(never.storedMillis == nil && never.history.isEmpty)
        #expect(never.features.allSatisfy { $0.offline == nil && !$0.isDifferent })

        // A row that is not what is served is told.
        let view = pipeline.view.name
        try connection.execute("UPDATE \"\(view)\" SET amt_count_24h = amt_count_24h + 1")
        #expect(try read(nil).features.filter(\.isDifferent).map(\.name) == ["amt_count_24h"])
    }
}
