import FeatureStore
import FraudModel
import JSON
import KafkaClient
import Observability
import ServiceRuntime
import ServingSupport
import Synchronization
import TestSupport
import Testing

@testable import PredictionAPI

/// A model that comes while `serve` runs, with definitions of its own, which read a topic that nobody had asked for before.
@Suite(.enabled(if: KafkaServer.isAvailable, "no broker"), .timeLimit(.minutes(2))) struct BroughtTopicTests {
    private final class Source: ModelSource {
        private let directory: Directory
        init(_ directory: Directory) { self.directory = directory }
        func current() -> ModelLocation? {
            directory.path.withLock { ModelLocation(version: String($0.suffix(1)), directory: $0) }
        }
    }

    private final class Directory: Sendable {
        let path: Mutex<String>
        init(_ path: String) { self.path = Mutex(path) }
    }

    /// The fixture's definitions with a view of the merchants.
    private static let definitions =
        ServingFixture.definitions
        .replacing("topic: payments\n", with: "topic: payments\nkey: card\n")
        .replacing("[card_activity, request_features]", with: "[card_activity, merchant_activity, request_features]")
            + """

            ---
            kind: stream_feature_view
            name: merchant_activity
            entity: {name: merchant, join_key: merchant, type: string}
            source: payments
            aggregations:
              - {column: amt, functions: [count], windows: [1h]}
            """

    private static func write() throws -> String {
        let own = try FeatureRepository.load(files: [("all.yaml", definitions)], environment: [:], called: "brought")
        let service = try #require(own.service(named: "shop_v1"))
        let path = try TestEnvironment.temporaryFolder("model") + "/2"
        let card = try #require(ServingFixture.model(version: "2", of: service).card)
        try ModelDirectory.write(
            model: ServingFixture.modelBytes(service.featureNames), card: card,
            more: [("\(FeatureRepository.folderInModel)/all.yaml", definitions)], to: path)
        return path
    }

    @Test func `its topics are known before it answers, and its answers lack only what the store lacks`() async throws {
        let redis = try RedisServer()
        try redis.start()
        defer { redis.kill() }
        try fill(redis)
        let kafka = try TestServers.kafka()
        let topics = ["payments", "payments.by-merchant"]
        let admin = try KafkaAdmin(bootstrapServers: kafka.bootstrapServers)
        _ = try admin.createTopics(topics.map { .init($0, partitions: 4) })
        let directory = Directory(try RunningService.writeModel("1"))
        let running = try await RunningService.start(redis) {
            $0.partitionCount = nil
            $0.kafkaBootstrapServers = kafka.bootstrapServers
        } source: {
            Source(directory)
        }
        #expect(try await running.waits { $0["model_version"] == "1" && $0["degraded"] == false })
        func degraded(_ reason: String) -> Int? {
            let line = "needletail_serve_degraded_reasons_total{reason=\"\(reason)\"} "
            let lines = running.runtime.metrics.renderPrometheus().split(separator: "\n")
            return lines.first { $0.hasPrefix(line) }.flatMap { Int($0.dropFirst(line.count)) }
        }
        let before = try #require(degraded("offline"))
        let path = try Self.write()
        directory.path.withLock { $0 = path }
        #expect(try await running.waits { $0["model_version"] == "2" })
        #expect(try await running.waits { _ in (degraded("no_watermark") ?? 0) > 0 })
        #expect(degraded("offline") == before)
        try await running.stop()
    }
}
