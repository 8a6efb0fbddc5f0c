/// SyncGroup 0–3: the leader brings everybody's assignment, the others fetch theirs.
public struct SyncGroupRequest: KafkaMessage {
    /// The group, its generation, the member.
    public var groupID = "", generation: Int32 = -1, memberID = ""
    /// A static member's name.
    public var groupInstanceID: String?
    /// From the leader: who gets what.
    public var assignments: [Assignment] = []

    /// What one member gets.
    public struct Assignment: KafkaMessage {
        /// The member.
        public var memberID = ""
        /// Its part, read by that member only.
        public var assignment: ArraySlice<UInt8> = []

        /// Nothing for nobody.
        public init() {}
        public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
            try coder.string(&memberID)
            try coder.bytes(&assignment)
            try coder.tags()
        }
    }

    public init() {}
    public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
        try coder.string(&groupID)
        try coder.integer(&generation)
        try coder.string(&memberID)
        if version >= 3 { try coder.nullableString(&groupInstanceID) }
        try coder.array(&assignments, version: version)
        try coder.tags()
    }
}

/// A member's part.
public struct SyncGroupResponse: KafkaMessage {
    /// Always zero.
    var throttleMillis: Int32 = 0
    /// What went wrong, if anything did.
    public var error = ErrorCode.none
    /// The part, as the leader wrote it.
    public var assignment: ArraySlice<UInt8> = []

    public init() {}
    public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
        if version >= 1 { try coder.integer(&throttleMillis) }
        try coder.error(&error)
        try coder.bytes(&assignment)
        try coder.tags()
    }
}
