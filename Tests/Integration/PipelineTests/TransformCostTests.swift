import FeatureStore
import TestSupport
import Testing

/// What `transform` asks of its stores, counted on the wire: time cannot be asserted, this can.
@Suite(.enabled(if: PipelineHarness.isPossible, Comment(rawValue: PipelineHarness.absence)), .timeLimit(.minutes(2)))
struct TransformCostTests {
    private let harness: PipelineHarness
    private let postgres: TestProxy
    private let redis: TestProxy

    init() throws {
        harness = try PipelineHarness("cost")
        postgres = try TestProxy(to: harness.postgres.port)
        redis = try TestProxy(to: harness.redis.port)
    }

    /// Runs `transform` over what is on the topic; what it sent meanwhile.
    private func transform() throws -> (postgres: TestProxy.Traffic, redis: TestProxy.Traffic) {
        var environment = harness.environment
        environment["DATABASE_URL"] = harness.postgres.url.replacing(
            ":\(harness.postgres.port)", with: ":\(postgres.port)")
        environment["REDIS_URL"] = harness.redis.url.replacing(":\(harness.redis.port)", with: ":\(redis.port)")
        let (before, beforeRedis) = (postgres.traffic, redis.traffic)
        let needletail = try #require(PipelineHarness.needletail)
        let run = try TestCommand.run([needletail, "transform", "--exit-at-end"], environment: environment)
        try #require(run.exitCode == 0, "\(run.output)")
        func since(_ before: TestProxy.Traffic, _ proxy: TestProxy) -> TestProxy.Traffic {
            var traffic = proxy.traffic
            traffic.bytes -= before.bytes
            traffic.questions -= before.questions
            return traffic
        }
        return (since(before, postgres), since(beforeRedis, redis))
    }

    @Test func `an event costs the stores so many bytes, and a batch so many round trips`() throws {
        let rows = try harness.generatedRows(8_100, seed: 5, cards: 100)
        try harness.send(rows.prefix(100).map(harness.record))
        _ = try transform()  // makes the tables
        let idle = try transform()
        try harness.send(rows.dropFirst(100).map(harness.record))
        let busy = try transform()
        let events = 8_000.0
        let toPostgres = Double(busy.postgres.bytes - idle.postgres.bytes) / events
        let toRedis = Double(busy.redis.bytes - idle.redis.bytes) / events
        // Each view has a row of its own beside the event's, a blob an entity, and on another topic a stage.
        let views = harness.repository.views.count
        #expect((400...Double(400 + 400 * views)).contains(toPostgres), "bytes an event")
        #expect((1...Double(60 * views)).contains(toRedis), "bytes an event")
        // Four partitions, each in one batch or a few.
        #expect(busy.postgres.questions - idle.postgres.questions <= 120 * views)
        #expect(busy.redis.questions - idle.redis.questions <= 60 * views)
    }
}
