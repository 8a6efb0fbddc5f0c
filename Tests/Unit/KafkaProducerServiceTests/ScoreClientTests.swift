import EventLoop
import Foundation
import HTTPServer
import KafkaProducerService
import Observability
import Synchronization
import Testing

/// A prediction API that says what it is told to.
private final class FakeAPI: Sendable {
    struct Seen {
        var bodies: [String] = []
        var open = 0
        var openMax = 0
        var keys: Set<String> = []
    }
    let port: Int
    let seen = Mutex(Seen())
    private let thread: EventLoopThread
    private let box = Box()

    /// Touched on the loop's thread only, once that runs.
    private final class Box: @unchecked Sendable {
        var server: HTTPServer?
        var timers: [LoopTimer] = []
    }

    /// Answers after `delayMillis`; nil never answers.
    init(port: Int = 0, status: Int = 200, delayMillis: Int? = 0) throws {
        let listener = try Listener(host: "127.0.0.1", port: port)
        let loop = try EventLoop()
        var router = Router()
        let box = self.box
        let seen = SeenBox()
        router.on(.post, "/api/v1/predict") { request in
            let text = String(decoding: request.body, as: UTF8.self)
            seen.change?({ seen in
                seen.bodies.append(text)
                seen.open += 1
                seen.openMax = max(seen.openMax, seen.open)
                if let key = request.header("x-api-key") { seen.keys.insert(key) }
            })
            guard let delayMillis else { return }
            let isFraud = text.hasSuffix("7")
            box.timers.append(
                loop.schedule(afterMillis: delayMillis) {
                    seen.change? { $0.open -= 1 }
                    request.reply(.json("{\"is_fraud\": \(isFraud)}", status: status))
                })
        }
        let server = try HTTPServer(router, on: loop, listener: listener)
        box.server = server
        self.port = server.port
        thread = try EventLoopThread(loop, name: "fake-api")
        seen.owner = self
    }

    func stop() {
        let (loop, box) = (thread.loop, self.box)
        loop.submit {
            guard let server = box.server else { return loop.stop() }
            server.stop(graceSeconds: 0) {
                box.server = nil
                loop.stop()
            }
        }
        thread.join()
    }

    /// Lets handlers, made before `self` is complete, reach `seen`.
    private final class SeenBox: @unchecked Sendable {
        // Set before the first request can arrive: the address is not known to anybody yet.
        weak var owner: FakeAPI?
        var change: (((inout Seen) -> Void) -> Void)? {
            guard let owner else { return nil }
            return { body in owner.seen.withLock { body(&$0) } }
        }
    }
}

@Suite(.serialized) struct ScoreClientTests {
    private func client(_ port: Int, key: String? = nil) throws -> ScoreClient {
        ScoreClient(try #require(ScoreEndpoint("http://127.0.0.1:\(port)")), apiKey: key)
    }

    /// Serves until nothing is in flight, five seconds at most.
    private func settle(_ client: ScoreClient) {
        let deadline = WallClock.monotonicNanos() + 5_000_000_000
        while client.inFlight > 0, WallClock.monotonicNanos() < deadline {
            client.service(timeoutMillis: 5, nowNanos: WallClock.monotonicNanos())
        }
    }

    private func ask(_ client: ScoreClient, _ numbers: Range<Int>) {
        for number in numbers {
            while !client.hasRoom { client.service(timeoutMillis: 5, nowNanos: WallClock.monotonicNanos()) }
            client.ask(Array("event-\(number)".utf8), nowNanos: WallClock.monotonicNanos())
            client.service(timeoutMillis: 0, nowNanos: WallClock.monotonicNanos())
        }
        settle(client)
    }

    @Test func `every event is asked about once, with at most 64 requests in flight`() throws {
        let api = try FakeAPI(delayMillis: 3)
        defer { api.stop() }
        let client = try client(api.port, key: "secret")
        ask(client, 0..<500)
        #expect(client.answeredCount == 500 && client.failedCount == 0 && client.skippedCount == 0)
        #expect(client.fraudCount == 50)
        let seen = api.seen.withLock { $0 }
        #expect(Set(seen.bodies) == Set((0..<500).map { "event-\($0)" }) && seen.bodies.count == 500)
        #expect(seen.openMax <= 64 && seen.openMax > 8)
        #expect(seen.keys == ["secret"])
    }

    @Test func `an API that stops is gone on without, and used again when it is back`() throws {
        let first = try FakeAPI()
        let port = first.port
        let client = try client(port)
        ask(client, 0..<10)
        #expect(client.answeredCount == 10)
        first.stop()
        ask(client, 10..<1_000)
        #expect(client.answeredCount == 10)
        #expect(client.problem?.contains("127.0.0.1") == true)
        // Those on their way when it went away have failed; the others were not even tried.
        #expect(client.failedCount >= 1 && client.failedCount < 20)
        #expect(client.failedCount + client.skippedCount == 990)
        let second = try FakeAPI(port: port)
        defer { second.stop() }
        let retry = WallClock.monotonicNanos() + ScoreClient.retryMillis * 1_000_000
        client.ask(Array("event".utf8), nowNanos: retry)
        settle(client)
        #expect(client.answeredCount == 11 && client.problem == nil)
    }

    @Test func `an API that never answers costs one timeout, not one an event`() throws {
        let api = try FakeAPI(delayMillis: nil)
        defer { api.stop() }
        let client = try client(api.port)
        client.ask(Array("a".utf8), nowNanos: WallClock.monotonicNanos())
        settle(client)
        #expect(client.failedCount == 1)
        #expect(client.problem?.contains("no answer within 1000 ms") == true)
        ask(client, 0..<100)
        #expect(client.skippedCount == 100)
    }

    @Test(arguments: [(401, "SCORE_API_KEY"), (404, "/api/v1/predict"), (422, "definitions")])
    func `a refusal is told with its cure, and the API is not held for down`(status: Int, cure: String) throws {
        let api = try FakeAPI(status: status)
        defer { api.stop() }
        let client = try client(api.port)
        ask(client, 0..<3)
        #expect(client.failedCount == 3 && client.skippedCount == 0 && client.problem == nil)
        #expect(client.refusal?.contains("answers \(status): ") == true)
        #expect(client.refusal?.contains(cure) == true)
    }

    @Test func `an API without a model is told apart from one that is away`() throws {
        let api = try FakeAPI(status: 503)
        defer { api.stop() }
        let client = try client(api.port)
        ask(client, 0..<1)
        #expect(client.failedCount == 1 && client.answeredCount == 0)
        #expect(client.problem?.contains("answers 503") == true)
    }
}
