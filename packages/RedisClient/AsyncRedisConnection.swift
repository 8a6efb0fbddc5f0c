public import EventLoop
internal import Glibc

/// One asynchronous connection to Redis on an event loop, for reads that must answer within a deadline. Belongs to the loop's
/// thread; `close` it there before it is released.
///
/// A server that hangs must neither keep a caller waiting nor fill memory, so both limits are kept here. All reads of one turn
/// of the loop go out in one write, and no read has memory of its own.
///
///     read ──▶ sent ──▶ answered in time ──▶ values
///                └────▶ deadline: the caller gets a failure now; the answer that comes later is dropped
///     no answer at all for `silenceMillis`: the connection is dead; all that wait fail, and it is made anew
///
/// A read that was given up still counts against `readsMax` until its answer or the end of the connection: Redis works on it, and
/// so does memory. Beyond the limit a read fails at once, which is the right answer to an overloaded store. One timer is set for
/// the earliest deadline; it may find that deadline answered, and is then set for the next.
public final class AsyncRedisConnection {
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
    public var readsOut: Int { reads.count - first }

    private let address: RedisAddress
    private let loop: EventLoop
    private let limits: Limits
    private let resolver = HostResolver()
    private var socket: RedisSocket?
    private var reader = RedisReplyReader()
    private var isClosed = false
    private var greetings = 0  // answers to come before the connection is ready
    private var backoffMillis = 50
    private var reconnect: LoopTimer?
    private var deadlines: LoopTimer?
    private var timerMicros = Int64.max  // when the timer fires
    private var reads: [Read] = []  // in the order sent, from `first`
    private var first = 0
    /// When the last answer came, or when the first of the reads that are out went out.
    private var silentSinceMicros: Int64 = 0
    private var lastReason: String?

    private struct Read {
        let keys: Int?
        let deadlineMicros: Int64
        /// Nil once it was called.
        var body: ((borrowing RedisValues) -> Void)?
    }

    /// Starts to connect. Until it is connected, reads fail at once.
    public init(_ address: RedisAddress, on loop: EventLoop, limits: Limits = .init()) {
        self.address = address
        self.loop = loop
        self.limits = limits
        reconnect = loop.timer { [unowned self] in connect() }
        deadlines = loop.timer { [unowned self] in giveUpLateReads() }
        // In the loop's first turn, so that also what fails at once is told to whoever sets `onChange` meanwhile.
        reconnect?.schedule(afterMillis: 0)
    }

    deinit { close() }

    /// Fails the reads that are out, and connects no more. Safe twice.
    public func close() {
        guard !isClosed else { return }
        isClosed = true
        drop()
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
        guard isConnected, let socket else { return body(RedisValues(.notConnected)) }
        guard readsOut < limits.readsMax else { return body(RedisValues(.tooManyReads)) }
        let now = EventLoop.monotonicMicros()
        let deadline = (sinceMicros ?? now) + Int64(limits.deadlineMillis) * 1_000
        if readsOut == 0 { silentSinceMicros = now }
        reads.append(Read(keys: keys, deadlineMicros: deadline, body: body))
        socket.write(command.bytes)
        if deadline < timerMicros { setTimer(deadline, nowMicros: now) }
    }

    // MARK: Answers

    /// Takes the answers that the socket has; nothing is touched any more once one of them ended the connection.
    private func receive() {
        guard let socket else { return }
        let count = reader.receive(from: socket.descriptor)
        if count <= 0 {
            if count < 0, errno == EAGAIN || errno == EINTR { return }
            return fail(count == 0 ? "the server closed the connection" : unsafe String(cString: strerror(errno)))
        }
        while self.socket === socket {
            switch reader.next() {
            case .incomplete: return
            case .malformed: return fail("its answer is not Redis's protocol")
            case .reply(let kind):
                if greetings > 0 { greeted(kind) } else { answered(kind) }
                // A callback may have ended the connection, and the reader with it.
                if self.socket === socket { reader.drop() }
            }
        }
    }

    private func answered(_ kind: RedisReplyReader.Kind) {
        guard first < reads.count else { return fail("it answers what was not asked") }
        silentSinceMicros = EventLoop.monotonicMicros()
        let (keys, body) = (reads[first].keys, reads[first].body)
        reads[first].body = nil
        first += 1
        tidy()
        let values = reader.values
        if kind == .error {
            body?(RedisValues(.reply(values.text(0))))
        } else if keys == nil ? kind != .array : kind == .array && values.count == keys {
            body?(values)
        } else {
            body?(RedisValues(.unexpectedReply))
        }
    }

    private func tidy() {
        if first == reads.count {
            reads.removeAll(keepingCapacity: true)
            first = 0
        } else if first >= 1_024 {
            reads.removeFirst(first)
            first = 0
        }
    }

    private func setTimer(_ micros: Int64, nowMicros: Int64) {
        timerMicros = micros
        deadlines?.schedule(afterMillis: max(1, Int(clamping: (micros - nowMicros + 999) / 1_000)))
    }

    private func giveUpLateReads() {
        timerMicros = .max
        // On a busy machine the answer may lie in the socket while its deadline passes: it counts.
        var before = -1
        while before != readsOut, readsOut > 0, isConnected {
            before = readsOut
            receive()
        }
        let now = EventLoop.monotonicMicros()
        // Callbacks may send more, whose turn it is not, or end the connection.
        let late = reads.indices.filter { $0 >= first && reads[$0].body != nil && reads[$0].deadlineMicros <= now }
        let bodies = late.map { index in
            defer { reads[index].body = nil }
            return reads[index].body
        }
        for body in bodies { body?(RedisValues(.deadline)) }
        if readsOut > 0, isConnected, now - silentSinceMicros > Int64(limits.silenceMillis) * 1_000 {
            return fail("no answer for \(limits.silenceMillis) ms")
        }
        guard readsOut > 0 else { return }
        let waiting = reads[first...].lazy.filter { $0.body != nil }.map(\.deadlineMicros).min()
        let next = min(waiting ?? .max, now + 100_000)  // Watch for silence.
        if next < timerMicros { setTimer(next, nowMicros: now) }
    }

    // MARK: Connecting

    private func connect() {
        if let path = address.socketPath { return connect(to: path) }
        if HostResolver.isNumeric(address.host) { return connect(to: address.host) }
        resolver.resolve(address.host, on: loop) { [weak self] numeric in
            guard let self, !isClosed else { return }
            if let numeric { connect(to: numeric) } else { fail("the host \(address.host) is not known") }
        }
    }

    private func connect(to host: String) {
        guard !isClosed, socket == nil else { return }
        let isPath = address.socketPath != nil
        socket = RedisSocket(host: host, port: address.port, isPath: isPath, on: loop) { [unowned self] event in
            switch event {
            case .connected: greet()
            case .readable: receive()
            case .lost(let reason): fail(reason)
            }
        }
        guard socket != nil else { return fail(unsafe String(cString: strerror(errno))) }
        // A server that accepts and then says nothing, or packets that vanish.
        reconnect?.cancel()
        reconnect = loop.schedule(afterMillis: limits.silenceMillis) { [unowned self] in
            if !isConnected { fail("no answer while connecting") }
        }
    }

    /// Password, database, then a PING whose answer makes the connection ready.
    private func greet() {
        var hello = RedisPipeline()
        if let password = address.password {
            if let user = address.user {
                hello.command("AUTH", user, password)
            } else {
                hello.command("AUTH", password)
            }
        }
        if address.database != 0 { hello.command("SELECT", String(address.database)) }
        hello.command("PING")
        greetings = hello.count
        socket?.write(hello.bytes)
    }

    private func greeted(_ kind: RedisReplyReader.Kind) {
        guard kind == .status else { return fail(kind == .error ? reader.values.text(0) : "it is no Redis") }
        greetings -= 1
        guard greetings == 0 else { return }
        isConnected = true
        backoffMillis = 50
        lastReason = nil
        reconnect?.clear()
        onChange?(nil)
    }

    private func fail(_ reason: String) {
        drop()
        guard !isClosed else { return }
        if lastReason != reason {
            lastReason = reason
            onChange?(reason)
        }
        reconnect?.cancel()
        reconnect = loop.schedule(afterMillis: backoffMillis) { [unowned self] in connect() }
        backoffMillis = min(limits.backoffMillisMax, backoffMillis * 2)
    }

    /// Lets go of the socket and fails what waits for it.
    private func drop() {
        isConnected = false
        greetings = 0
        socket?.close()
        socket = nil
        reader = RedisReplyReader()
        let lost = reads[first...]
        reads = []
        first = 0
        for read in lost { read.body?(RedisValues(.connectionLost)) }
    }
}
