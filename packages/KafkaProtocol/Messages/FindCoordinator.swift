/// FindCoordinator 0–2: which broker keeps a group; always this one. Left out: several keys at once, transactions.
public struct FindCoordinatorRequest: KafkaMessage {
    /// A group id (type 0) or a transactional id (type 1).
    public var key = "", keyType: Int8 = 0

    /// A request about the empty group.
    public init() {}
    public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
        try coder.string(&key)
        if version >= 1 { try coder.integer(&keyType) }
        try coder.tags()
    }
}

/// The broker's address.
public struct FindCoordinatorResponse: KafkaMessage {
    /// The broker's id and port.
    public var nodeID: Int32 = -1, port: Int32 = -1
    /// Always zero.
    var throttleMillis: Int32 = 0
    /// What went wrong, if anything did.
    public var error = ErrorCode.none, errorMessage: String?
    /// The broker's host.
    public var host = ""

    /// No broker.
    public init() {}
    public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
        if version >= 1 { try coder.integer(&throttleMillis) }
        try coder.error(&error)
        if version >= 1 { try coder.nullableString(&errorMessage) }
        try coder.integer(&nodeID)
        try coder.string(&host)
        try coder.integer(&port)
        try coder.tags()
    }
}
