internal import CMicroHTTPD
internal import Glibc

/// One request, from its headers to its answer. A handler answers it by `reply`, at once or later on the same loop; until
/// then the connection rests. Belongs to the loop's thread.
///
/// The object lives until both the connection and whoever holds it to reply are done with it, so a client that goes away
/// early leaves nothing dangling.
@safe public final class Request {
    /// The method.
    public private(set) var method: Method
    /// The path, percent-decoded, without the query.
    public private(set) var path: String
    /// The body; whole when the handler is called.
    public internal(set) var body: [UInt8]
    /// The answer, once there is one.
    public private(set) var response: Response?
    /// Headers that its answer has beside the answer's own.
    public var answerHeaders: [Response.Header] = []
    /// When its handler took it up, in its handler's own µs; 0 for one that no handler saw.
    public var startMicros: Int64 = 0

    enum Phase { case target, reading, handled, suspended, answered }
    var phase = Phase.reading
    /// Where the target lay before it was decoded, how long it was, and what was wrong with it. Until the head is whole.
    private(set) var target: RequestHead.Target
    /// Whether the connection ends with the answer.
    var closes = false
    var route: Router.Match = .notFound
    var bodyLimit = 0
    /// Bytes of the body that were read and not kept, and whether that was for its length.
    var discarded = 0
    var isTooLong = false
    /// What its answer is read from, where that comes in pieces.
    private(set) var stream: AnswerStream?
    /// Whether its answer is being sent.
    var hasBegun = false
    /// Where the server keeps it while it is suspended.
    var pendingIndex = -1

    private var connection: OpaquePointer?
    private var server: HTTPServer?
    private let values: [String: String]
    private let arguments: [String: String]

    /// A request without a connection, for tests of handlers. Header names are lower case.
    public init(
        _ method: Method, _ path: String, query: [String: String] = [:], headers: [String: String] = [:],
        body: [UInt8] = []
    ) {
        self.method = method
        self.path = path
        self.body = body
        values = headers
        arguments = query
        target = RequestHead.Target()
    }

    /// A request of which only the target is known.
    init(target: UnsafePointer<CChar>, server: HTTPServer) {
        method = .other
        path = ""
        body = []
        values = [:]
        arguments = [:]
        unsafe self.target = RequestHead.Target(target)
        phase = .target
        self.server = server
    }

    /// The head is whole.
    func begin(_ connection: OpaquePointer, method: UnsafePointer<CChar>, path: UnsafePointer<CChar>) {
        self.method = unsafe Method(rawValue: String(cString: method)) ?? .other
        let path = unsafe String(cString: path + target.checked.prefixCount)
        self.path = path.isEmpty ? "/" : path
        unsafe self.connection = connection
        phase = .reading
    }

    /// A header by its lower-case name. Nil when it is absent, or when the client is already gone.
    public func header(_ name: StaticString) -> String? { value(.HEADER_KIND, name, values) }

    /// Whether a header is exactly this, looked at where it lies; nil when it is absent.
    public func header(_ name: StaticString, is expected: StaticString) -> Bool? {
        guard let connection = unsafe connection else { return values["\(name)"].map { $0 == "\(expected)" } }
        guard let (start, count) = unsafe Self.value(connection, .HEADER_KIND, name) else { return nil }
        return unsafe count == expected.utf8CodeUnitCount && memcmp(start, expected.utf8Start, count) == 0
    }

    /// A query argument, percent-decoded: `false` of `?explain=false`.
    public func query(_ name: StaticString) -> String? { value(.GET_ARGUMENT_KIND, name, arguments) }

    private func value(_ kind: MHD_ValueKind, _ name: StaticString, _ given: [String: String]) -> String? {
        guard let connection = unsafe connection else { return given["\(name)"] }
        guard let (start, count) = unsafe Self.value(connection, kind, name) else { return nil }
        return unsafe String(decoding: UnsafeRawBufferPointer(start: start, count: count), as: UTF8.self)
    }

    private static func value(
        _ connection: OpaquePointer, _ kind: MHD_ValueKind, _ name: StaticString
    ) -> (start: UnsafePointer<CChar>, count: Int)? {
        var start: UnsafePointer<CChar>?
        var count = 0
        let isThere = unsafe name.utf8Start.withMemoryRebound(to: CChar.self, capacity: name.utf8CodeUnitCount) {
            unsafe MHD_lookup_connection_value_n(connection, kind, $0, name.utf8CodeUnitCount, &start, &count)
        }
        guard isThere == .YES, let start = unsafe start else { return nil }
        return unsafe (start, count)
    }

    /// Answers. The first answer counts; later ones are ignored.
    public func reply(_ response: Response) {
        guard self.response == nil else { return }
        self.response = response
        server?.replied(self)
    }

    /// Answers in pieces: with this status, type and headers, and with what is then written. Nil when it was answered before.
    public func replyStreaming(_ head: Response) -> AnswerStream? {
        guard response == nil else { return nil }
        let stream = AnswerStream(self)
        self.stream = stream
        reply(head)
        return stream
    }

    /// There is more of a streamed answer, or its end.
    func streamHasMore() { server?.replied(self) }

    /// Gives the server the next bytes of a streamed answer: their count, 0 to rest until there are more, -1 at the end, -2 to cut
    /// the connection. Called by libmicrohttpd.
    func readStream(_ target: UnsafeMutablePointer<CChar>, _ room: Int) -> Int {
        guard let stream, let server, let connection = unsafe connection else { return -2 }
        let before = stream.sent >> 20
        switch unsafe stream.read(into: target, room: room) {
        case .bytes(let count):
            if stream.sent >> 20 > before { unsafe server.streamGoesOn(connection) }
            return count
        case .wait:
            unsafe server.streamRests(self, connection)
            return 0
        case .end: return -1
        case .broken: return -2
        }
    }

    /// Whether somebody waits for the answer.
    var hasConnection: Bool { unsafe connection != nil }

    /// Takes a streamed answer as a whole one.
    func complete(with body: [UInt8]) { response?.body = body }

    /// The connection has ended: nothing of it may be touched any more.
    func detach() {
        unsafe connection = nil
        server = nil
        stream?.leave()
    }

    /// Lets the connection rest until `resume`.
    func suspend() {
        guard let connection = unsafe connection else { return }
        phase = .suspended
        unsafe MHD_suspend_connection(connection)
    }

    func resume() {
        guard phase == .suspended, let connection = unsafe connection else { return }
        phase = hasBegun ? .answered : .handled
        if hasBegun { unsafe server?.streamWakes(connection) }
        unsafe MHD_resume_connection(connection)
    }
}
