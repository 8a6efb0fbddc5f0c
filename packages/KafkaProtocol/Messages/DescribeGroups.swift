/// DescribeGroups 0–4: states, members, assignments. Left out: authorisation.
public struct DescribeGroupsRequest: KafkaMessage {
    /// The groups.
    public var groups: [String] = []
    /// Whether to list what the client may do.
    var includeOperations = false

    /// A request about no group.
    public init() {}
    public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
        try coder.strings(&groups)
        if version >= 3 { try coder.bool(&includeOperations) }
        try coder.tags()
    }
}

/// Groups as they are. An unknown one is `Dead`, without an error.
public struct DescribeGroupsResponse: KafkaMessage {
    /// Answers in the order of the request.
    public var groups: [Group] = []
    var throttleMillis: Int32 = 0

    /// A group.
    public struct Group: KafkaMessage {
        /// What went wrong, if anything did.
        public var error = ErrorCode.none
        /// The group, its state, what uses it, the strategy chosen.
        public var groupID = "", state = "", protocolType = "", protocolData = ""
        /// Who is in it.
        public var members: [Member] = []
        /// What the client may do to it.
        public var operations = MetadataResponse.operationsOmitted

        /// No group.
        public init() {}
        public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
            try coder.error(&error)
            try coder.string(&groupID)
            try coder.string(&state)
            try coder.string(&protocolType)
            try coder.string(&protocolData)
            try coder.array(&members, version: version)
            if version >= 3 { try coder.integer(&operations) }
            try coder.tags()
        }
    }

    /// A member.
    public struct Member: KafkaMessage {
        /// The member, its static name, its client id and address.
        public var memberID = "", groupInstanceID: String?, clientID = "", clientHost = ""
        /// Its words to the leader, and its part.
        public var metadata: ArraySlice<UInt8> = [], assignment: ArraySlice<UInt8> = []

        /// Nobody.
        public init() {}
        public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
            try coder.string(&memberID)
            if version >= 4 { try coder.nullableString(&groupInstanceID) }
            try coder.string(&clientID)
            try coder.string(&clientHost)
            try coder.bytes(&metadata)
            try coder.bytes(&assignment)
            try coder.tags()
        }
    }

    public init() {}
    public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
        if version >= 1 { try coder.integer(&throttleMillis) }
        try coder.array(&groups, version: version)
        try coder.tags()
    }
}
