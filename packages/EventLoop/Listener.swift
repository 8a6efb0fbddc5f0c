internal import CLibEvent
internal import Glibc

/// A listening TCP socket. Closed when released.
public final class Listener {
    /// The listening descriptor, non-blocking.
    public private(set) var descriptor: Int32
    /// The port that is bound: the one asked for, or the one the system chose for 0.
    public let port: Int

    private var watcher: Watcher?
    private var pause: LoopTimer?

    /// Binds and listens. `sharingPort` sets SO_REUSEPORT, so that several loops of one process share the port; without
    /// it a port that is taken is an error. A connection beyond the backlog waits seconds for the kernel to try again.
    public init(host: String, port: Int, sharingPort: Bool = false, backlog: Int = 4_096) throws(EventLoopError) {
        var hints = unsafe addrinfo()
        unsafe hints.ai_family = AF_UNSPEC
        unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        unsafe hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV
        var found: UnsafeMutablePointer<addrinfo>?
        let code = unsafe getaddrinfo(host, String(port), &hints, &found)
        guard code == 0, let address = unsafe found else {
            throw .cannotListen(host: host, port: port, reason: unsafe String(cString: gai_strerror(code)))
        }
        defer { unsafe freeaddrinfo(address) }
        let type = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let socket = unsafe Glibc.socket(address.pointee.ai_family, type, 0)
        guard socket >= 0 else { throw .system(call: "socket", reason: SystemError.last()) }
        var one: Int32 = 1
        let size = socklen_t(MemoryLayout<Int32>.size)
        unsafe setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &one, size)
        if sharingPort { unsafe setsockopt(socket, SOL_SOCKET, SO_REUSEPORT, &one, size) }
        guard unsafe bind(socket, address.pointee.ai_addr, address.pointee.ai_addrlen) == 0,
            listen(socket, Int32(backlog)) == 0
        else {
            let failure = errno
            close(socket)
            guard failure == EADDRINUSE else {
                throw .cannotListen(host: host, port: port, reason: SystemError.text(failure))
            }
            throw .addressInUse(host: host, port: port)
        }
        descriptor = socket
        self.port = Self.boundPort(socket) ?? port
    }

    deinit { stop() }

    /// Accepts on a loop: each connection comes as a non-blocking descriptor with TCP_NODELAY, which the body then owns.
    public func accept(on loop: EventLoop, _ body: @escaping (Int32) -> Void) {
        watcher = loop.watch(descriptor, .read) { [unowned self, unowned loop] in
            while descriptor >= 0 {
                let connection = Glibc.accept(descriptor, nil, nil)
                if connection >= 0 {
                    evutil_make_socket_nonblocking(connection)
                    evutil_make_socket_closeonexec(connection)
                    var one: Int32 = 1
                    unsafe setsockopt(
                        connection, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
                    body(connection)
                } else if errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM {
                    // The connection stays in the backlog and would wake us at once: let others end first.
                    watcher?.pause()
                    pause = loop.schedule(afterMillis: 100) { [unowned self] in watcher?.resume() }
                    return
                } else if errno != EINTR && errno != ECONNABORTED {
                    return  // EAGAIN: all are accepted.
                }
            }
        }
    }

    /// Gives the descriptor away: the caller closes it.
    public func release() -> Int32 {
        watcher?.cancel()
        defer { descriptor = -1 }
        return descriptor
    }

    /// Stops accepting and closes the socket. Safe twice.
    public func stop() {
        watcher?.cancel()
        pause?.cancel()
        if descriptor >= 0 { close(descriptor) }
        descriptor = -1
    }

    private static func boundPort(_ socket: Int32) -> Int? {
        var storage = sockaddr_storage()
        var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let result = unsafe withUnsafeMutablePointer(to: &storage) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe getsockname(socket, $0, &size) }
        }
        guard result == 0 else { return nil }
        // sin_port and sin6_port lie at the same place.
        return unsafe withUnsafeBytes(of: &storage) { bytes in unsafe Int(bytes[2]) << 8 | Int(bytes[3]) }
    }
}
