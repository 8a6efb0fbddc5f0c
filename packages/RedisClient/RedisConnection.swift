import CHiredis
import Glibc

/// One blocking connection to Redis: a pipeline goes out, its answers come back. Not `Sendable`: hiredis allows one thread at
/// a time. After `connect` or `connectionLost` it is finished; its owner makes another.
@safe public final class RedisConnection {
    /// Where it is connected to.
    public let address: RedisAddress
    private var context: UnsafeMutablePointer<redisContext>?

    /// Connects, gives the password and selects the database.
    public init(
        _ address: RedisAddress, connectTimeoutMillis: Int = 2_000, commandTimeoutMillis: Int = 5_000
    ) throws(RedisError) {
        self.address = address
        let timeout = Self.timeval(connectTimeoutMillis)
        let context =
            if let path = address.socketPath {
                unsafe redisConnectUnixWithTimeout(path, timeout)
            } else {
                unsafe redisConnectWithTimeout(address.host, Int32(address.port), timeout)
            }
        guard let context = unsafe context else { throw .connect(address: address.name, reason: "out of memory") }
        guard unsafe context.pointee.err == 0 else {
            let reason = unsafe Self.reason(context)
            unsafe redisFree(context)  // hiredis returns a context even when it could not connect.
            throw .connect(address: address.name, reason: reason)
        }
        unsafe self.context = context
        guard unsafe redisSetTimeout(context, Self.timeval(commandTimeoutMillis)) == REDIS_OK else {
            throw .connect(address: address.name, reason: unsafe Self.reason(context))
        }
        if address.socketPath == nil { unsafe redisEnableKeepAlive(context) }
        if let password = address.password {
            if let user = address.user { try command("AUTH", user, password) } else { try command("AUTH", password) }
        }
        if address.database != 0 { try command("SELECT", String(address.database)) }
    }

    deinit { close() }

    /// Whether commands can still be sent.
    public var isOpen: Bool { unsafe context != nil }

    /// Ends the connection. Safe twice.
    public func close() {
        if let context = unsafe context { unsafe redisFree(context) }
        unsafe context = nil
    }

    /// Sends the pipeline in one go and reads its answers in order; the pipeline is emptied. Error replies are returned, not
    /// thrown: the other commands were carried out.
    public func run(_ pipeline: inout RedisPipeline) throws(RedisError) -> [RedisReply] {
        precondition(pipeline.isComplete, "every command has all its parts")
        defer { pipeline.removeAll() }
        guard let context = unsafe context else { throw .connectionLost(reason: "it was closed") }
        let status = unsafe pipeline.bytes.withUnsafeBytes { buffer in
            unsafe redisAppendFormattedCommand(
                context, buffer.baseAddress?.assumingMemoryBound(to: CChar.self), buffer.count)
        }
        guard status == REDIS_OK else { throw lost() }
        var replies: [RedisReply] = []
        replies.reserveCapacity(pipeline.count)
        for _ in 0..<pipeline.count {
            var raw: UnsafeMutableRawPointer?
            guard unsafe redisGetReply(context, &raw) == REDIS_OK, let raw = unsafe raw else { throw lost() }
            unsafe replies.append(Self.copy(raw.assumingMemoryBound(to: redisReply.self)))
            unsafe freeReplyObject(raw)
        }
        return replies
    }

    /// Sends one command of text parts and waits for its answer. An error reply is thrown.
    @discardableResult public func command(_ arguments: String...) throws(RedisError) -> RedisReply {
        var pipeline = RedisPipeline()
        pipeline.begin(arguments: arguments.count)
        for argument in arguments { pipeline.add(argument) }
        let replies = try run(&pipeline)
        return try replies[0].checked()
    }

    private func lost() -> RedisError {
        guard let context = unsafe context else { return .connectionLost(reason: "it was closed") }
        let reason = unsafe Self.reason(context)
        close()
        return .connectionLost(reason: reason)
    }

    private static func reason(_ context: UnsafeMutablePointer<redisContext>) -> String {
        if unsafe context.pointee.err == REDIS_ERR_IO, errno == EAGAIN { return "no answer in time" }
        return unsafe withUnsafeBytes(of: context.pointee.errstr) { bytes in
            unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
    }

    private static func timeval(_ millis: Int) -> Glibc.timeval {
        Glibc.timeval(tv_sec: millis / 1_000, tv_usec: millis % 1_000 * 1_000)
    }

    static func copy(_ reply: UnsafeMutablePointer<redisReply>) -> RedisReply {
        let text: () -> String = {
            unsafe String(
                decoding: UnsafeRawBufferPointer(start: reply.pointee.str, count: reply.pointee.len), as: UTF8.self)
        }
        switch unsafe reply.pointee.type {
        case REDIS_REPLY_INTEGER: return unsafe .integer(reply.pointee.integer)
        case REDIS_REPLY_STRING:
            return unsafe .bytes([UInt8](UnsafeRawBufferPointer(start: reply.pointee.str, count: reply.pointee.len)))
        case REDIS_REPLY_STATUS: return .status(text())
        case REDIS_REPLY_ERROR: return .error(text())
        case REDIS_REPLY_ARRAY:
            var elements: [RedisReply] = []
            unsafe elements.reserveCapacity(reply.pointee.elements)
            for index in 0..<(unsafe reply.pointee.elements) {
                if let element = unsafe reply.pointee.element[index] { unsafe elements.append(copy(element)) }
            }
            return .array(elements)
        default: return .null
        }
    }
}
