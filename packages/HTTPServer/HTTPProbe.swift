internal import EventLoop
internal import Glibc

/// A server of its own that is fed bytes through a pair of sockets, without a port or a thread: for fuzzers, and for tests of
/// what the server takes for a request. Its handlers answer at once.
public final class HTTPProbe {
    private let loop: EventLoop
    private let server: HTTPServer

    /// Serves these routes.
    public init(_ router: Router, limits: HTTPLimits = .init()) throws {
        loop = try EventLoop()
        server = try HTTPServer(router, on: loop, listener: Listener(host: "127.0.0.1", port: 0), limits: limits)
    }

    /// Stops the server; call it before the probe is released.
    public func close() { server.stop(graceSeconds: -1) {} }

    /// What the server answers to a client that sends these bytes, in pieces of at most `piece`, and then says no more. Ends
    /// when the server closes, and has closed by then.
    public func exchange(_ bytes: [UInt8], piece: Int = .max) -> [UInt8] {
        var ends: [Int32] = [-1, -1]
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        guard unsafe socketpair(AF_UNIX, kind, 0, &ends) == 0 else { return [] }
        let client = ends[0]
        defer { Glibc.close(client) }
        server.adopt(ends[1])
        var answer: [UInt8] = []
        var sent = 0
        var hasEnded = false
        // Each round moves bytes or is the last of a few without any.
        for _ in 0..<100_000 {
            if sent < bytes.count {
                let end = piece < bytes.count - sent ? sent + piece : bytes.count
                let count = unsafe bytes[sent..<end].withUnsafeBytes {
                    unsafe send(client, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
                }
                if count > 0 { sent += count } else if errno != EAGAIN { sent = bytes.count }
            } else if !hasEnded {
                hasEnded = true
                shutdown(client, Int32(SHUT_WR))
            }
            server.run()
            if Self.receive(from: client, into: &answer) { return answer }
        }
        return answer
    }

    /// Reads what is there; true at the end of the stream.
    private static func receive(from client: Int32, into answer: inout [UInt8]) -> Bool {
        var buffer: [UInt8] = Array(repeating: 0, count: 65_536)
        while true {
            let count = unsafe recv(client, &buffer, buffer.count, 0)
            if count == 0 || count < 0 && errno != EAGAIN && errno != EINTR { return true }
            guard count > 0 else { return false }
            answer += buffer.prefix(count)
        }
    }
}
