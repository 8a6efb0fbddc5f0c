internal import CHiredis

/// Why a read brought no values.
public enum RedisReadFailure: Error, Hashable, Sendable {
    /// There is no connection now; another attempt is made in the background.
    case notConnected
    /// As many reads are out as are allowed.
    case tooManyReads
    /// No answer within the deadline.
    case deadline
    /// The connection broke before the answer came.
    case connectionLost
    /// The server answered with an error (`LOADING …`), which is never the same as a missing key.
    case reply(String)
    /// The answer is not an array of as many values as keys were asked for.
    case unexpectedReply
}

/// The values of one MGET, lent to the callback: it cannot be kept.
@safe public struct RedisValues: ~Copyable {
    /// Why there are none; nil when there are.
    public let failure: RedisReadFailure?
    /// How many there are: as many as keys were asked for, or 0 after a failure.
    public let count: Int
    private let reply: UnsafeMutablePointer<redisReply>?
    private let copies: [[UInt8]?]

    init(_ reply: UnsafeMutablePointer<redisReply>) {
        failure = nil
        count = unsafe reply.pointee.elements
        unsafe self.reply = reply
        copies = []
    }

    /// The value of a reply that is no array.
    init(single reply: UnsafeMutablePointer<redisReply>) {
        let isText = unsafe reply.pointee.type == REDIS_REPLY_STRING
        let bytes = unsafe UnsafeRawBufferPointer(start: reply.pointee.str, count: isText ? reply.pointee.len : 0)
        self.init([isText ? unsafe Array(bytes) : nil])
    }

    /// A failure.
    public init(_ failure: RedisReadFailure) {
        self.failure = failure
        count = 0
        unsafe reply = nil
        copies = []
    }

    /// Values that no server sent, for stores in memory.
    public init(_ values: [[UInt8]?]) {
        failure = nil
        count = values.count
        unsafe reply = nil
        copies = values
    }

    /// Lends one value's bytes; nil is a key that does not exist.
    public func withValue<Result, Failure: Error>(
        _ index: Int, _ body: (Span<UInt8>?) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        precondition(index >= 0 && index < count)
        guard let reply = unsafe reply else {
            guard let copy = copies[index] else { return try body(nil) }
            return try body(copy.span)
        }
        guard let element = unsafe reply.pointee.element[index], unsafe element.pointee.type == REDIS_REPLY_STRING,
            let start = unsafe element.pointee.str
        else { return try body(nil) }
        // The reply lives until the callback returns, and this value cannot be kept beyond it.
        let bytes = unsafe UnsafeRawBufferPointer(start: start, count: element.pointee.len)
        return try body(unsafe Span(_unsafeElements: bytes.assumingMemoryBound(to: UInt8.self)))
    }
}
