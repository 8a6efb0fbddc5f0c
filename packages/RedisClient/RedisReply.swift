internal import CHiredis

/// One answer of the server, copied out of hiredis.
public enum RedisReply: Hashable, Sendable {
    /// No such key or element.
    case null
    /// A number.
    case integer(Int64)
    /// A value: any bytes.
    case bytes([UInt8])
    /// A short status, as `OK`.
    case status(String)
    /// An error instead of an answer; never to be taken for a missing value.
    case error(String)
    /// Several answers.
    case array([RedisReply])

    /// Passes everything on but an error, which is thrown.
    public func checked() throws(RedisError) -> RedisReply {
        if case .error(let text) = self { throw .reply(text) }
        return self
    }

    /// Whether this is an error that starts with the given code (`NOSCRIPT`).
    public func isError(_ code: String) -> Bool {
        if case .error(let text) = self { text.hasPrefix(code) } else { false }
    }
}

extension RedisReply {
    /// The answers in bytes of the protocol, up to the first that is not whole or not sound: what a connection makes of them.
    /// For fuzzers and tests.
    package static func decode(_ bytes: [UInt8]) -> [RedisReply] {
        guard let reader = unsafe redisReaderCreate() else { return [] }
        defer { unsafe redisReaderFree(reader) }
        unsafe needletail_redis_bound(reader)
        let isFed = unsafe bytes.withUnsafeBytes { buffer in
            unsafe redisReaderFeed(reader, buffer.baseAddress?.assumingMemoryBound(to: CChar.self), buffer.count)
        }
        guard isFed == REDIS_OK else { return [] }
        var replies: [RedisReply] = []
        while true {
            var raw: UnsafeMutableRawPointer?
            guard unsafe redisReaderGetReply(reader, &raw) == REDIS_OK, let raw = unsafe raw else { return replies }
            unsafe replies.append(RedisConnection.copy(raw.assumingMemoryBound(to: redisReply.self)))
            unsafe freeReplyObject(raw)
        }
    }
}
