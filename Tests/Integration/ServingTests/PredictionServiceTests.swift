import FeatureEngine
import FeatureStore
import Foundation
import FraudModel
import JSON
import KafkaClient
import Observability
import RedisClient
import ServiceRuntime
import ServingSupport
import Synchronization
import Testing
import TestSupport

@testable import PredictionAPI

/// The service as `serve` runs it: real sockets, real Redis, several loops.
struct RunningService {
    let service: PredictionService
    let runtime: ServiceRuntime
    let task: Task<Void, any Error>
    let port: Int

    static func start(
        _ redis: RedisServer, model: String? = nil, logging kafka: String? = nil,
        memory: ServingMemory = ServingMemory(),
        change: (inout PredictionConfiguration) -> Void = { _ in }, source: (@Sendable () -> any ModelSource)? = nil
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
        let service = PredictionService(
            configuration, repository: ServingFixture.repository, runtime: runtime, memory: memory,
            modelSource: source ?? { FixedModelSource(directory: directory) })
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

    /// Predictions the server has counted.
    var predictions: Int {
        runtime.metrics.renderPrometheus().split(separator: "\n").filter {
            $0.hasPrefix("needletail_serve_predictions_total{")
        }.compactMap { $0.split(separator: " ").last.flatMap { Int($0) } }.reduce(0, +)
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

/// Waits for a condition without keeping the thread from others.
private func eventually(_ condition: () -> Bool) async throws -> Bool {
    for _ in 0..<1_500 {
        if condition() { return true }
        try await Task.sleep(for: .milliseconds(20))
    }
    return condition()
}

private final class Tally: Sendable {
    let count = Mutex(0)
}

private final class Flag: Sendable {
    let value: Atomic<Bool>
    init(_ value: consuming Atomic<Bool>) { self.value = value }
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
        #expect(client.get("/no such path")?.status == 400)
        let lines = try #require(HTTPTestClient(port: running.port).get("/metrics")).body
        #expect(lines.contains("needletail_serve_requests_total{route=\"/api/v1/predict\",status=\"200\"} 50\n"))
        #expect(lines.contains("needletail_serve_requests_total{route=\"other\",status=\"400\"} 1\n"))
        #expect(try HTTPTestClient(port: running.port).get("/health/ready")?.status == 200)
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
        try admin.command("CLIENT", "PAUSE", "2000", "ALL")
        let client = try HTTPTestClient(port: running.port)
        let clock = ContinuousClock()
        for _ in 0..<5 {
            var answer: HTTPTestClient.Answer?
            let taken = clock.measure { answer = client.post("/predict", ServingFixture.payment) }
            #expect(answer?.status == 200)
            #expect(answer?.body.contains("\"degraded\":true") == true)
            #expect(taken > .milliseconds(15) && taken < .milliseconds(1_600))
        }
        #expect(try await running.waits { $0["degraded"]?.bool == false })
        try await running.stop()
        redis.kill()
    }

    @Test func `a lost blob is told from a new card by the filter in Redis, on one connection and in a batch`()
        async throws
    {
        let redis = try RedisServer()
        try redis.start()
        try fill(redis)
        var known = KnownEntities(room: 100)
        _ = known.insert(ByteString(ServingFixture.card))
        let connection = try RedisConnection(RedisAddress(url: redis.url))
        let filter = OnlineKeys.known(watermarkKey: ServingFixture.watermarkKey(3))
        var pipeline = RedisPipeline()
        pipeline.begin(arguments: 3)
        pipeline.add("SET")
        pipeline.add(filter)
        pipeline.add(known.bytes)
        _ = try connection.run(&pipeline)
        let running = try await RunningService.start(redis) { $0.redisDeadlineMillis = 1_000 }
        #expect(try await running.waits { $0["degraded"]?.bool == false })
        let client = try HTTPTestClient(port: running.port)
        func degraded(_ cards: [String]) throws -> [Bool?] {
            let rows = cards.map { ServingFixture.payment.replacing(ServingFixture.card, with: $0) }
            let alone = try rows.map { row in
                try JSONTree.parse(#require(client.post("/predict", row)).body)["degraded"]?.bool
            }
            let body = "[" + rows.joined(separator: ",") + "]"
            let batch = try JSONTree.parse(#require(client.post("/api/v1/predict/batch", body)).body)
            #expect(batch["predictions"]?.array?.map { $0["degraded"]?.bool } == alone)
            return alone
        }
        // Cards of the same partition, which has a watermark.
        let strangers = (0..<200).map { "stranger-\($0)" }.filter {
            EntityPlacement.partition(of: Array($0.utf8).span, among: 4, by: .murmur2) == 3
                && !known.contains(ByteString($0))
        }.prefix(3)
        let cards = [ServingFixture.card] + strangers
        #expect(try degraded(cards) == [false, false, false, false])
        try connection.command("DEL", ServingFixture.blobKey())
        #expect(try degraded(cards) == [true, false, false, false])
        for damage in ["DEL", "APPEND"] {
            if damage == "DEL" {
                try connection.command("DEL", filter)
            } else {
                try connection.command("APPEND", filter, "x")
            }
            #expect(try degraded(cards) == [true, true, true, true])
        }
        try await running.stop()
        redis.kill()
    }

    @Test func `the age of the state is a metric, and an evicting Redis is refused`() async throws {
        let redis = try RedisServer()
        try redis.start()
        let running = try await RunningService.start(redis)
        func age() -> Double? {
            running.runtime.metrics.renderPrometheus().split(separator: "\n").first {
                $0.hasPrefix("needletail_serve_feature_age_seconds ")
            }.flatMap { Double($0.split(separator: " ")[1]) }
        }
        #expect(try await eventually { age()?.isNaN == true })
        let connection = try RedisConnection(RedisAddress(url: redis.url))
        let now = Int64(Date().timeIntervalSince1970 * 1_000)
        for partition in 0..<4 {
            var pipeline = RedisPipeline()
            pipeline.begin(arguments: 3)
            pipeline.add("SET")
            pipeline.add(ServingFixture.watermarkKey(partition))
            pipeline.add(Watermark(generation: 1, nextOffset: 5, newestMillis: now - Int64(partition) * 10_000).bytes)
            _ = try connection.run(&pipeline)
        }
        #expect(try await eventually { age().map { $0 >= 30 && $0 < 90 } == true })
        // Changed while it runs: not ready, a metric, and answers all the same.
        let client = try HTTPTestClient(port: running.port)
        func metric(_ value: String) -> Bool {
            running.runtime.metrics.renderPrometheus().contains("needletail_online_store_evicts \(value)\n")
        }
        #expect(metric("0"))
        try connection.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        #expect(try await eventually { client.get("/health/ready")?.status == 503 })
        let reason = client.get("/health/ready")?.body ?? ""
        #expect(reason.contains("allkeys-lru") && reason.contains("noeviction") && metric("1"), "\(reason)")
        #expect(client.post("/predict", ServingFixture.payment)?.status == 200)
        try connection.command("CONFIG", "SET", "maxmemory-policy", "noeviction")
        #expect(try await eventually { client.get("/health/ready")?.status == 200 })
        #expect(metric("0"))
        try await running.stop()
        try connection.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        await #expect(throws: CommandError.self) { _ = try await RunningService.start(redis) }
        let allowed = try await RunningService.start(redis) { $0.allowsEviction = true }
        try await allowed.stop()
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

    @Test func `requests that are under way at the stop are answered, and none is counted that was not`() async throws {
        let redis = try RedisServer()
        try redis.start()
        try fill(redis)
        let running = try await RunningService.start(redis) { $0.redisDeadlineMillis = 2_500 }
        #expect(try await running.waits { $0["degraded"]?.bool == false })
        let before = running.predictions
        let (port, runtime, url) = (running.port, running.runtime, redis.url)
        // On a thread: a test that waits on one of the few that tasks share may keep the service itself from stopping.
        let answers = try await runtime.onThread("clients") {
            let clients = try (0..<8).map { _ in try HTTPTestClient(port: port) }
            for client in clients { #expect(client.post("/predict", ServingFixture.payment)?.status == 200) }
            // Redis says nothing for a while, so these wait for it while the server is told to stop.
            try RedisConnection(RedisAddress(url: url)).command("CLIENT", "PAUSE", "2000", "ALL")
            let body = ServingFixture.payment
            for client in clients {
                client.send("POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)")
            }
            usleep(200_000)
            runtime.stop()
            return clients.map { client in
                let answer = client.answer()
                return (
                    answer?.status, answer?.headers["connection"]?.lowercased(), client.isClosed(withinMillis: 5_000)
                )
            }
        }
        try await running.task.value
        #expect(answers.count == 8)
        for answer in answers { #expect(answer == (200, "close", true)) }
        #expect(running.predictions - before == 16)
        #expect(throws: TestServerError.self) { try HTTPTestClient(port: running.port) }
        redis.kill()
    }

    @Test func `under load, exactly the predictions that were counted reach their clients until the stop`() async throws
    {
        let redis = try TestServers.redis()
        try fill(redis)
        let running = try await RunningService.start(redis)
        let before = running.predictions
        let answered = Tally()
        let (port, runtime) = (running.port, running.runtime)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    try await runtime.onThread("client") {
                        let client = try HTTPTestClient(port: port)
                        while let answer = client.post("/predict", ServingFixture.payment), answer.status == 200 {
                            answered.count.withLock { $0 += 1 }
                            if answer.headers["connection"]?.lowercased() == "close" { return }
                        }
                    }
                }
            }
            #expect(try await eventually { answered.count.withLock { $0 } > 100 })
            try await running.stop()
            try await group.waitForAll()
        }
        let count = answered.count.withLock { $0 }
        #expect(count > 100)
        #expect(running.predictions - before == count)
    }

    @Test func `a batch of ten thousand rows lets other requests through`() async throws {
        let redis = try TestServers.redis()
        try fill(redis)
        let running = try await RunningService.start(redis) { $0.loops = 1 }
        let rows = Array(repeating: ServingFixture.payment, count: 10_000).joined(separator: ",")
        let before = running.predictions
        let isDone = Atomic(false)
        let flag = Flag(isDone)
        let (port, runtime) = (running.port, running.runtime)
        let answered = Task {
            try await runtime.onThread("batch") {
                let client = try HTTPTestClient(port: port)
                let answer = client.post("/api/v1/predict/batch?explain=true", "[\(rows)]", withinMillis: 60_000)
                flag.value.store(true, ordering: .sequentiallyConsistent)
                return answer
            }
        }
        // The batch is under way once rows of it are scored.
        #expect(try await eventually { running.predictions > before })
        let others = try HTTPTestClient(port: running.port)
        for _ in 0..<20 {
            let answer = try #require(others.post("/predict?explain=false", ServingFixture.payment))
            #expect(answer.status == 200)
            #expect(answer.body.contains("\"degraded\":false"))
        }
        let wasDone = flag.value.load(ordering: .sequentiallyConsistent)
        #expect(!wasDone, "the others were answered after the batch")
        let answer = try #require(try await answered.value)
        #expect(answer.status == 200)
        let json = try JSONTree.parse(answer.body)
        #expect(json["count"]?.int == 10_000)
        #expect(json["predictions"]?.array?.allSatisfy { $0["degraded"]?.bool == false } == true)
        #expect(running.predictions - before == 10_020)
        try await running.stop()
    }

    @Test func `it starts from what it knew last when the registry and Kafka are away`() async throws {
        let redis = try TestServers.redis()
        try fill(redis)
        let folder = try TestEnvironment.temporaryFolder("models")
        let memory = ServingMemory(modelsFolder: folder)
        memory.keep(champion: .init(version: "5", directory: try RunningService.writeModel("5")), of: nil)
        memory.keep(partitions: 4, of: "payments")
        let dead = "postgresql://nobody@127.0.0.1:1/nothing"
        let running = try await RunningService.start(
            redis, memory: ServingMemory(modelsFolder: folder),
            change: { $0.partitionCount = nil },
            source: { RegistryModelSource(databaseURL: dead, modelsFolder: folder, service: nil, memory: memory) })
        #expect(try await running.waits { $0["degraded"]?.bool == false && $0["model_version"]?.string == "5" })
        try await running.stop()
    }

    @Test func `the port is open when the model is loaded, and without one after a stated time`() async throws {
        let redis = try TestServers.redis()
        try fill(redis)
        for isThere in [true, false] {
            let directory = isThere ? try RunningService.writeModel("1") : "/nothing/here"
            let runtime = ServiceRuntime()
            var configuration = PredictionConfiguration()
            configuration.port = 0
            configuration.redis = try RedisAddress(url: redis.url)
            configuration.logsPredictions = false
            let service = PredictionService(configuration, repository: ServingFixture.repository, runtime: runtime) {
                FixedModelSource(directory: directory)
            }
            #expect(service.port == nil)
            try await service.start()
            let client = try HTTPTestClient(port: try #require(service.port))
            let answer = try #require(client.post("/predict", ServingFixture.payment))
            #expect(answer.status == (isThere ? 200 : 503))
            #expect(!answer.body.contains("/nothing/here"))
            try await service.stop()
        }
    }

    @Test(.enabled(if: KafkaServer.isAvailable, "no broker"))
    func `every prediction arrives on the predictions topic`() async throws {
        let redis = try TestServers.redis()
        try fill(redis)
        let kafka = try TestServers.kafka()
        let admin = try KafkaAdmin(bootstrapServers: kafka.bootstrapServers)
        _ = try admin.createTopics(
            [.init("predictions", partitions: 2), .init("payments", partitions: 4)])
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
                high = try? admin.watermarks(of: .init("predictions", partition)).high
                return high != nil
            }
            guard let high else { throw TestServerError("no watermark") }
            sum += high
        }
        return sum
    }
}
