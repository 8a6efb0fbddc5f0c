/// Heartbeat 0–3: a member lives.
public struct HeartbeatRequest: KafkaMessage {
    /// The group, its generation, the member.
    public var groupID = "", generation: Int32 = -1, memberID = ""
    /// A static member's name.
    public var groupInstanceID: String?

    public init() {}
    public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
        try coder.string(&groupID)
        try coder.integer(&generation)
        try coder.string(&memberID)
        if version >= 3 { try coder.nullableString(&groupInstanceID) }
        try coder.tags()
    }
}

/// Whether the member is still in, and whether to join again.
public struct HeartbeatResponse: KafkaMessage {
    /// Always zero.
    var throttleMillis: Int32 = 0
    /// What went wrong, if anything did.
    public var error = ErrorCode.none

    /// An answer without an error.
    public init() {}
    public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
        if version >= 1 { try coder.integer(&throttleMillis) }
        try coder.error(&error)
        try coder.tags()
    }
}
