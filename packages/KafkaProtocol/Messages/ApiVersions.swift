/// ApiVersions 0–4: what is served. Left out: features. An unknown version is answered in version 0's encoding.
public struct ApiVersionsRequest: KafkaMessage {
    /// The client's software, from version 3.
    public var softwareName = "", softwareVersion = ""

    /// A request of an old client.
    public init() {}
    public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
        guard version >= 3 else { return }
        try coder.string(&softwareName)
        try coder.string(&softwareVersion)
        try coder.tags()
    }

    /// Whether both texts are what Kafka accepts: letters and digits, with dots and dashes inside.
    public var isWellFormed: Bool {
        func accepts(_ text: String) -> Bool {
            func isAlphanumeric(_ byte: UInt8) -> Bool {
                (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
            }
            guard let first = text.utf8.first, let last = text.utf8.last else { return false }
            return isAlphanumeric(first) && isAlphanumeric(last)
                && text.utf8.allSatisfy { isAlphanumeric($0) || $0 == 0x2E || $0 == 0x2D }
        }
        return accepts(softwareName) && accepts(softwareVersion)
    }
}

/// Keys and versions.
public struct ApiVersionsResponse: KafkaMessage {
    /// `unsupportedVersion` asks the client to try an older version.
    public var error = ErrorCode.none
    /// What is served.
    public var keys: [Key] = []
    /// Always zero.
    var throttleMillis: Int32 = 0

    /// One API.
    public struct Key: KafkaMessage {
        /// The API and its versions.
        public var key: Int16 = 0, minVersion: Int16 = 0, maxVersion: Int16 = 0

        /// Key 0, version 0.
        public init() {}
        public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
            try coder.integer(&key)
            try coder.integer(&minVersion)
            try coder.integer(&maxVersion)
            try coder.tags()
        }
    }

    /// An empty list.
    public init() {}

    /// Everything in `ApiKey`.
    public static func everything() -> ApiVersionsResponse {
        var response = ApiVersionsResponse()
        response.keys = ApiKey.allCases.map(Self.entry)
        return response
    }

    /// The answer to a version that is not known; the caller encodes it as version 0.
    public static func fallback() -> ApiVersionsResponse {
        var response = ApiVersionsResponse()
        response.error = .unsupportedVersion
        response.keys = [entry(.apiVersions)]
        return response
    }

    private static func entry(_ api: ApiKey) -> Key {
        var key = Key()
        key.key = api.rawValue
        key.minVersion = api.advertised.lowerBound
        key.maxVersion = api.advertised.upperBound
        return key
    }

    public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
        try coder.error(&error)
        try coder.array(&keys, version: version)
        if version >= 1 { try coder.integer(&throttleMillis) }
        try coder.tags()
    }
}
