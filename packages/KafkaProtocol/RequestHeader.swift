/// What precedes every request: which API, which version, and the number its answer must carry.
public struct RequestHeader: Sendable, Equatable {
    /// The API, its version and the client's number for this request.
    public var key: ApiKey, version: Int16 = 0, correlationID: Int32 = 0
    /// What the client calls itself.
    public var clientID: String?

    /// A header to send.
    public init(key: ApiKey, version: Int16, correlationID: Int32, clientID: String?) {
        self.key = key
        self.version = version
        self.correlationID = correlationID
        self.clientID = clientID
    }

    /// Reads a header and leaves `reader` at the body, in the body's encoding. A version that is not served is an error,
    /// except for ApiVersions, which has an answer for it.
    public init(from reader: inout ByteReader) throws(ProtocolError) {
        let rawKey = try reader.read(Int16.self)
        let version = try reader.read(Int16.self)
        guard let key = ApiKey(rawValue: rawKey), key == .apiVersions || key.served.contains(version) else {
            throw .unsupported(key: rawKey, version: version)
        }
        self.key = key
        self.version = version
        correlationID = try reader.read()
        // The client id keeps its 16-bit length in every version; flexible headers only add tags behind it.
        try reader.nullableString(&clientID)
        guard key.served.contains(version), key.isFlexible(version) else { return }
        reader.flexible = true
        try reader.tags()
    }

    /// Writes the header and leaves `writer` in the body's encoding.
    public func encode(to writer: inout ByteWriter) throws(ProtocolError) {
        writer.write(key.rawValue)
        writer.write(version)
        writer.write(correlationID)
        var text = clientID
        writer.flexible = false
        try writer.nullableString(&text)
        writer.flexible = key.isFlexible(version)
        try writer.tags()
    }

    /// Begins the answer: its number, and tags in flexible versions except ApiVersions, whose reader may not know them.
    public func beginResponse(_ writer: inout ByteWriter) throws(ProtocolError) {
        writer.write(correlationID)
        writer.flexible = key.isFlexible(version)
        if key != .apiVersions { try writer.tags() }
    }
}
