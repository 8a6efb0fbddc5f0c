import EventLoop
import Foundation
import RedisClient
import TestSupport
import Testing

/// Answers whatever comes with the same bytes, as a server of another kind, or one that was taken over, may.
private final class ScriptedServer: Sendable {
    let port: Int
    private let listener: Int32

    init(_ answer: [UInt8]) throws {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, size) == 0 && listen(listener, 8) == 0 && getsockname(listener, $0, &size) == 0
            }
        }
        guard isBound else { throw TestServerError("cannot listen") }
        (self.listener, port) = (listener, Int(UInt16(bigEndian: address.sin_port)))
        Thread.detachNewThread {
            while true {
                let client = accept(listener, nil, nil)
                guard client >= 0 else { return }
                var request = [UInt8](repeating: 0, count: 4_096)
                while recv(client, &request, request.count, 0) > 0 {
                    guard send(client, answer, answer.count, Int32(MSG_NOSIGNAL)) == answer.count else { break }
                }
                close(client)
            }
        }
    }

    deinit { shutdown(listener, Int32(SHUT_RDWR)) }
}

@Suite struct HostileRedisTests {
    private static let answers: [(text: String, reason: String)] = [
        ("*2147483647\r\n", "more elements"), ("*4194305\r\n", "more elements"),
        ("*1\r\n*2000000\r\n", "more elements"),
        ("*1\r\n*1\r\n:1\r\n", "more elements"), ("*9223372036854775807\r\n", "protocol"), ("*-9\r\n", "protocol"),
        ("$-9\r\n", "protocol"), ("HTTP/1.1 400 Bad Request\r\n\r\n", "protocol"),
    ]

    @Test(arguments: answers)
    func `an answer that claims what cannot be ends the connection and nothing else`(text: String, reason: String)
        throws
    {
        let server = try ScriptedServer(Array(text.utf8))
        let redis = try RedisConnection(RedisAddress(host: "127.0.0.1", port: server.port), commandTimeoutMillis: 2_000)
        let before = try peakMegabytes()
        #expect {
            try redis.command("PING")
        } throws: { error in
            guard case .connectionLost(let said) = error as? RedisError else { return false }
            return said.contains(reason)
        }
        #expect(!redis.isOpen)
        #expect(try peakMegabytes() - before < 32, "no room was made for what was only claimed")
    }

    @Test func `a large array of ours is read as before`() throws {
        let values = (0..<200_000).map { $0 % 2 == 0 ? "$-1\r\n" : "$2\r\nab\r\n" }
        let server = try ScriptedServer(Array(("*200000\r\n" + values.joined()).utf8))
        let redis = try RedisConnection(RedisAddress(host: "127.0.0.1", port: server.port))
        guard case .array(let elements) = try redis.command("MGET") else { return #expect(Bool(false)) }
        #expect(elements.count == 200_000 && elements[0] == .null && elements[1] == .bytes(Array("ab".utf8)))
    }

    @Test func `the loop's connection survives such a server, too`() throws {
        for (text, _) in Self.answers {
            let server = try ScriptedServer(Array(text.utf8))
            let loop = try EventLoop()
            let redis = AsyncRedisConnection(RedisAddress(host: "127.0.0.1", port: server.port), on: loop)
            var reasons: [String] = []
            redis.onChange = { lost in
                if let lost { reasons.append(lost) }
                loop.stop()
            }
            let end = loop.timer { loop.stop() }
            end.schedule(afterMillis: 5_000)
            loop.run()
            #expect(!reasons.isEmpty && !redis.isConnected, "\(text)")
            end.cancel()
            redis.close()
        }
    }

    /// The largest this process ever was.
    private func peakMegabytes() throws -> Int {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return usage.ru_maxrss / 1_024
    }
}
