import Glibc

/// Sends requests at a constant rate and counts from the moment each was due, sent or not: a server that stalls is charged for
/// all that came due meanwhile. One thread, connections of its own.
struct RateClient {
    /// Requests per second.
    let rate: Double
    /// How long.
    let seconds: Double
    /// Open connections; a request that finds none free waits, and that counts.
    var connections = 64

    /// Latencies in ms, sorted.
    struct Latencies {
        let millis: [Double]
        func percentile(_ share: Double) -> Double {
            millis.isEmpty ? .nan : millis[min(millis.count - 1, Int(Double(millis.count) * share))]
        }
    }

    private struct Connection {
        let descriptor: Int32
        var dueNanos: Int64 = -1  // of the request that is out; −1 for none
        var received: [UInt8] = []
    }

    /// Posts the bodies in turn.
    func run(port: Int, path: String, bodies: [String]) throws -> Latencies {
        let requests = bodies.map { body in
            Array(
                "POST \(path) HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
                    .utf8)
        }
        var open = try (0..<connections).map { _ in Connection(descriptor: try Self.connect(port)) }
        defer { for connection in open { close(connection.descriptor) } }
        let (start, count) = (Self.nanos(), Int(rate * seconds))
        var (next, done): (Int, [Double]) = (0, [])
        done.reserveCapacity(count)
        var free = Array(open.indices)
        var polled = open.map { pollfd(fd: $0.descriptor, events: Int16(POLLIN), revents: 0) }
        while done.count < count {
            let now = Self.nanos()
            guard now - start < Int64((seconds + 20) * 1e9) else { throw BenchError("the server does not keep up") }
            while next < count, let place = free.last {
                let due = start + Int64(Double(next) / rate * 1e9)
                guard due <= now else { break }
                free.removeLast()
                open[place].dueNanos = due
                let request = requests[next % requests.count]
                guard send(open[place].descriptor, request, request.count, Int32(MSG_NOSIGNAL)) == request.count else {
                    throw BenchError("the server does not take a request")
                }
                next += 1
            }
            // Below a millisecond poll cannot wait; turning round costs this client's core alone.
            guard poll(&polled, nfds_t(polled.count), 0) > 0 else { continue }
            for place in open.indices where polled[place].revents != 0 {
                guard try Self.receive(&open[place]) else { continue }
                done.append(Double(Self.nanos() - open[place].dueNanos) / 1e6)
                open[place].dueNanos = -1
                free.append(place)
            }
        }
        return Latencies(millis: done.sorted())
    }

    /// Reads what is there; whether the answer is whole.
    private static func receive(_ connection: inout Connection) throws -> Bool {
        var buffer = [UInt8](repeating: 0, count: 16_384)
        let count = recv(connection.descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
        guard count > 0 else {
            if count < 0, errno == EAGAIN { return false }
            throw BenchError("the server closed a connection")
        }
        connection.received += buffer[..<count]
        let text = connection.received
        guard let end = Self.headEnd(text) else { return false }
        let head = String(decoding: text[..<end], as: UTF8.self)
        guard head.hasPrefix("HTTP/1.1 200") else { throw BenchError("the server answered \(head.prefix(40))") }
        let field = head.lowercased().split(separator: "\r\n").first { $0.hasPrefix("content-length:") }
        guard let length = field.flatMap({ Int($0.dropFirst(15).drop { $0 == " " }) }) else {
            throw BenchError("an answer has no length")
        }
        guard text.count >= end + 4 + length else { return false }
        connection.received = []
        return true
    }

    private static func headEnd(_ bytes: [UInt8]) -> Int? {
        var index = 0
        while index + 3 < bytes.count {
            if bytes[index] == 13, bytes[index + 2] == 13, bytes[index + 3] == 10 { return index }
            index += 1
        }
        return nil
    }

    private static func connect(_ port: Int) throws -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard descriptor >= 0, result == 0 else { throw BenchError("nobody listens on port \(port)") }
        var one: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
        return descriptor
    }

    private static func nanos() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}
