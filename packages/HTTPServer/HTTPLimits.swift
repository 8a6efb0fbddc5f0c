/// What a server allows its clients.
public struct HTTPLimits: Sendable {
    /// Open connections of one server; more wait in the listen backlog.
    public var connections = 4_096
    /// Seconds from connecting, or from the answer before, until the headers are complete.
    public var headerSeconds = 10
    /// Seconds for the body.
    public var bodySeconds = 30
    /// Seconds a connection may rest between requests; the next request's headers must be complete by then.
    public var idleSeconds = 60
    /// Seconds a client may take to read an answer; what it waits for the answer's writer does not count.
    public var answerSeconds = 60
    /// Bytes of memory for a connection's headers and buffers; longer headers are answered 431.
    public var connectionMemory = 16_384
    /// A body longer than its route's limit is read to its end, so that the client sees the 413, but not beyond this.
    public var discardedBytes = 64 << 20

    /// Bytes of all bodies that are held at once; a request beyond is answered 503, so that no number of clients fills memory.
    public var heldBytes = 256 << 20

    /// The limits above.
    public init() {}
}

/// Why a server could not start.
public enum HTTPServerError: Error, Equatable, Sendable {
    /// libmicrohttpd refused: out of memory or of descriptors.
    case cannotStart
}
