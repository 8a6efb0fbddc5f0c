internal import CHiredis
public import EventLoop

/// One asynchronous connection to Redis on an event loop, for reads that must answer within a deadline. Belongs to the loop's
/// thread; `close` it there before it is released.
///
/// hiredis has no deadline of its own and queues without an end while a server hangs, so both limits are kept here. All reads
/// of one turn of the loop go out in one write.
///
///     read ──▶ sent ──▶ answered in time ──▶ values
///                └────▶ deadline: the caller gets a failure now; the answer that comes later is dropped
///     no answer at all for `silenceMillis`: the connection is dead; all that wait fail, and it is made anew
///
/// A read that was given up still counts against `readsMax` until its answer or the end of the connection: Redis works on it, and
/// so does memory. Beyond the limit a read fails at once, which is the right answer to an overloaded store. Deadlines are in the
/// order of the reads, so one timer for the first is enough.
@safe public final class AsyncRedisConnection {
    /// What it may wait for.
    public struct Limits: Sendable {
        /// A read without an answer is given up after this.
        public var deadlineMillis = 20
        /// Reads whose answer has not come, given up or not. One more fails at once.
        public var readsMax = 1_024
        /// Without any answer for this long, the connection is taken for dead and made anew.
        public var silenceMillis = 2_000
        /// The longest pause between attempts to connect.
        public var backoffMillisMax = 1_000

        /// The limits above.
        public init() {}
    }

    /// Called when the connection is made (nil) or lost, with the reason. Once per change.
    public var onChange: ((_ lost: String?) -> Void)?
    /// Whether reads go out now.
    public private(set) var isConnected = false
    /// Reads that are out.
    public private(set) var readsOut = 0

    private let address: RedisAddress
    private let loop: EventLoop
    private let limits: Limits
    private let resolver = HostResolver()
    private var context: UnsafeMutablePointer<redisAsyncContext>?
    private var isClosed = false
    private var backoffMillis = 50
    private var reconnect: LoopTimer?
    private var deadlines: LoopTimer?
    private var waiting: [Read] = []  // in the order of their deadlines, from `first`
    private var first = 0
    /// When the last answer came, or when the first of the reads that are out went out.
    private var silentSinceMicros: Int64 = 0
    private var lastReason: String?

    private final class Read {
        let keys: Int?
        let startMicros: Int64
        var body: ((borrowing RedisValues) -> Void)?
        init(keys: Int?, startMicros: Int64, body: @escaping (borrowing RedisValues) -> Void) {
            self.keys = keys
            self.startMicros = startMicros
            self.body = body
        }

        func finish(_ values: borrowing RedisValues) {
            let body = self.body
            self.body = nil
            body?(values)
        }
    }

    /// Starts to connect. Until it is connected, reads fail at once.
    public init(_ address: RedisAddress, on loop: EventLoop, limits: Limits = .init()) {
        self.address = address
        self.loop = loop
        self.limits = limits
        reconnect = loop.timer { [unowned self] in connect() }
        deadlines = loop.timer { [unowned self] in giveUpLateReads() }
        connect()
    }

    deinit { close() }

    /// Fails the reads that are out, and connects no more. Safe twice.
    public func close() {
        guard !isClosed else { return }
        isClosed = true
        drop("closed")
        reconnect?.cancel()
        deadlines?.cancel()
    }

    /// Sends one command, which `command` holds alone, and calls back once: with the values, or with a failure, at once or at
    /// the deadline at the latest. The command is emptied and keeps its room.
    ///
    /// An MGET of `keys` keys brings as many values; a command that answers with one value, not an array, is sent with nil.
    /// The deadline counts from `sinceMicros` of the monotonic clock where that is given: earlier than now for the second read
    /// of a request, later for one that nobody waits for.
    public func read(
        _ command: inout RedisPipeline, keys: Int?, sinceMicros: Int64? = nil,
        _ body: @escaping (borrowing RedisValues) -> Void
    ) {
        precondition(command.isComplete && command.count == 1, "one whole command")
        defer { command.removeAll() }
        guard isConnected, let context = unsafe context else { return body(RedisValues(.notConnected)) }
        guard readsOut < limits.readsMax else { return body(RedisValues(.tooManyReads)) }
        let now = EventLoop.monotonicMicros()
        let read = Read(keys: keys, startMicros: sinceMicros ?? now, body: body)
        let held = unsafe Unmanaged.passRetained(read)
        let code = unsafe command.bytes.withUnsafeBytes { bytes in
            unsafe redisAsyncFormattedCommand(
                context,
                { context, reply, read in
                    guard let context = unsafe context, let read = unsafe read else { return }
                    let finished = unsafe Unmanaged<Read>.fromOpaque(read).takeRetainedValue()
                    guard let connection = unsafe AsyncRedisConnection.connection(context) else {
                        return finished.finish(RedisValues(.connectionLost))
                    }
                    unsafe connection.answered(finished, reply?.assumingMemoryBound(to: redisReply.self))
                }, held.toOpaque(), bytes.baseAddress?.assumingMemoryBound(to: CChar.self), bytes.count)
        }
        guard code == REDIS_OK else {
            unsafe held.release()
            return body(RedisValues(.notConnected))
        }
        if readsOut == 0 { silentSinceMicros = now }
        readsOut += 1
        var place = waiting.count
        while place > first, waiting[place - 1].startMicros > read.startMicros { place -= 1 }
        waiting.insert(read, at: place)
        if place == first { setDeadline() }
    }

    // MARK: Answers

    private func answered(_ read: Read, _ reply: UnsafeMutablePointer<redisReply>?) {
        readsOut -= 1
        guard let reply = unsafe reply else { return read.finish(RedisValues(.connectionLost)) }
        silentSinceMicros = EventLoop.monotonicMicros()
        if unsafe reply.pointee.type == REDIS_REPLY_ERROR {
            read.finish(RedisValues(.reply(unsafe AsyncRedisConnection.text(reply))))
        } else if let keys = read.keys {
            if unsafe reply.pointee.type == REDIS_REPLY_ARRAY && reply.pointee.elements == keys {
                read.finish(unsafe RedisValues(reply))
            } else {
                read.finish(RedisValues(.unexpectedReply))
            }
        } else {
            read.finish(unsafe RedisValues(single: reply))
        }
        // Answers come in the order of the reads, so those at the front are done.
        while first < waiting.count, waiting[first].body == nil { first += 1 }
        if first == waiting.count {
            waiting.removeAll(keepingCapacity: true)
            first = 0
        } else if first >= 1_024 {
            waiting.removeFirst(first)
            first = 0
        }
    }

    private func setDeadline() {
        guard first < waiting.count else { return }
        let passed = (EventLoop.monotonicMicros() - waiting[first].startMicros) / 1_000
        deadlines?.schedule(afterMillis: max(1, limits.deadlineMillis - Int(passed)))
    }

    private func giveUpLateReads() {
        // On a busy machine the answer may lie in the socket while its deadline passes: it counts.
        var before = 0
        while before != readsOut, readsOut > 0, let context = unsafe context {
            before = readsOut
            unsafe redisAsyncHandleRead(context)
        }
        let now = EventLoop.monotonicMicros()
        let late = now - Int64(limits.deadlineMillis) * 1_000
        while first < waiting.count, waiting[first].body == nil || waiting[first].startMicros <= late {
            let read = waiting[first]
            first += 1
            read.finish(RedisValues(.deadline))
        }
        if first == waiting.count {
            waiting.removeAll(keepingCapacity: true)
            first = 0
        }
        if readsOut > 0, isConnected, now - silentSinceMicros > Int64(limits.silenceMillis) * 1_000 {
            return fail("no answer for \(limits.silenceMillis) ms")
        }
        if first < waiting.count {
            setDeadline()
        } else if readsOut > 0 {
            deadlines?.schedule(afterMillis: 100)  // Watch for silence.
        }
    }

    // MARK: Connecting

    private func connect() {
        if HostResolver.isNumeric(address.host) { return connect(to: address.host) }
        resolver.resolve(address.host, on: loop) { [weak self] numeric in
            guard let self, !isClosed else { return }
            if let numeric { connect(to: numeric) } else { fail("the host \(address.host) is not known") }
        }
    }

    private func connect(to host: String) {
        guard !isClosed, unsafe context == nil else { return }
        guard let context = unsafe redisAsyncConnect(host, Int32(address.port)) else {
            return fail("out of memory")
        }
        guard unsafe context.pointee.err == 0 else {
            let reason = unsafe String(cString: context.pointee.errstr)
            unsafe redisAsyncFree(context)  // hiredis returns a context even when it could not connect.
            return fail(reason)
        }
        unsafe self.context = context
        unsafe context.pointee.data = Unmanaged.passUnretained(self).toOpaque()
        unsafe redisAsyncSetConnectCallback(context) { context, status in
            guard let context = unsafe context, let connection = unsafe AsyncRedisConnection.connection(context) else {
                return
            }
            if status == REDIS_OK {
                connection.greet()
            } else {
                let reason = unsafe context.pointee.errstr.map { unsafe String(cString: $0) } ?? "refused"
                unsafe connection.context = nil  // hiredis frees it after this call.
                connection.fail(reason)
            }
        }
        unsafe redisAsyncSetDisconnectCallback(context) { context, _ in
            guard let context = unsafe context, let connection = unsafe AsyncRedisConnection.connection(context),
                unsafe connection.context == UnsafeMutablePointer(mutating: context)
            else { return }
            let reason = unsafe context.pointee.errstr.map { unsafe String(cString: $0) } ?? ""
            unsafe connection.context = nil
            connection.fail(reason.isEmpty ? "the server closed the connection" : reason)
        }
        guard unsafe needletail_redis_attach(context, UnsafeMutableRawPointer(loop.base)) == REDIS_OK else {
            return fail("out of memory")
        }
        // A server that accepts and then says nothing, or packets that vanish.
        reconnect?.cancel()
        reconnect = loop.schedule(afterMillis: limits.silenceMillis) { [unowned self] in
            if !isConnected { fail("no answer while connecting") }
        }
    }

    /// Password, database, then a PING whose answer makes the connection ready.
    private func greet() {
        guard let context = unsafe context else { return }
        var hello = RedisPipeline()
        if let password = address.password {
            if let user = address.user {
                hello.command("AUTH", user, password)
            } else {
                hello.command("AUTH", password)
            }
            unsafe send(hello, context)
        }
        if address.database != 0 {
            hello.removeAll()
            hello.command("SELECT", String(address.database))
            unsafe send(hello, context)
        }
        hello.removeAll()
        hello.command("PING")
        unsafe send(hello, context)
    }

    private func send(_ command: RedisPipeline, _ context: UnsafeMutablePointer<redisAsyncContext>) {
        _ = unsafe command.bytes.withUnsafeBytes { bytes in
            unsafe redisAsyncFormattedCommand(
                context,
                { context, reply, _ in
                    guard let context = unsafe context,
                        let connection = unsafe AsyncRedisConnection.connection(context),
                        let reply = unsafe reply?.assumingMemoryBound(to: redisReply.self)
                    else { return }
                    if unsafe reply.pointee.type == REDIS_REPLY_ERROR {
                        connection.fail(unsafe AsyncRedisConnection.text(reply))
                    } else if unsafe AsyncRedisConnection.text(reply) == "PONG" {
                        connection.ready()
                    }
                }, nil, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), bytes.count)
        }
    }

    private func ready() {
        isConnected = true
        backoffMillis = 50
        lastReason = nil
        reconnect?.clear()
        onChange?(nil)
    }

    private func fail(_ reason: String) {
        drop(reason)
        guard !isClosed else { return }
        if lastReason != reason {
            lastReason = reason
            onChange?(reason)
        }
        reconnect?.cancel()
        reconnect = loop.schedule(afterMillis: backoffMillis) { [unowned self] in connect() }
        backoffMillis = min(limits.backoffMillisMax, backoffMillis * 2)
    }

    /// Lets go of the context; hiredis calls every read back without an answer.
    private func drop(_ reason: String) {
        isConnected = false
        if let context = unsafe context {
            unsafe self.context = nil
            unsafe redisAsyncFree(context)
        }
    }

    private static func connection(_ context: UnsafePointer<redisAsyncContext>) -> AsyncRedisConnection? {
        guard let data = unsafe context.pointee.data else { return nil }
        return unsafe Unmanaged<AsyncRedisConnection>.fromOpaque(data).takeUnretainedValue()
    }

    private static func text(_ reply: UnsafeMutablePointer<redisReply>) -> String {
        unsafe String(
            decoding: UnsafeRawBufferPointer(start: reply.pointee.str, count: reply.pointee.len), as: UTF8.self)
    }
}
