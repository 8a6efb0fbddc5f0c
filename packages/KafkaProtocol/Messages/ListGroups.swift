/// ListGroups 0–2: every group. Left out: filters by state and type.
public struct ListGroupsRequest: KafkaMessage {
    /// A request for every group.
    public init() {}
    public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
        try coder.tags()
    }
}

/// Groups by name.
public struct ListGroupsResponse: KafkaMessage {
    /// Always zero.
    var throttleMillis: Int32 = 0
    /// What went wrong, if anything did.
    public var error = ErrorCode.none
    /// The groups.
    public var groups: [Group] = []

    /// A group.
    public struct Group: KafkaMessage {
        /// The group and what uses it.
        public var groupID = "", protocolType = ""

        /// No group.
        public init() {}
        public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
            try coder.string(&groupID)
            try coder.string(&protocolType)
            try coder.tags()
        }
    }

    public init() {}
    public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
        if version >= 1 { try coder.integer(&throttleMillis) }
        try coder.error(&error)
        try coder.array(&groups, version: version)
        try coder.tags()
    }
}
