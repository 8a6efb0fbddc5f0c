import HTTPServer
import TestSupport
import Testing

@Suite struct AnswerStreamTests {
    private static func post(_ count: Int, to client: HTTPTestClient) {
        client.send("POST /stream HTTP/1.1\r\nHost: a\r\nContent-Length: \("\(count)".utf8.count)\r\n\r\n\(count)")
    }

    @Test(arguments: [0, 1, 30, 51, 200])
    func `an answer in pieces arrives whole and in order, and the connection goes on`(count: Int) throws {
        let server = try RunningServer()
        let client = try HTTPTestClient(port: server.port)
        for _ in 0..<2 {
            Self.post(count, to: client)
            let answer = try #require(client.answer())
            #expect(answer.status == 200 && answer.headers["content-type"] == "a/b")
            let expected = (0..<count).map {
                String(
                    repeating: Character(Unicode.Scalar(UInt8(ascii: "a") + UInt8((count - $0) % 26))), count: 10_000)
            }
            #expect(answer.body == expected.joined())
        }
    }

    @Test func `a client that does not read holds no more than the room, and others are served`() throws {
        let server = try RunningServer()
        let slow = try HTTPTestClient(port: server.port)
        Self.post(10_000, to: slow)
        #expect(server.waitForRequest())
        let quick = try HTTPTestClient(port: server.port)
        // While others are answered, the slow one's answer grows to what fits into the room and the sockets, and no further.
        var last = -1
        let stands = TestEnvironment.waits(seconds: 20) {
            let now = server.streamed.bytes
            defer { last = now }
            return quick.get("/health")?.status == 200 && now == last && now > AnswerStream.roomBytes
        }
        #expect(stands)
        #expect(server.streamed.bytes < 20_000_000)
        let answer = try #require(slow.answer())
        #expect(answer.body.utf8.count == 100_000_000)
    }

    @Test func `the time a writer takes is not its client's`() throws {
        var limits = HTTPLimits()
        limits.answerSeconds = 1
        let server = try RunningServer(limits)
        let client = try HTTPTestClient(port: server.port)
        client.send("POST /pause HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n2500")
        #expect(client.answer()?.body == "first second")
    }

    @Test func `a client that reads nothing is cut off in its time`() throws {
        var limits = HTTPLimits()
        limits.answerSeconds = 1
        let server = try RunningServer(limits)
        let client = try HTTPTestClient(port: server.port)
        Self.post(10_000, to: client)
        #expect(server.waitForRequest())
        #expect(TestEnvironment.waits(seconds: 10) { server.streamed.left == 1 })
    }

    @Test func `a writer hears that its client has left`() throws {
        let server = try RunningServer()
        do {
            let client = try HTTPTestClient(port: server.port)
            Self.post(10_000, to: client)
            #expect(server.waitForRequest())
        }
        #expect(TestEnvironment.waits(seconds: 10) { server.streamed.left == 1 })
        let other = try HTTPTestClient(port: server.port)
        #expect(other.get("/health")?.status == 200)
    }

    @Test func `the stop ends an answer that nobody takes`() throws {
        let server = try RunningServer()
        let client = try HTTPTestClient(port: server.port)
        Self.post(10_000, to: client)
        #expect(server.waitForRequest())
        server.stop(graceSeconds: 0)
        #expect(client.answer() == nil)  // cut off, which chunks tell from an end
    }

    @Test func `the stop lets an answer end that is read`() throws {
        let server = try RunningServer()
        let client = try HTTPTestClient(port: server.port)
        Self.post(60, to: client)
        #expect(server.waitForRequest())
        server.stop(graceSeconds: 10)
        #expect(client.answer()?.body.utf8.count == 600_000)
    }

    @Test func `without a socket the answer is whole at its end`() throws {
        var router = Router()
        var calls = 0
        router.on(.post, "/stream") { request in
            let stream = request.replyStreaming(Response(status: 201, body: []))
            for _ in 0..<100 {
                stream?.write(Array(repeating: 7, count: 10_000))
                stream?.whenRoom { calls += 1 }
            }
            stream?.finish()
            #expect(request.replyStreaming(Response(body: [])) == nil, "answered twice")
        }
        let request = Request(.post, "/stream")
        router.handle(request)
        #expect(calls == 100)
        #expect(request.response?.status == 201)
        #expect(request.response?.body.count == 1_000_000)
    }
}
