/// JoinGroup 0–5: a member asks to be in a group's next generation.
public struct JoinGroupRequest: KafkaMessage {
    /// The group, and the member's id, empty at first.
    public var groupID = "", memberID = ""
    /// How long without a heartbeat it may live, and how long it may take to join again (−1: version 0, the same).
    public var sessionTimeoutMillis: Int32 = 0, rebalanceTimeoutMillis: Int32 = -1
    /// A static member's name.
    public var groupInstanceID: String?
    /// `consumer`, or whatever else uses groups.
    public var protocolType = ""
    /// What the member can do, best first.
    public var protocols: [Strategy] = []

    /// An assignment strategy and what the member says to it.
    public struct Strategy: KafkaMessage {
        /// The strategy.
        public var name = ""
        /// The member's words, read by the leader only.
        public var metadata: ArraySlice<UInt8> = []

        /// No strategy.
        public init() {}
        public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
            try coder.string(&name)
            try coder.bytes(&metadata)
            try coder.tags()
        }
    }

    public init() {}
    public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
        try coder.string(&groupID)
        try coder.integer(&sessionTimeoutMillis)
        if version >= 1 { try coder.integer(&rebalanceTimeoutMillis) }
        try coder.string(&memberID)
        if version >= 5 { try coder.nullableString(&groupInstanceID) }
        try coder.string(&protocolType)
        try coder.array(&protocols, version: version)
        try coder.tags()
    }
}

/// The generation a member is in; for the leader also who else is.
public struct JoinGroupResponse: KafkaMessage {
    /// The group's generation.
    public var generation: Int32 = -1
    /// Always zero.
    var throttleMillis: Int32 = 0
    /// What went wrong, if anything did.
    public var error = ErrorCode.none
    /// The strategy chosen, the leader, and this member.
    public var protocolName = "", leader = "", memberID = ""
    /// Everybody, for the leader; empty for the others.
    public var members: [Member] = []

    /// A member, as the leader sees it.
    public struct Member: KafkaMessage {
        /// The member and, where it is static, its name.
        public var memberID = "", groupInstanceID: String?
        /// Its words on the chosen strategy.
        public var metadata: ArraySlice<UInt8> = []

        /// Nobody.
        public init() {}
        public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
            try coder.string(&memberID)
            if version >= 5 { try coder.nullableString(&groupInstanceID) }
            try coder.bytes(&metadata)
            try coder.tags()
        }
    }

    public init() {}
    public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
        if version >= 2 { try coder.integer(&throttleMillis) }
        try coder.error(&error)
        try coder.integer(&generation)
        try coder.string(&protocolName)
        try coder.string(&leader)
        try coder.string(&memberID)
        try coder.array(&members, version: version)
        try coder.tags()
    }
}
