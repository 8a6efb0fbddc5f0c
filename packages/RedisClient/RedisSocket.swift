internal import EventLoop
internal import Glibc

/// One non-blocking socket to a Redis server on an event loop. What is sent in one turn of the loop goes out in one write, and
/// the descriptor is registered for writing only while the kernel's buffer is full, so a command and its answer cost one wait,
/// one write and one read.
@safe final class RedisSocket {
    /// Called when it is connected, when bytes can be read, and when it is lost.
    enum Event {
        case connected, readable
        case lost(String)
    }

    private(set) var descriptor: Int32
    private var readable: Watcher?
    private var writable: Watcher?
    private var flush: LoopTimer?
    private var isConnected = false
    private var isWaiting = true  // for room to write
    private var output: [UInt8] = []
    private var sent = 0
    private var body: ((Event) -> Void)?

    /// Starts to connect; nil when that fails at once, with `errno` set. `host` is a numeric address, or the path of a Unix
    /// socket.
    init?(host: String, port: Int, isPath: Bool, on loop: EventLoop, _ body: @escaping (Event) -> Void) {
        descriptor = isPath ? Self.connect(path: host) : Self.connect(host: host, port: port)
        guard descriptor >= 0 else { return nil }
        self.body = body
        flush = loop.timer { [unowned self] in send() }
        readable = loop.watch(descriptor, .read) { [unowned self] in
            if isConnected { self.body?(.readable) } else { settle() }
        }
        writable = loop.watch(descriptor, .write) { [unowned self] in
            if isConnected { send() } else { settle() }
        }
    }

    deinit { close() }

    /// Ends it without a word. Safe twice.
    func close() {
        body = nil
        readable?.cancel()
        writable?.cancel()
        flush?.cancel()
        if descriptor >= 0 { Glibc.close(descriptor) }
        descriptor = -1
    }

    /// Sends bytes at the end of this turn of the loop.
    func write(_ bytes: [UInt8]) {
        if output.isEmpty { flush?.fire() }
        output += bytes
    }

    private func settle() {
        var code: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        unsafe getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &size)
        guard code == 0 else { return lose(code) }
        isConnected = true
        wait(false)
        body?(.connected)
    }

    private func send() {
        guard isConnected, sent < output.count else { return }
        let count = unsafe output.withUnsafeBytes { buffer in
            unsafe Glibc.send(
                descriptor, buffer.baseAddress?.advanced(by: sent), buffer.count - sent, Int32(MSG_NOSIGNAL))
        }
        if count < 0 {
            guard errno == EAGAIN || errno == EINTR else { return lose(errno) }
        } else {
            sent += count
        }
        if sent == output.count {
            output.removeAll(keepingCapacity: output.capacity < 1 << 20)
            sent = 0
        }
        wait(sent < output.count)
    }

    private func wait(_ waits: Bool) {
        guard waits != isWaiting else { return }
        isWaiting = waits
        if waits { writable?.resume() } else { writable?.pause() }
    }

    private func lose(_ code: Int32) {
        let body = self.body
        close()
        body?(.lost(unsafe String(cString: strerror(code))))
    }

    // MARK: Connecting

    private static func connect(path: String) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        let room = MemoryLayout.size(ofValue: address.sun_path)
        guard bytes.count < room else {
            errno = ENAMETOOLONG
            return -1
        }
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
        return unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe connect(AF_UNIX, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }

    private static func connect(host: String, port: Int) -> Int32 {
        var hints = unsafe addrinfo()
        unsafe hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV
        unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        guard unsafe getaddrinfo(host, String(port), &hints, &found) == 0, let entry = unsafe found else {
            errno = EINVAL
            return -1
        }
        defer { unsafe freeaddrinfo(entry) }
        let descriptor = unsafe connect(entry.pointee.ai_family, entry.pointee.ai_addr, entry.pointee.ai_addrlen)
        var one: Int32 = 1
        let size = socklen_t(MemoryLayout<Int32>.size)
        if descriptor >= 0 {
            unsafe setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, size)
            unsafe setsockopt(descriptor, SOL_SOCKET, SO_KEEPALIVE, &one, size)
        }
        return descriptor
    }

    private static func connect(_ family: Int32, _ address: UnsafePointer<sockaddr>, _ size: socklen_t) -> Int32 {
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let descriptor = socket(family, kind, 0)
        guard descriptor >= 0 else { return -1 }
        // A Unix socket whose backlog is full answers EAGAIN: no connection is under way.
        if unsafe Glibc.connect(descriptor, address, size) != 0, errno != EINPROGRESS {
            let code = errno
            Glibc.close(descriptor)
            errno = code
            return -1
        }
        return descriptor
    }
}
