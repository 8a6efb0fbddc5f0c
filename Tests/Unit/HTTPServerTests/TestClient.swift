import Glibc
import Testing

/// A blocking client socket that says exactly what it is told and reads with a deadline.
final class TestClient {
    private let socket: Int32
    private var unread: [UInt8] = []

    init(port: Int) throws {
        socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        try #require(socket >= 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        try #require(result == 0)
        var one: Int32 = 1
        setsockopt(socket, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
    }

    deinit { close(socket) }

    func send(_ text: String) { send(Array(text.utf8)) }

    func send(_ bytes: [UInt8]) {
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
    func isClosed(withinMillis millis: Int) -> Bool {
        var poller = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
        guard poll(&poller, 1, Int32(millis)) > 0 else { return false }
        var byte: UInt8 = 0
        return recv(socket, &byte, 1, Int32(MSG_PEEK)) <= 0
    }

    struct Answer: Equatable {
        var status: Int
        var headers: [String: String]
        var body: String
    }

    /// Reads one answer, its body by Content-Length; nil when none comes in time.
    func answer(toHead: Bool = false, withinMillis millis: Int = 5_000) -> Answer? {
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

    private func headEnd() -> Int? {
        guard unread.count >= 4 else { return nil }
        return (0...(unread.count - 4)).first { Array(unread[$0..<($0 + 4)]) == [13, 10, 13, 10] }
    }
}

/// Sleeps, so that bytes which are on their way arrive.
func usleepMillis(_ millis: UInt32) { usleep(millis * 1_000) }
