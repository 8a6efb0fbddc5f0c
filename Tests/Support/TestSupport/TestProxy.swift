import Foundation
import Synchronization

/// A TCP proxy on loopback that can stop passing bytes without closing anything, as a network that swallows packets does: what is
/// sent to it is acknowledged and goes nowhere.
public final class TestProxy: Sendable {
    /// Where clients connect.
    public let port: Int
    private let target: Int
    private let listener: Int32
    private let state = Mutex(State())

    private struct State {
        var isClosed = false
        var accepted = 0
        var heldUntil = 0  // connections with a number below pass nothing
        var traffic = Traffic()
    }

    /// What clients asked of the server, all connections together.
    public struct Traffic: Sendable {
        /// Bytes that were sent to the server.
        public var bytes = 0
        /// How often a client said something after the server had: round trips.
        public var questions = 0
    }

    /// What was passed on since the proxy is there.
    public var traffic: Traffic { state.withLock { $0.traffic } }

    /// Listens, and passes everything on to a port of this machine.
    public init(to target: Int) throws {
        self.target = target
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = Self.address(0)
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = listener
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, size) == 0 && listen(descriptor, 64) == 0
                    && getsockname(descriptor, $0, &size) == 0
            }
        }
        guard isBound else { throw TestServerError("the proxy cannot listen") }
        port = Int(UInt16(bigEndian: address.sin_port))
        Thread.detachNewThread { [self] in accept() }
    }

    deinit { close() }

    /// From now on the connections that are there pass nothing; new ones work.
    public func holdConnections() { state.withLock { $0.heldUntil = $0.accepted } }

    /// From now on no connection passes anything, new ones neither.
    public func holdAll() { state.withLock { $0.heldUntil = .max } }

    /// Everything passes again, also what was held back.
    public func release() { state.withLock { $0.heldUntil = 0 } }

    /// Closes everything. Safe twice.
    public func close() {
        let wasClosed = state.withLock { state in
            defer { state.isClosed = true }
            return state.isClosed
        }
        // The number of a closed descriptor may be another's at once: the thread that accepts gives it back.
        if !wasClosed { shutdown(listener, Int32(SHUT_RDWR)) }
    }

    private static func address(_ port: Int) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        return address
    }

    private func accept() {
        defer { _ = Foundation.close(listener) }
        while !state.withLock({ $0.isClosed }) {
            var waiting = pollfd(fd: listener, events: Int16(POLLIN), revents: 0)
            guard poll(&waiting, 1, 50) > 0 else { continue }
            let client = Foundation.accept(listener, nil, nil)
            guard client >= 0 else { continue }
            let number = state.withLock { state in
                defer { state.accepted += 1 }
                return state.accepted
            }
            let server = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            var address = Self.address(target)
            let isConnected = withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    connect(server, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
                }
            }
            guard isConnected else {
                _ = Foundation.close(client)
                _ = Foundation.close(server)
                continue
            }
            Thread.detachNewThread { [self] in pump(client, server, number) }
        }
    }

    private func pump(_ client: Int32, _ server: Int32, _ number: Int) {
        defer {
            _ = Foundation.close(client)
            _ = Foundation.close(server)
        }
        var buffer = [UInt8](repeating: 0, count: 65_536)
        var isServersTurn = false
        while true {
            let (isClosed, isHeld) = state.withLock { ($0.isClosed, number < $0.heldUntil) }
            if isClosed { return }
            if isHeld {
                usleep(5_000)
                continue
            }
            var ends = [
                pollfd(fd: client, events: Int16(POLLIN), revents: 0),
                pollfd(fd: server, events: Int16(POLLIN), revents: 0),
            ]
            guard poll(&ends, 2, 5) > 0, !state.withLock({ number < $0.heldUntil }) else { continue }
            for (end, other) in [(ends[0], server), (ends[1], client)] where end.revents != 0 {
                let count = recv(end.fd, &buffer, buffer.count, 0)
                guard count > 0 else { return }
                if other == server {
                    state.withLock {
                        $0.traffic.bytes += count
                        $0.traffic.questions += isServersTurn ? 0 : 1
                    }
                }
                isServersTurn = other == server
                var sent = 0
                while sent < count {
                    let step = buffer[sent..<count].withUnsafeBytes {
                        send(other, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
                    }
                    guard step > 0 else { return }
                    sent += step
                }
            }
        }
    }
}
