/// LeaveGroup 0–3: members go, one (0–2) or several, by member id or by static name (3).
public struct LeaveGroupRequest: KafkaMessage {
    /// The group.
    public var groupID = ""
    /// Who goes.
    public var members: [Member] = []

    /// Somebody who goes.
    public struct Member: KafkaMessage {
        /// The member; empty when named by its static name.
        public var memberID = "", groupInstanceID: String?

        /// Nobody.
        public init() {}
        public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
            try coder.string(&memberID)
            try coder.nullableString(&groupInstanceID)
            try coder.tags()
        }
    }

    public init() {}
    public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
        try coder.string(&groupID)
        if version >= 3 {
            try coder.array(&members, version: version)
        } else {
            var only = members.first ?? Member()
            try coder.string(&only.memberID)
            members = [only]
        }
        try coder.tags()
    }
}

/// Who went.
public struct LeaveGroupResponse: KafkaMessage {
    /// Always zero.
    var throttleMillis: Int32 = 0
    /// What went wrong, if anything did.
    public var error = ErrorCode.none
    /// Answers in the order of the request, from version 3.
    public var members: [Member] = []

    /// Whether one member went.
    public struct Member: KafkaMessage {
        /// The member.
        public var memberID = "", groupInstanceID: String?
        /// What went wrong, if anything did.
        public var error = ErrorCode.none

        /// Nobody.
        public init() {}
        public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
            try coder.string(&memberID)
            try coder.nullableString(&groupInstanceID)
            try coder.error(&error)
            try coder.tags()
        }
    }

    /// An answer without an error.
    public init() {}
    public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
        if version >= 1 { try coder.integer(&throttleMillis) }
        try coder.error(&error)
        if version >= 3 { try coder.array(&members, version: version) }
        try coder.tags()
    }
}
