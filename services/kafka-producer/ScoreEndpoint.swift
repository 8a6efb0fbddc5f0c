internal import Foundation
import Glibc

/// Where predictions are asked for: `http://host:port`, with the API's path unless the URL has one.
package struct ScoreEndpoint: Equatable, Sendable {
    /// The part of the URL for the Host header.
    package let authority: String
    package let host: String
    package let port: Int
    /// Path and query.
    package let target: String

    /// Nil for anything but an `http` URL.
    package init?(_ url: String) {
        guard let parts = URLComponents(string: url), parts.scheme == "http", let host = parts.host, !host.isEmpty
        else {
            return nil
        }
        // IPv6 hosts come in brackets, which getaddrinfo does not take.
        self.host = host.trimmingCharacters(in: CharacterSet(charactersIn: "[]"))
        port = parts.port ?? 80
        authority = parts.port.map { "\(host):\($0)" } ?? host
        let path = parts.percentEncodedPath
        // The answer's explanation is for people; nobody reads it here.
        target =
            path.isEmpty || path == "/"
            ? "/api/v1/predict?explain=false" : path + (parts.percentEncodedQuery.map { "?\($0)" } ?? "")
    }

    /// A socket that connects in the background, or why there is none. Looks the host up, which may block.
    package func connect() -> Result<Int32, ScoreProblem> {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let status = getaddrinfo(host, "\(port)", &hints, &list)
        guard status == 0, let address = list?.pointee else {
            return .failure(ScoreProblem("\(host): \(String(cString: gai_strerror(status)))"))
        }
        defer { freeaddrinfo(list) }
        let type = address.ai_socktype | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let descriptor = socket(address.ai_family, type, address.ai_protocol)
        guard descriptor >= 0 else { return .failure(ScoreProblem(String(cString: strerror(errno)))) }
        var one: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
        guard Glibc.connect(descriptor, address.ai_addr, address.ai_addrlen) == 0 || errno == EINPROGRESS else {
            let reason = String(cString: strerror(errno))
            close(descriptor)
            return .failure(ScoreProblem("\(authority): \(reason)"))
        }
        return .success(descriptor)
    }
}

/// Why a prediction could not be had.
package struct ScoreProblem: Error, Equatable, CustomStringConvertible {
    package let description: String
    package init(_ description: String) { self.description = description }
}
