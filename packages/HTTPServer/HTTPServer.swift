internal import CMicroHTTPD
public import EventLoop
internal import Glibc

/// HTTP/1.1 on an event loop, over libmicrohttpd in its external epoll mode: no thread of its own, handlers run on the loop.
///
/// A request that can be read in two ways is answered 400 and its connection closed: see `RequestFraming`.
///
/// Every request is answered before the server stops; `stop` sees to it, and must have finished before the server is
/// released.
///
/// libmicrohttpd calls its access handler several times for one request: once with the headers, then with pieces of the body, then
/// with none. Only the last call answers. A handler that needs something else first (a read of Redis) leaves its request
/// *suspended*: the connection leaves the epoll set and comes back with `reply`, on the same thread. A suspended connection that
/// nobody resumes would make the daemon abort when it stops; hence `pending`.
///
/// Its own timeouts restart with every byte, so a client that sends one a second holds its place for ever. The deadlines of headers,
/// body, answer and rest are therefore kept here, by a tick, and cannot be extended by trickling.
@safe public final class HTTPServer {
    /// The port it listens on.
    public let port: Int
    private let loop: EventLoop
    private let router: Router
    private let limits: HTTPLimits
    private var daemon: OpaquePointer?
    private var listener: Int32
    private var ready: Watcher?
    private var again: LoopTimer?
    private var tick: LoopTimer?
    private var connections: [HTTPConnection] = []
    private var pending: [Request] = []
    private var open = 0
    private var second = 0
    private var heldBytes = 0
    private var stopping: (secondsLeft: Int, done: () -> Void)?

    /// Serves the routes on a listener, whose socket it takes over. Call it on the loop's thread, or before the loop runs.
    public init(_ router: Router, on loop: EventLoop, listener: Listener, limits: HTTPLimits = .init())
        throws(HTTPServerError)
    {
        self.router = router
        self.loop = loop
        self.limits = limits
        port = listener.port
        self.listener = listener.release()
        let this = unsafe Unmanaged.passUnretained(self).toOpaque()
        // The daemon is stopped before the server is released, so it may hold the server without counting it.
        unsafe daemon = needletail_http_start(
            self.listener,
            { server, complaint, _ in
                guard let server = unsafe server, let complaint = unsafe complaint else { return }
                let this = unsafe Unmanaged<HTTPServer>.fromOpaque(server).takeUnretainedValue()
                unsafe this.refused(complaint)
            },
            { server, target, connection in
                guard let server = unsafe server, let target = unsafe target, let connection = unsafe connection else {
                    return nil
                }
                let this = unsafe Unmanaged<HTTPServer>.fromOpaque(server).takeUnretainedValue()
                unsafe HTTPServer.held(connection)?.reading = connection
                return unsafe Unmanaged.passRetained(Request(target: target, server: this)).toOpaque()
            },
            { server, connection, path, method, version, bytes, count, state in
                guard let server = unsafe server, let connection = unsafe connection, let count = unsafe count,
                    let state = unsafe state, let held = unsafe state.pointee
                else { return .NO }
                let this = unsafe Unmanaged<HTTPServer>.fromOpaque(server).takeUnretainedValue()
                let request = unsafe Unmanaged<Request>.fromOpaque(held).takeUnretainedValue()
                guard request.phase == .target else { return unsafe this.receive(request, connection, bytes, count) }
                guard let path = unsafe path, let method = unsafe method, let version = unsafe version else {
                    return .NO
                }
                return unsafe this.begin(request, connection, method, path, version)
            },
            { server, connection, state, _ in
                guard let server = unsafe server, let connection = unsafe connection, let state = unsafe state else {
                    return
                }
                let this = unsafe Unmanaged<HTTPServer>.fromOpaque(server).takeUnretainedValue()
                unsafe this.completed(connection, state)
            },
            { server, connection, context, code in
                guard let server = unsafe server, let connection = unsafe connection, let context = unsafe context
                else {
                    return
                }
                let this = unsafe Unmanaged<HTTPServer>.fromOpaque(server).takeUnretainedValue()
                unsafe this.changed(connection, context, hasStarted: code == .CONNECTION_NOTIFY_STARTED)
            },
            this, UInt32(limits.connections), limits.connectionMemory)
        guard let daemon = unsafe daemon else {
            close(self.listener)
            throw .cannotStart
        }
        again = loop.timer { [unowned self] in run() }
        ready = loop.watch(unsafe needletail_http_epoll(daemon), .read) { [unowned self] in run() }
        tick = loop.schedule(afterMillis: 1_000) { [unowned self] in everySecond() }
    }

    deinit {
        guard let daemon = unsafe daemon else { return }
        // Only a server that never ran gets here: its thread could not be started, or a later one could not.
        precondition(open == 0, "an HTTP server is stopped before it is released")
        ready?.cancel()
        unsafe MHD_stop_daemon(daemon)
    }

    /// Called with each answer, also to a request whose head was refused; for counting.
    public var onAnswer: ((_ request: Request, _ status: Int) -> Void)?

    /// Serves a connection that was made elsewhere: the descriptor is the server's from now on.
    func adopt(_ descriptor: Int32) {
        guard let daemon = unsafe daemon else {
            close(descriptor)
            return
        }
        var address = sockaddr()
        address.sa_family = sa_family_t(AF_UNIX)
        unsafe MHD_add_connection(daemon, descriptor, &address, socklen_t(MemoryLayout<sockaddr>.size))
    }

    /// Accepts no more, answers what is under way, then calls back. Handlers that have not answered after the grace are
    /// answered 503 for. Call it on the loop's thread; the loop must go on running until the callback.
    public func stop(graceSeconds: Int = 5, _ done: @escaping () -> Void) {
        guard let daemon = unsafe daemon, stopping == nil else { return done() }
        run()  // What the kernel has accepted for us is ours to answer.
        unsafe MHD_quiesce_daemon(daemon)
        close(listener)
        listener = -1
        stopping = (graceSeconds, done)
        finishIfIdle()
    }

    private func finishIfIdle() {
        guard let (secondsLeft, done) = stopping, let daemon = unsafe daemon else { return }
        guard open == 0 || secondsLeft < 0 else { return }
        for request in pending {
            request.reply(.error(503, "The server is stopping"))
            request.stream?.leave()
            replied(request)
        }
        for _ in 0..<8 where open > 0 { unsafe MHD_run(daemon) }
        ready?.cancel()
        again?.cancel()
        tick?.cancel()
        unsafe MHD_stop_daemon(daemon)
        unsafe self.daemon = nil
        stopping = nil
        done()
    }

    func run() {
        guard let daemon = unsafe daemon else { return }
        var rounds = 0
        var millis: UInt64 = 0
        var isDue = true
        // One run may leave work behind: libmicrohttpd's own epoll is edge-triggered.
        while isDue && rounds < 8 {
            unsafe MHD_run(daemon)
            rounds += 1
            isDue = unsafe MHD_get_timeout(daemon, &millis) == .YES && millis == 0
        }
        if isDue { again?.schedule(afterMillis: 0) }
        if stopping != nil { finishIfIdle() }
    }

    private func everySecond() {
        second += 1
        for connection in connections where connection.deadline < second {
            // libmicrohttpd sees the end of the stream and closes.
            shutdown(connection.descriptor, Int32(SHUT_RDWR))
            connection.deadline = .max
        }
        if let (secondsLeft, done) = stopping { stopping = (secondsLeft - 1, done) }
        tick?.schedule(afterMillis: 1_000)
        run()
    }

    // MARK: Called by libmicrohttpd, inside MHD_run

    private func changed(
        _ connection: OpaquePointer, _ context: UnsafeMutablePointer<UnsafeMutableRawPointer?>, hasStarted: Bool
    ) {
        if hasStarted {
            let descriptor = unsafe needletail_http_socket(connection)
            let connection = HTTPConnection(
                descriptor: descriptor, deadline: second + limits.headerSeconds, index: connections.count)
            connections.append(connection)
            unsafe context.pointee = Unmanaged.passRetained(connection).toOpaque()
        } else if let held = unsafe context.pointee {
            let connection = unsafe Unmanaged<HTTPConnection>.fromOpaque(held).takeRetainedValue()
            unsafe context.pointee = nil
            connections.swapAt(connection.index, connections.count - 1)
            connections[connection.index].index = connection.index
            connections.removeLast()
        }
    }

    private static func held(_ connection: OpaquePointer) -> HTTPConnection? {
        guard let held = unsafe needletail_http_context(connection) else { return nil }
        return unsafe Unmanaged<HTTPConnection>.fromOpaque(held).takeUnretainedValue()
    }

    private func setDeadline(_ connection: OpaquePointer, afterSeconds seconds: Int?) {
        unsafe Self.held(connection)?.deadline = seconds.map { second + $0 } ?? .max
    }

    /// A Content-Length that is no number, or too large for one, is refused by libmicrohttpd before anything of ours sees the head,
    /// and 0.9.75 then writes the head of its answer twice. It complains first: the answer is written here, and the way out of
    /// the connection closed, so what it writes goes nowhere. The connection is the one whose head is whole and not begun.
    private func refused(_ complaint: UnsafePointer<CChar>) {
        guard unsafe strstr(complaint, "Content-Length") != nil else { return }
        for connection in connections {
            guard let reading = unsafe connection.reading, unsafe needletail_http_has_head(reading) != 0 else {
                continue
            }
            unsafe connection.reading = nil
            let answer = Response.error(400, RequestFraming.noLength).closingBytes()
            unsafe answer.withUnsafeBytes {
                _ = unsafe send(
                    connection.descriptor, $0.baseAddress, $0.count, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL))
            }
            shutdown(connection.descriptor, Int32(SHUT_WR))
        }
    }

    /// Called once for each piece of body, once at the end; after a suspension once more.
    private func receive(
        _ request: Request, _ connection: OpaquePointer, _ bytes: UnsafePointer<CChar>?,
        _ count: UnsafeMutablePointer<Int>
    ) -> MHD_Result {
        if unsafe count.pointee > 0 {
            let piece = unsafe UnsafeRawBufferPointer(start: bytes, count: count.pointee)
            if request.discarded == 0, request.body.count + piece.count <= request.bodyLimit,
                heldBytes + piece.count <= limits.heldBytes
            {
                heldBytes += piece.count
                unsafe request.body.append(contentsOf: piece)
            } else {
                // The rest is read, so that the client comes to read the answer.
                if request.discarded == 0 { request.isTooLong = request.body.count + piece.count > request.bodyLimit }
                request.discarded += piece.count
                guard request.discarded <= limits.discardedBytes else { return .NO }
            }
            unsafe count.pointee = 0
            return .YES
        }
        if request.phase == .reading {
            request.phase = .handled
            if request.discarded > 0 {
                request.reply(
                    request.isTooLong
                        ? Router.tooLarge(request.bodyLimit) : .error(503, "Too many requests are under way"))
            } else {
                Router.handle(request, request.route)
            }
            if request.response == nil {
                unsafe setDeadline(connection, afterSeconds: nil)
                suspend(request)
                return .YES
            }
        }
        return unsafe answer(request, connection)
    }

    /// Called when the head is whole.
    private func begin(
        _ request: Request, _ connection: OpaquePointer, _ method: UnsafePointer<CChar>, _ path: UnsafePointer<CChar>,
        _ version: UnsafePointer<CChar>
    ) -> MHD_Result {
        unsafe Self.held(connection)?.reading = nil
        let framing = unsafe RequestHead.check(connection, request.target, method: method, version: version)
        unsafe request.begin(connection, method: method, path: path)
        open += 1
        unsafe setDeadline(connection, afterSeconds: limits.bodySeconds)
        // Where a chunk ends is read leniently below us (a bare LF will do) and cannot be looked at, so what follows chunks
        // is never taken for the next request.
        request.closes = framing.problem != nil || framing.isChunked
        if let problem = framing.problem {
            request.reply(.error(400, problem))
            return unsafe answer(request, connection)
        }
        request.route = router.match(request.method, request.path)
        request.bodyLimit = if case .route(let entry) = request.route { entry.bodyLimit } else { 1 << 20 }
        if request.method != .get, let length = framing.contentLength {
            if length > request.bodyLimit + limits.discardedBytes {
                // Answered before the body, which libmicrohttpd then does not read: it closes the connection.
                request.reply(Router.tooLarge(request.bodyLimit))
                return unsafe answer(request, connection)
            }
            request.body.reserveCapacity(min(length, request.bodyLimit, 65_536))
        }
        return .YES
    }

    private func completed(_ connection: OpaquePointer, _ state: UnsafeMutablePointer<UnsafeMutableRawPointer?>) {
        guard let held = unsafe state.pointee else { return }
        let request = unsafe Unmanaged<Request>.fromOpaque(held).takeRetainedValue()
        unsafe state.pointee = nil
        if request.phase == .target {
            unsafe Self.held(connection)?.reading = nil
            request.detach()  // The head never became whole.
            return
        }
        open -= 1
        heldBytes -= request.body.count
        forget(request)
        request.detach()
        unsafe setDeadline(connection, afterSeconds: limits.idleSeconds)
    }

    private func answer(_ request: Request, _ connection: OpaquePointer) -> MHD_Result {
        guard request.phase != .answered, let response = request.response else { return .YES }
        request.phase = .answered
        onAnswer?(request, response.status)
        unsafe setDeadline(connection, afterSeconds: limits.answerSeconds)
        guard let created = unsafe request.stream == nil ? whole(response.body) : streamed(request) else { return .NO }
        defer { unsafe MHD_destroy_response(created) }
        unsafe Self.add("Content-Type", response.contentType, to: created)
        for header in response.headers { unsafe Self.add(header.name, header.value, to: created) }
        for header in request.answerHeaders { unsafe Self.add(header.name, header.value, to: created) }
        if stopping != nil || request.closes { unsafe Self.add("Connection", "close", to: created) }
        return unsafe MHD_queue_response(connection, UInt32(response.status), created)
    }

    /// A string given to C as an argument is copied first; lent, it is not.
    private static func add(_ name: String, _ value: String, to response: OpaquePointer) {
        unsafe name.withCString { name in
            unsafe value.withCString { value in _ = unsafe MHD_add_response_header(response, name, value) }
        }
    }

    private func whole(_ body: [UInt8]) -> OpaquePointer? {
        unsafe body.withUnsafeBytes { body in
            unsafe MHD_create_response_from_buffer(
                body.count, UnsafeMutableRawPointer(mutating: body.baseAddress), .RESPMEM_MUST_COPY)
        }
    }

    /// An answer that libmicrohttpd asks for piece by piece, for as long as the request is its own.
    private func streamed(_ request: Request) -> OpaquePointer? {
        request.hasBegun = true
        return unsafe MHD_create_response_from_callback(
            .max, 32_768,
            { context, _, target, room in
                guard let context = unsafe context, let target = unsafe target else { return -2 }
                return unsafe Unmanaged<Request>.fromOpaque(context).takeUnretainedValue().readStream(target, room)
            }, Unmanaged.passUnretained(request).toOpaque(), nil)
    }

    /// A piece of a streamed answer was taken, at least a megabyte since the last time.
    func streamGoesOn(_ connection: OpaquePointer) {
        unsafe setDeadline(connection, afterSeconds: limits.answerSeconds)
    }

    /// The client of a streamed answer has taken all there is: until there is more the time is the writer's.
    func streamRests(_ request: Request, _ connection: OpaquePointer) {
        unsafe Self.held(connection)?.rest(at: second)
        suspend(request)
    }

    /// There is more.
    func streamWakes(_ connection: OpaquePointer) { unsafe Self.held(connection)?.goOn(at: second) }

    /// Lets the request's connection rest until there is more to do.
    func suspend(_ request: Request) {
        request.pendingIndex = pending.count
        pending.append(request)
        request.suspend()
    }

    // MARK: Called by requests

    /// A handler has answered. If it did so later, the connection goes on in this turn of the loop.
    func replied(_ request: Request) {
        guard request.phase == .suspended else { return }
        forget(request)
        request.resume()
        again?.fire()
    }

    private func forget(_ request: Request) {
        guard request.pendingIndex >= 0 else { return }
        pending.swapAt(request.pendingIndex, pending.count - 1)
        pending[request.pendingIndex].pendingIndex = request.pendingIndex
        pending.removeLast()
        request.pendingIndex = -1
    }
}
