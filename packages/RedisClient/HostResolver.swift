internal import Dispatch
internal import EventLoop
internal import Glibc

/// Finds a host's address without keeping an event loop waiting: a name server that is down may take seconds.
final class HostResolver {
    /// What to do with the answer. Touched on the loop's thread only, which is what makes it `Sendable`.
    private final class Waiting: @unchecked Sendable {
        let body: (String?) -> Void
        init(_ body: @escaping (String?) -> Void) { self.body = body }
    }

    /// Calls back on the loop with a numeric address, IPv4 where there is one, or nil.
    func resolve(_ host: String, on loop: EventLoop, _ body: @escaping (String?) -> Void) {
        let waiting = Waiting(body)
        DispatchQueue.global().async {
            let numeric = Self.numericAddress(of: host)
            loop.submit { waiting.body(numeric) }
        }
    }

    /// Whether the host is an address already.
    static func isNumeric(_ host: String) -> Bool {
        var address = in6_addr()
        return unsafe inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1
    }

    /// Asks the system. Blocks.
    static func numericAddress(of host: String) -> String? {
        for family in [AF_INET, AF_INET6] {
            var hints = unsafe addrinfo()
            unsafe hints.ai_family = family
            unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
            var found: UnsafeMutablePointer<addrinfo>?
            guard unsafe getaddrinfo(host, nil, &hints, &found) == 0, let entry = unsafe found else { continue }
            defer { unsafe freeaddrinfo(entry) }
            var text: [CChar] = Array(repeating: 0, count: Int(NI_MAXHOST))
            let code = unsafe getnameinfo(
                entry.pointee.ai_addr, entry.pointee.ai_addrlen, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST)
            guard code == 0 else { continue }
            return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }
        return nil
    }
}
