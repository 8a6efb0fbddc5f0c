/// Why a loop or a listener could not be made.
public enum EventLoopError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The system refused an epoll, an eventfd or a thread.
    case system(call: String, reason: String)
    /// Another process listens there.
    case addressInUse(host: String, port: Int)
    /// The host has no address, or the port may not be bound.
    case cannotListen(host: String, port: Int, reason: String)

    public var description: String {
        switch self {
        case .system(let call, let reason): "\(call) failed: \(reason)"
        case .addressInUse(let host, let port): "port \(port) on \(host) is taken by another process"
        case .cannotListen(let host, let port, let reason): "cannot listen on \(host):\(port): \(reason)"
        }
    }
}
