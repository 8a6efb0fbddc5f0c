import CAllocationCounter
import EventLoop
import Foundation
import Glibc
import HTTPServer
import KafkaClient
import Observability
import RedisClient
import ServingSupport
import Synchronization
import TestSupport
import Testing

@testable import PredictionAPI

/// One loop as `serve` runs it, on a real Redis and a real broker.
private final class OneLoop {
    let loop: PredictionLoop
    private let log: KafkaPredictionLog

    init(_ redis: RedisServer, _ kafka: KafkaServer) throws {
        let registry = MetricsRegistry()
        log = try KafkaPredictionLog(
            bootstrapServers: kafka.bootstrapServers, metrics: PredictionMetrics(registry))
        var limits = ServingLimits()
        limits.deadlineMillis = 2_000
        limits.featureAgeMillisMax = 0
        var redisLimits = AsyncRedisConnection.Limits()
        redisLimits.deadlineMillis = 2_000
        loop = try PredictionLoop(
            listener: Listener(host: "127.0.0.1", port: 0), address: RedisAddress(url: redis.url),
            redisLimits: redisLimits, httpLimits: HTTPLimits(), predictionLog: log, metrics: registry,
            gate: RequestGate(), limits: limits, log: .silent, journal: RequestJournal(.silent, slowMillis: 0),
            expectedService: nil, onRedisChange: { _ in })
        let served = try ServedModel(ServingFixture.model(), ServingFixture.repository)
        loop.prepare { app in
            app.use(served)
            app.use(partitionCount: 4, of: "payments")
        }
        try loop.start(name: "cost")
    }

    /// Asks, in turn, on one connection; every answer must have its features.
    func predict(_ count: Int, _ client: HTTPTestClient, _ path: String) throws {
        for _ in 0..<count {
            let answer = try #require(client.post(path, ServingFixture.payment))
            try #require(answer.status == 200 && answer.body.contains("\"degraded\":false"))
        }
    }

    /// What the loop's thread says of itself.
    func ask<Answer: Sendable>(_ question: @escaping @Sendable () -> Answer) -> Answer {
        let box = Box<Answer>()
        loop.submit { _ in
            box.answer.withLock { $0 = question() }
            box.isThere.signal()
        }
        box.isThere.wait()
        guard let answer = box.answer.withLock({ $0 }) else { fatalError("it was signalled") }
        return answer
    }

    private final class Box<Answer: Sendable>: Sendable {
        let answer = Mutex<Answer?>(nil)
        let isThere = DispatchSemaphore(value: 0)
    }

    func stop() {
        loop.beginStop(graceSeconds: 1)
        loop.join()
        _ = log.close(timeoutMillis: 5_000)
    }
}

/// What one prediction may ask of the system, from the socket to the socket: time cannot be asserted, this can.
@Suite(.serialized, .timeLimit(.minutes(2))) struct PredictionCostTests {
    private func start() throws -> (OneLoop, HTTPTestClient, RedisServer) {
        let redis = try RedisServer()
        try redis.start()
        try fill(redis)
        let kafka = try TestServers.kafka()
        // As all tests of this broker make it: a topic that is made by being written to has one partition.
        _ = try KafkaAdmin(bootstrapServers: kafka.bootstrapServers)
            .createTopics([.init("predictions", partitions: 2)])
        let running = try OneLoop(redis, kafka)
        let client = try HTTPTestClient(port: running.loop.port)
        let isReady = TestEnvironment.waits(seconds: 20) {
            client.post("/api/v1/predict", ServingFixture.payment)?.body.contains("\"degraded\":false") == true
        }
        try #require(isReady)
        return (running, client, redis)
    }

    @Test(.countsAllocations, arguments: ["/api/v1/predict?explain=false", "/api/v1/predict"])
    func `a prediction asks for memory ten times at most, its record included`(path: String) throws {
        let (running, client, redis) = try start()
        defer {
            running.stop()
            redis.kill()
        }
        try running.predict(300, client, path)
        let before = running.ask { allocation_counter_count() }
        try running.predict(1_000, client, path)
        let count = running.ask { allocation_counter_count() } - before
        #expect(count >= 1_000)
        #expect(Double(count) / 1_000 <= 10.1)  // now and then a buffer grows
    }

    /// Receiving, asking Redis, waiting and receiving of it, answering; the rest are libmicrohttpd's looks at its epoll.
    @Test(.enabled(if: Strace.works, "strace is not here, or may not watch"))
    func `a prediction at one connection makes nine system calls at most`() throws {
        let (running, client, redis) = try start()
        defer {
            running.stop()
            redis.kill()
        }
        let path = "/api/v1/predict?explain=false"
        try running.predict(300, client, path)
        let task = running.ask {
            (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/thread-self")) ?? ""
        }
        let thread = try #require(task.split(separator: "/").last)
        // Whoever looks before the other side has answered looks twice: on a busy machine the best of many rounds counts.
        var least = Int.max
        for _ in 0..<25 where least > 9 * 200 + 60 {
            least = min(least, try Self.systemCalls(ofThread: "\(thread)") { try running.predict(200, client, path) })
        }
        #expect(least <= 9 * 200 + 60)
    }

    /// Calls of a thread while 200 predictions are made, without those that wake librdkafka's thread.
    private static func systemCalls(ofThread thread: String, _ work: () throws -> Void) throws -> Int {
        let folder = try TestEnvironment.temporaryFolder("strace")
        let watcher = try TestProcess(["strace", "-p", thread], logPath: folder + "/strace.log")
        let isAttached = TestEnvironment.waits(seconds: 20) { watcher.log.contains("attached") }
        try #require(isAttached)
        try work()
        try #require(watcher.terminate())
        let calls = watcher.log.split(separator: "\n").dropFirst()
        #expect(calls.count { $0.hasPrefix("sendmsg(") } == 200)
        return calls.count { !$0.hasPrefix("write(") && !$0.hasPrefix("futex(") }
    }
}

private enum Strace {
    /// Whether it is there and may watch a process of ours.
    static let works: Bool = {
        guard let folder = try? TestEnvironment.temporaryFolder("strace-trial"),
            let trial = try? TestProcess(
                ["strace", "-p", "\(getpid())"], logPath: folder + "/log")
        else { return false }
        defer { trial.killNow() }
        return TestEnvironment.waits(seconds: 5) { trial.log.contains("attached") || !trial.isRunning }
            && trial.log.contains("attached")
    }()
}
