internal import JSON

/// A whole answer.
public struct Response: Equatable, Sendable {
    /// The HTTP status.
    public var status: Int
    /// The body's type.
    public var contentType: String
    /// Headers beside Content-Type, Content-Length and Date, which the server writes.
    public var headers: [Header] = []
    /// The body.
    public var body: [UInt8]

    /// One header line.
    public struct Header: Equatable, Sendable {
        /// The header's name.
        public let name: String
        /// Its value, without line breaks.
        public let value: String

        /// Names a header and its value.
        public init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    /// An answer of bytes.
    public init(status: Int = 200, contentType: String = "application/json", body: [UInt8]) {
        self.status = status
        self.contentType = contentType
        self.body = body
    }

    /// A JSON answer whose text is already written.
    public static func json(_ text: String, status: Int = 200) -> Response {
        Response(status: status, body: Array(text.utf8))
    }

    /// A JSON error: `{"detail": "…"}`.
    public static func error(_ status: Int, _ detail: String) -> Response {
        var body: [UInt8] = Array("{\"detail\":".utf8)
        JSONWriter.append(string: detail, to: &body)
        body.append(UInt8(ascii: "}"))
        return Response(status: status, body: body)
    }

    /// A plain text answer.
    public static func text(_ text: String, status: Int = 200) -> Response {
        Response(status: status, contentType: "text/plain; charset=utf-8", body: Array(text.utf8))
    }
}
