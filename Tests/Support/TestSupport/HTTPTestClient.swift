import Glibc

/// A blocking client socket that says exactly what it is told and reads with a deadline.
public final class HTTPTestClient {
    private let socket: Int32
    private var unread: [UInt8] = []

    /// Connects to a loopback port.
    public init(port: Int) throws {
        socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard socket >= 0 else { throw TestServerError("no socket") }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else { throw TestServerError("nobody listens on port \(port)") }
        var one: Int32 = 1
        setsockopt(socket, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
    }

    deinit { close(socket) }

    /// Sends text as it is.
    public func send(_ text: String) { send(Array(text.utf8)) }

    /// Sends bytes as they are; gives up when the server has gone.
    public func send(_ bytes: [UInt8]) {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                Glibc.send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return }
            sent += count
        }
    }

    /// Reads more bytes; false at the end of the stream or after the deadline.
    private func readMore(withinMillis millis: Int) -> Bool {
        var poller = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
        guard poll(&poller, 1, Int32(millis)) > 0 else { return false }
        var buffer: [UInt8] = Array(repeating: 0, count: 65_536)
        let count = recv(socket, &buffer, buffer.count, 0)
        guard count > 0 else { return false }
        unread += buffer.prefix(count)
        return true
    }

    /// Whether the server has closed the connection, waiting for it a while.
    public func isClosed(withinMillis millis: Int) -> Bool {
        var poller = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
        guard poll(&poller, 1, Int32(millis)) > 0 else { return false }
        var byte: UInt8 = 0
        return recv(socket, &byte, 1, Int32(MSG_PEEK)) <= 0
    }

    /// One answer; header names are lower case.
    public struct Answer: Equatable, Sendable {
        /// The status.
        public var status: Int
        /// The headers.
        public var headers: [String: String]
        /// The body.
        public var body: String
    }

    /// Reads one answer, its body by Content-Length or in chunks; nil when none comes in time.
    public func answer(toHead: Bool = false, withinMillis millis: Int = 5_000) -> Answer? {
        while true {
            if let end = headEnd() {
                let lines = String(decoding: unread[..<end], as: UTF8.self).split(separator: "\r\n")
                var headers: [String: String] = [:]
                for line in lines.dropFirst() {
                    let parts = line.split(separator: ":", maxSplits: 1)
                    guard parts.count == 2 else { continue }
                    headers[parts[0].lowercased()] = parts[1].drop { $0 == " " }.description
                }
                let words = lines.first?.split(separator: " ") ?? []
                let status = words.count > 1 ? Int(words[1]) ?? 0 : 0
                let hasBody = !toHead && status >= 200 && status != 204
                if hasBody, headers["transfer-encoding"] == "chunked" {
                    guard let body = chunks(from: end + 4, withinMillis: millis) else { return nil }
                    return Answer(status: status, headers: headers, body: String(decoding: body, as: UTF8.self))
                }
                let length = hasBody ? headers["content-length"].flatMap { Int($0) } ?? 0 : 0
                if unread.count >= end + 4 + length {
                    let body = String(decoding: unread[(end + 4)..<(end + 4 + length)], as: UTF8.self)
                    unread.removeFirst(end + 4 + length)
                    return Answer(status: status, headers: headers, body: body)
                }
            }
            guard readMore(withinMillis: millis) else { return nil }
        }
    }

    /// Reads chunks up to the last, and forgets what was read; nil when the connection ends before.
    private func chunks(from start: Int, withinMillis millis: Int) -> [UInt8]? {
        unread.removeFirst(start)
        var body: [UInt8] = []
        var place = 0
        while true {
            if let end = unread[place...].firstIndex(of: 13),
                let size = Int(String(decoding: unread[place..<end], as: UTF8.self), radix: 16),
                unread.count >= end + 4 + size
            {
                body += unread[(end + 2)..<(end + 2 + size)]
                place = end + 4 + size
                guard size == 0 else { continue }
                unread.removeFirst(place)
                return body
            }
            guard readMore(withinMillis: millis) else { return nil }
        }
    }

    private func headEnd() -> Int? {
        guard unread.count >= 4 else { return nil }
        return (0...(unread.count - 4)).first { Array(unread[$0..<($0 + 4)]) == [13, 10, 13, 10] }
    }

    /// Posts a body and reads the answer.
    public func post(_ path: String, _ body: String, withinMillis millis: Int = 5_000) -> Answer? {
        send("POST \(path) HTTP/1.1\r\nHost: test\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)")
        return answer(withinMillis: millis)
    }

    /// Gets a path.
    public func get(_ path: String, withinMillis millis: Int = 5_000) -> Answer? {
        send("GET \(path) HTTP/1.1\r\nHost: test\r\n\r\n")
        return answer(withinMillis: millis)
    }
}
