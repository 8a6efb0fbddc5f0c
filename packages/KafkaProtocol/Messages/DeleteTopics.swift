/// DeleteTopics 0–3: topics and their records go.
public struct DeleteTopicsRequest: KafkaMessage {
    /// The topics, and how long the client waits.
    public var names: [String] = [], timeoutMillis: Int32 = 0

    public init() {}
    public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
        try coder.strings(&names)
        try coder.integer(&timeoutMillis)
        try coder.tags()
    }
}

/// Which topics went.
public struct DeleteTopicsResponse: KafkaMessage {
    /// Answers in the order of the request.
    public var topics: [NamedError] = []
    var throttleMillis: Int32 = 0

    public init() {}
    public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
        if version >= 1 { try coder.integer(&throttleMillis) }
        try coder.array(&topics, version: version)
        try coder.tags()
    }
}
