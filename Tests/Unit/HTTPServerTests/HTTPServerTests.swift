import EventLoop
import Glibc
import HTTPServer
import Synchronization
import TestSupport
import Testing

/// A server on a free port with its own thread; `later` holds what the deferred route was asked.
final class RunningServer {
    let port: Int
    private let loop: EventLoop
    private let thread: EventLoopThread
    private let box: Box
    private var isStopped = false

    /// Touched only on the loop's thread, after the start.
    final class Box: @unchecked Sendable {
        var server: HTTPServer?
        var waiting: [Request] = []
        var timers: [LoopTimer] = []
        /// Requests that reached a handler which answers later or never.
        let arrived = Atomic(0)
        /// Bytes written into streams, and streams whose client left.
        let written = Atomic(0)
        let left = Atomic(0)
    }

    init(_ limits: HTTPLimits = .init()) throws {
        loop = try EventLoop()
        let box = Box()
        self.box = box
        var router = Router()
        router.get("/health") { _ in .json("{\"status\":\"ok\"}") }
        router.get("/query") { request in .text(request.query("explain") ?? "none") }
        router.on(.post, "/echo", bodyLimit: 1_000) { request in
            request.reply(Response(contentType: request.header("content-type") ?? "none", body: request.body))
        }
        router.on(.post, "/large", bodyLimit: 1 << 20) { request in request.reply(.text("\(request.body.count)")) }
        let loop = self.loop
        router.on(.post, "/later") { request in
            box.arrived.add(1, ordering: .relaxed)
            box.timers.append(loop.schedule(afterMillis: 300) { request.reply(.text("later")) })
        }
        router.on(.post, "/stream") { Pump($0, box, loop).start() }
        router.on(.post, "/pause") { request in
            // Two pieces, with as many milliseconds between them as the body says.
            let stream = request.replyStreaming(Response(body: []))
            stream?.write(Array("first ".utf8))
            let millis = Int(String(decoding: request.body, as: UTF8.self)) ?? 0
            box.timers.append(
                loop.schedule(afterMillis: millis) {
                    stream?.write(Array("second".utf8))
                    stream?.finish()
                })
        }
        router.on(.post, "/never") { request in
            box.arrived.add(1, ordering: .relaxed)
            box.waiting.append(request)
        }
        let listener = try Listener(host: "127.0.0.1", port: 0)
        let server = try HTTPServer(router, on: loop, listener: listener, limits: limits)
        port = server.port
        box.server = server
        thread = try EventLoopThread(loop, name: "test-http")
    }

    /// Writes as many pieces of 10,000 bytes as the body says, each at its turn; after the 50th it rests for a while.
    private final class Pump {
        private let request: Request
        private let box: Box
        private let loop: EventLoop
        private var left: Int
        private var stream: AnswerStream?

        init(_ request: Request, _ box: Box, _ loop: EventLoop) {
            (self.request, self.box, self.loop) = (request, box, loop)
            left = Int(String(decoding: request.body, as: UTF8.self)) ?? 0
        }

        func start() {
            stream = request.replyStreaming(Response(contentType: "a/b", body: []))
            box.arrived.add(1, ordering: .relaxed)
            turn()
        }

        private func turn() {
            guard let stream, !stream.isGone else {
                box.left.add(1, ordering: .relaxed)
                return
            }
            while left > 0, !stream.isFull {
                stream.write(Array(repeating: UInt8(ascii: "a") + UInt8(left % 26), count: 10_000))
                box.written.add(10_000, ordering: .relaxed)
                left -= 1
                if left == 50 { return box.timers.append(loop.schedule(afterMillis: 50) { [self] in turn() }) }
            }
            if left == 0 { return stream.finish() }
            stream.whenRoom { [self] in loop.schedule { [self] in turn() } }
        }
    }

    /// Bytes that handlers have written into streams, and streams that nobody reads any more.
    var streamed: (bytes: Int, left: Int) {
        (box.written.load(ordering: .relaxed), box.left.load(ordering: .relaxed))
    }

    /// Waits until a request is with its handler.
    func waitForRequest() -> Bool {
        TestEnvironment.waits(seconds: 10) { box.arrived.load(ordering: .relaxed) > 0 }
    }

    func stop(graceSeconds: Int = 5) {
        guard !isStopped else { return }
        isStopped = true
        let box = self.box
        let loop = self.loop
        loop.submit {
            box.server?.stop(graceSeconds: graceSeconds) {
                box.server = nil
                loop.stop()
            }
        }
        thread.join()
    }

    deinit { stop() }
}

@Suite struct HTTPServerTests {
    @Test func `a GET route answers GET and HEAD on one connection`() throws {
        let server = try RunningServer()
        let client = try HTTPTestClient(port: server.port)
        client.send("HEAD /health HTTP/1.1\r\nHost: a\r\n\r\n")
        let head = try #require(client.answer(toHead: true))
        #expect(head.status == 200)
        #expect(head.headers["content-length"] == "15")
        client.send("GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
        let answer = try #require(client.answer())
        #expect(answer.body == "{\"status\":\"ok\"}")
        #expect(answer.headers["content-type"] == "application/json")
    }

    @Test(arguments: ["GET", "OPTIONS", "PUT", "BREW"])
    func `another method on a known path is 405 with Allow`(method: String) throws {
        let server = try RunningServer()
        let client = try HTTPTestClient(port: server.port)
        client.send("\(method) /echo HTTP/1.1\r\nHost: a\r\n\r\n")
        let answer = try #require(client.answer())
        #expect(answer.status == 405)
        #expect(answer.headers["allow"] == "POST")
        client.send("POST /health HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}")
        #expect(client.answer()?.headers["allow"] == "GET, HEAD")
    }

    @Test(arguments: ["/", "//health", "/health/", "/Health", "/nothing", "*"])
    func `a path that is not exactly a route is 404 in JSON`(path: String) throws {
        let server = try RunningServer()
        let client = try HTTPTestClient(port: server.port)
        client.send("GET \(path) HTTP/1.1\r\nHost: a\r\n\r\n")
        let answer = try #require(client.answer())
        #expect(answer.status == 404)
        #expect(answer.body == "{\"detail\":\"Not Found\"}")
    }

    @Test func `100-continue comes before the body, which may come in chunks`() throws {
        let server = try RunningServer()
        let client = try HTTPTestClient(port: server.port)
        // Before any of the body: a server that waited for it would let the client wait for its patience to end.
        client.send(
            "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\nContent-Type: a/b\r\n\r\n"
        )
        #expect(client.answer()?.status == 100)
        client.send("5\r\nhello\r\n")
        client.send("6\r\n world\r\n0\r\n\r\n")
        let answer = try #require(client.answer())
        #expect(answer.body == "hello world")
        #expect(answer.headers["content-type"] == "a/b")
        #expect(client.isClosed(withinMillis: 2_000))  // What follows chunks is never taken for a request.
    }

    @Test func `a body over the limit is 413 and the connection goes on`() throws {
        let server = try RunningServer()
        let client = try HTTPTestClient(port: server.port)
        for length in [1_001, 3_000_000] {
            client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: \(length)\r\n\r\n")
            client.send(Array(repeating: 0x61, count: length))
            let answer = try #require(client.answer())
            #expect(answer.status == 413)
            #expect(answer.body == "{\"detail\":\"The body is longer than 1000 bytes\"}")
        }
        client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")
        client.send(Array(repeating: 0x61, count: 1_000))
        #expect(client.answer()?.body.count == 1_000)
        client.send("POST /large HTTP/1.1\r\nHost: a\r\nContent-Length: 1048576\r\n\r\n")
        client.send(Array(repeating: 0x61, count: 1 << 20))
        #expect(client.answer()?.body == "1048576")
    }

    @Test func `bodies beyond what is held at once are 503 until there is room`() throws {
        var limits = HTTPLimits()
        limits.heldBytes = 1_500
        let server = try RunningServer(limits)
        let first = try HTTPTestClient(port: server.port)
        let second = try HTTPTestClient(port: server.port)
        first.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")
        first.send(Array(repeating: 0x61, count: 999))
        let body = String(repeating: "b", count: 1_000)
        // Until the first body has come so far, there is room for the second.
        #expect(TestEnvironment.waits(seconds: 10) { second.post("/echo", body)?.status == 503 })
        first.send("a")
        #expect(first.answer()?.body.count == 1_000)
        #expect(second.post("/echo", body)?.body == body)
    }

    @Test func `a server that was never run can be let go`() throws {
        let listener = try Listener(host: "127.0.0.1", port: 0)
        let port = listener.port
        do {
            let loop = try EventLoop()
            _ = try HTTPServer(Router(), on: loop, listener: listener)
        }
        let again = try Listener(host: "127.0.0.1", port: port)
        #expect(again.port == port)
    }

    @Test func `a declared length far over the limit is refused before the body`() throws {
        let server = try RunningServer()
        let client = try HTTPTestClient(port: server.port)
        client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000000\r\n\r\n")
        #expect(client.answer()?.status == 413)
        #expect(client.isClosed(withinMillis: 2_000))
    }

    @Test func `an endless chunked body is cut off`() throws {
        var limits = HTTPLimits()
        limits.discardedBytes = 100_000
        let server = try RunningServer(limits)
        let client = try HTTPTestClient(port: server.port)
        client.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        let chunk = Array("2710\r\n".utf8) + Array(repeating: 0x61, count: 10_000) + Array("\r\n".utf8)
        for _ in 0..<20 { client.send(chunk) }
        #expect(client.isClosed(withinMillis: 2_000))
    }

    @Test func `pipelined requests are answered in order`() throws {
        let server = try RunningServer()
        let client = try HTTPTestClient(port: server.port)
        client.send(
            "POST /later HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nxPOST /nothing HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}GET /query?explain=false HTTP/1.1\r\nHost: a\r\n\r\n"
        )
        #expect(client.answer()?.body == "later")
        #expect(client.answer()?.status == 404)
        #expect(client.answer()?.body == "false")
    }

    @Test func `headers that do not come end the connection`() throws {
        var limits = HTTPLimits()
        limits.headerSeconds = 1
        let server = try RunningServer(limits)
        let slow = try HTTPTestClient(port: server.port)
        let quick = try HTTPTestClient(port: server.port)
        slow.send("GET /health HTTP/1.1\r\nHost:")
        quick.send("GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(quick.answer()?.status == 200)
        #expect(slow.isClosed(withinMillis: 5_000))
        quick.send("GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(quick.answer()?.status == 200)
    }

    @Test func `a body that does not come ends the connection`() throws {
        var limits = HTTPLimits()
        limits.bodySeconds = 1
        let server = try RunningServer(limits)
        let client = try HTTPTestClient(port: server.port)
        client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
        #expect(client.isClosed(withinMillis: 5_000))
    }

    @Test func `bytes that are not HTTP harm nobody else`() throws {
        let server = try RunningServer()
        let bad = try HTTPTestClient(port: server.port)
        bad.send("\u{16}\u{3}\u{1}garbage\r\n\r\n\r\n")
        let good = try HTTPTestClient(port: server.port)
        good.send("GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(good.answer()?.status == 200)
    }

    @Test func `stopping answers what is under way and then closes`() throws {
        let server = try RunningServer()
        let client = try HTTPTestClient(port: server.port)
        let idle = try HTTPTestClient(port: server.port)
        idle.send("GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(idle.answer()?.status == 200)
        client.send("POST /later HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
        #expect(server.waitForRequest())
        server.stop()
        let answer = try #require(client.answer())
        #expect(answer.body == "later")
        #expect(answer.headers["connection"]?.lowercased() == "close")
        #expect(client.isClosed(withinMillis: 2_000))
        #expect(idle.isClosed(withinMillis: 2_000))
    }

    @Test func `a handler that never answers is answered 503 for at the stop`() throws {
        let server = try RunningServer()
        let client = try HTTPTestClient(port: server.port)
        client.send("POST /never HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
        #expect(server.waitForRequest())
        server.stop(graceSeconds: 0)
        #expect(client.answer()?.status == 503)
    }

    @Test func `a client that leaves while its answer is made harms nobody`() throws {
        let server = try RunningServer()
        for _ in 0..<20 {
            let client = try HTTPTestClient(port: server.port)
            client.send("POST /later HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
        }
        let client = try HTTPTestClient(port: server.port)
        client.send("POST /later HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
        #expect(client.answer()?.body == "later")
    }

    @Test func `without a socket a router answers as well`() {
        var router = Router()
        router.get("/health") { _ in .text("ok") }
        router.on(.post, "/echo", bodyLimit: 3) { $0.reply(Response(body: $0.body)) }
        let answers = [
            Request(.head, "/health"), Request(.post, "/echo", body: [1, 2]),
            Request(.post, "/echo", body: [1, 2, 3, 4]),
            Request(.post, "/health"),
        ].map { request in
            router.handle(request)
            return request.response?.status
        }
        #expect(answers == [200, 200, 413, 405])
    }
}
