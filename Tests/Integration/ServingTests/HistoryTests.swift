import FeatureEngine
import FeatureStore
import JSON
import Pipeline
import PostgresOfflineStore
import ServingSupport
import TestSupport
import Testing

@testable import PredictionAPI

/// What `serve` makes of history that was deleted, as `prune` notes it in Postgres.
@Suite struct HistoryTests {
    @Test
    func `a request older than the history that is kept is degraded while the service runs, and after a start alone`()
        async throws
    {
        let redis = try RedisServer()
        try redis.start()
        defer { redis.kill() }
        try fill(redis)
        let url = try TestServers.postgres().makeDatabase("served_history")
        let store = try PostgresOfflineStore(url: url)
        let folder = try TestEnvironment.temporaryFolder("models")
        // The tables are made later than `serve` first asks.
        var running = try await RunningService.start(redis, memory: ServingMemory(modelsFolder: folder)) {
            $0.databaseURL = url
        }
        #expect(try await running.waits { $0["degraded"] == false })
        try store.migrate()
        _ = try PartitionLedger(topic: "payments", partition: 0).claim("me", on: store.connection)
        // The payment is of 2024-03-01 12:00; to there all that its view looks back at is kept.
        let view = try #require(ServingFixture.repository.view(named: "card_activity"))
        var horizon = HistoryHorizon(removedBefore: 1_709_294_400_000 - view.retentionMillis)
        try store.raise(horizon, ofTopic: "payments")
        let client = try HTTPTestClient(port: running.port)
        for _ in 0..<3 {
            let answer = try #require(client.post("/predict", ServingFixture.payment))
            #expect(answer.status == 200 && answer.body.contains("\"degraded\":false"))
        }
        horizon.removedBefore += 1
        try store.raise(horizon, ofTopic: "payments")
        #expect(try await running.waits { $0["degraded"] == true && $0["features_as_of"]?["card_activity"] != nil })
        let reason = "needletail_serve_degraded_reasons_total{reason=\"before_history\"} "
        #expect(client.get("/metrics")?.body.contains(reason + "0\n") == false)
        try await running.stop()

        running = try await RunningService.start(redis, memory: ServingMemory(modelsFolder: folder)) {
            $0.databaseURL = "postgresql://nobody@127.0.0.1:1/nothing"
        }
        let first = try HTTPTestClient(port: running.port).post("/predict", ServingFixture.payment)
        #expect(first?.body.contains("\"degraded\":true") == true)
        #expect(first?.body.contains("card_activity") == true)
        try await running.stop()
    }

    @Test func `what was read before the database failed is told, and told once`() throws {
        let url = try TestServers.postgres().makeDatabase("watched_history")
        let store = try PostgresOfflineStore(url: url)
        try store.migrate()
        _ = try PartitionLedger(topic: "payments", partition: 0).claim("me", on: store.connection)
        let horizon = HistoryHorizon(removedBefore: 1_700_000_000_000)
        try store.raise(horizon, ofTopic: "payments")
        // No text of Postgres holds a NUL: the second question fails.
        let watch = HistoryWatch(databaseURL: url, topics: ["payments", "\u{0}"])
        defer { watch.close() }
        #expect(watch.look() == ["payments": horizon])
        #expect(watch.look().isEmpty)
    }
}
