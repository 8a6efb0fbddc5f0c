/// DeleteGroups 0–1: empty groups and their positions go.
public struct DeleteGroupsRequest: KafkaMessage {
    /// The groups.
    public var groups: [String] = []

    public init() {}
    public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
        try coder.strings(&groups)
        try coder.tags()
    }
}

/// Which groups went.
public struct DeleteGroupsResponse: KafkaMessage {
    /// Answers in the order of the request.
    public var results: [NamedError] = []
    var throttleMillis: Int32 = 0

    public init() {}
    public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
        try coder.integer(&throttleMillis)
        try coder.array(&results, version: version)
        try coder.tags()
    }
}

/// A group or topic with an error or none.
public struct NamedError: KafkaMessage {
    /// The group or topic.
    public var name = ""
    /// What went wrong, if anything did.
    public var error = ErrorCode.none

    /// No name, no error.
    public init() {}
    public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
        try coder.string(&name)
        try coder.error(&error)
        try coder.tags()
    }
}
