import FraudModel
import Foundation
import JSON
import KafkaClient
import Observability
import RedisClient
import ServiceRuntime
import ServingSupport
import Synchronization
import TestSupport
import Testing

@testable import PredictionAPI

/// The service as `serve` runs it: real sockets, real Redis, several loops.
private struct RunningService {
    let service: PredictionService
    let runtime: ServiceRuntime
    let task: Task<Void, any Error>
    let port: Int

    static func start(
        _ redis: RedisServer, model: String? = nil, logging kafka: String? = nil,
        change: (inout PredictionConfiguration) -> Void = { _ in }
    ) async throws -> RunningService {
        var configuration = PredictionConfiguration()
        configuration.port = 0
        configuration.loops = 2
        configuration.redis = try RedisAddress(url: redis.url)
        configuration.partitionCount = 4
        configuration.logsPredictions = kafka != nil
        configuration.kafkaBootstrapServers = kafka ?? "127.0.0.1:1"
        change(&configuration)
        let runtime = ServiceRuntime()
        let directory = try model ?? writeModel("1")
        let service = PredictionService(configuration, repository: ServingFixture.repository, runtime: runtime) {
            FixedModelSource(directory: directory)
        }
        let task = Task { try await runtime.run([("api", service)]) }
        for _ in 0..<500 {
            if let port = service.port, let client = try? HTTPTestClient(port: port),
                client.get("/health/ready")?.status == 200
            {
                return RunningService(service: service, runtime: runtime, task: task, port: port)
            }
            try await Task.sleep(for: .milliseconds(10))
        }
        runtime.stop()
        try await task.value
        throw TestServerError("the service did not become ready")
    }

    static func writeModel(_ version: String) throws -> String {
        let path = try TestEnvironment.temporaryFolder("model") + "/" + version
        guard let card = try ServingFixture.model(version: version).card else { throw TestServerError("no card") }
        try ModelDirectory.write(model: ServingFixture.modelBytes(), card: card, to: path)
        return path
    }

    func stop() async throws {
        runtime.stop()
        try await task.value
    }

    /// Asks until the answer is as wished.
    func waits(_ condition: (JSONTree) -> Bool) async throws -> Bool {
        let client = try HTTPTestClient(port: port)
        for _ in 0..<500 {
            guard let answer = client.post("/predict", ServingFixture.payment) else { return false }
            if answer.status == 200, condition(try JSONTree.parse(answer.body)) { return true }
            try await Task.sleep(for: .milliseconds(10))
        }
        return false
    }
}

private func fill(_ redis: RedisServer) throws {
    let connection = try RedisConnection(RedisAddress(url: redis.url))
    var pipeline = RedisPipeline()
    for (key, value) in [
        (ServingFixture.blobKey(), try ServingFixture.blob([.init("2024-03-01 11:30:00", "20.00", "Bakery")])),
        (ServingFixture.watermarkKey(3), ServingFixture.watermark(next: 1)),
    ] {
        pipeline.begin(arguments: 3)
        pipeline.add("SET")
        pipeline.add(key)
        pipeline.add(value)
    }
    for reply in try connection.run(&pipeline) { _ = try reply.checked() }
}

private final class Tally: Sendable {
    let counts = Mutex((answered: 0, lost: 0))
}

@Suite(.serialized, .timeLimit(.minutes(2))) struct PredictionServiceTests {
    @Test func `answers from Redis, from the request alone while Redis is away, and from Redis again`() async throws {
        let redis = try RedisServer()
        try redis.start()
        try fill(redis)
        let running = try await RunningService.start(redis)
        #expect(
            try await running.waits { $0["degraded"]?.bool == false && $0["features_as_of"]?["card_activity"] != nil })
        redis.kill()
        #expect(try await running.waits { $0["degraded"]?.bool == true })
        let client = try HTTPTestClient(port: running.port)
        for _ in 0..<50 {
            let answer = try #require(client.post("/api/v1/predict", ServingFixture.payment))
            #expect(answer.status == 200)
        }
        #expect(client.get("/health/ready")?.status == 200)
        try redis.start()
        try fill(redis)
        #expect(try await running.waits { $0["degraded"]?.bool == false })
        try await running.stop()
        redis.kill()
    }

    @Test func `a Redis that hangs costs each answer the deadline and no more`() async throws {
        let redis = try RedisServer()
        try redis.start()
        try fill(redis)
        let running = try await RunningService.start(redis)
        #expect(try await running.waits { $0["degraded"]?.bool == false })
        let admin = try RedisConnection(RedisAddress(url: redis.url))
        try admin.command("CLIENT", "PAUSE", "500", "ALL")
        let client = try HTTPTestClient(port: running.port)
        let clock = ContinuousClock()
        for _ in 0..<5 {
            var answer: HTTPTestClient.Answer?
            let taken = clock.measure { answer = client.post("/predict", ServingFixture.payment) }
            #expect(answer?.status == 200)
            #expect(answer?.body.contains("\"degraded\":true") == true)
            #expect(taken > .milliseconds(15) && taken < .milliseconds(400))
        }
        #expect(try await running.waits { $0["degraded"]?.bool == false })
        try await running.stop()
        redis.kill()
    }

    @Test func `starts without Redis and finds it later`() async throws {
        let redis = try RedisServer()
        let running = try await RunningService.start(redis)
        #expect(try await running.waits { $0["degraded"]?.bool == true })
        try redis.start()
        try fill(redis)
        #expect(try await running.waits { $0["degraded"]?.bool == false })
        try await running.stop()
        redis.kill()
    }

    @Test func `a taken port is one clear error`() async throws {
        let redis = try TestServers.redis()
        let first = try await RunningService.start(redis)
        let runtime = ServiceRuntime()
        var configuration = PredictionConfiguration()
        configuration.port = first.port
        let second = PredictionService(configuration, repository: ServingFixture.repository, runtime: runtime) {
            FixedModelSource(directory: "none")
        }
        do {
            try await second.start()
            Issue.record("a second server started on the same port")
        } catch let error as CommandError {
            #expect(error.exitCode == .unavailable)
            #expect(error.message.contains("\(first.port)") && error.message.contains("--port"))
        }
        try await first.stop()
    }

    @Test func `every request that was sent before the stop is answered`() async throws {
        let redis = try TestServers.redis()
        try fill(redis)
        let running = try await RunningService.start(redis)
        let tally = Tally()
        let clients = (0..<4).map { _ in
            let (port, runtime) = (running.port, running.runtime)
            return Task {
                try await runtime.onThread("client") {
                    let client = try HTTPTestClient(port: port)
                    while true {
                        // Closed between two requests is fine; a request that was read must be answered.
                        guard let answer = client.post("/predict", ServingFixture.payment) else {
                            return tally.counts.withLock { $0.lost += 1 }
                        }
                        tally.counts.withLock { $0.answered += answer.status == 200 ? 1 : 0 }
                        if answer.headers["connection"]?.lowercased() == "close" { return }
                    }
                }
            }
        }
        try await Task.sleep(for: .milliseconds(300))
        try await running.stop()
        for client in clients { try await client.value }
        let (answered, lost) = tally.counts.withLock { $0 }
        #expect(answered > 100)
        #expect(lost <= 4)
        #expect(throws: TestServerError.self) { try HTTPTestClient(port: running.port) }
    }

    @Test func `a batch of ten thousand rows lets other requests through`() async throws {
        let redis = try TestServers.redis()
        try fill(redis)
        let running = try await RunningService.start(redis) { $0.loops = 1 }
        let rows = Array(repeating: ServingFixture.payment, count: 10_000).joined(separator: ",")
        let batch = try HTTPTestClient(port: running.port)
        let port = running.port
        let answered = Task {
            try await running.runtime.onThread("batch") {
                try HTTPTestClient(port: port).post("/api/v1/predict/batch", "[\(rows)]", withinMillis: 60_000)
            }
        }
        var during = 0
        let others = try HTTPTestClient(port: running.port)
        for _ in 0..<20 {
            if others.post("/predict", ServingFixture.payment)?.status == 200 { during += 1 }
        }
        let answer = try #require(try await answered.value)
        #expect(during == 20)
        #expect(answer.status == 200)
        let json = try JSONTree.parse(answer.body)
        #expect(json["count"]?.int == 10_000)
        #expect(json["predictions"]?.array?.allSatisfy { $0["degraded"]?.bool == false } == true)
        withExtendedLifetime(batch) {}
        try await running.stop()
    }

    @Test(.enabled(if: KafkaServer.isAvailable, "no broker"))
    func `every prediction arrives on the predictions topic`() async throws {
        let redis = try TestServers.redis()
        try fill(redis)
        let kafka = try TestServers.kafka()
        let admin = try KafkaAdmin(bootstrapServers: kafka.bootstrapServers)
        _ = try admin.createTopics(
            [.init("predictions", partitions: 2), .init("payments", partitions: 4)], timeoutMillis: 10_000)
        let before = try Self.end(admin)
        let running = try await RunningService.start(redis, logging: kafka.bootstrapServers) { $0.partitionCount = nil }
        #expect(try await running.waits { $0["degraded"]?.bool == false })
        let client = try HTTPTestClient(port: running.port)
        for _ in 0..<100 { #expect(client.post("/predict", ServingFixture.payment)?.status == 200) }
        let metrics = try #require(client.get("/metrics")?.body)
        let line = metrics.split(separator: "\n").first { $0.hasPrefix("needletail_serve_logged_total ") }
        let logged = try #require(line.flatMap { Int64($0.split(separator: " ")[1]) })
        #expect(logged >= 101)
        try await running.stop()
        #expect(try Self.end(admin) - before == logged)
    }

    private static func end(_ admin: KafkaAdmin) throws -> Int64 {
        var sum: Int64 = 0
        for partition in 0..<Int32(2) {
            var high: Int64?
            // A topic that was just made has no leader for a moment.
            _ = TestEnvironment.waits(seconds: 10) {
                high = try? admin.watermarks(of: .init("predictions", partition), timeoutMillis: 10_000).high
                return high != nil
            }
            guard let high else { throw TestServerError("no watermark") }
            sum += high
        }
        return sum
    }
}
