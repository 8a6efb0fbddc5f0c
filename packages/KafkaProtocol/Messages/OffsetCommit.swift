/// OffsetCommit 0–7: a group's positions. Version 0, once kept elsewhere, is kept like the others; retention is not the client's.
public struct OffsetCommitRequest: KafkaMessage {
    /// Who commits; generation −1 and no member is somebody outside the group's protocol.
    public var groupID = "", generation: Int32 = -1, memberID = ""
    /// A static member's name.
    public var groupInstanceID: String?
    /// Versions 2–4's wish, ignored.
    public var retentionMillis: Int64 = -1
    /// The positions.
    public var topics: [Topic] = []

    /// Positions in one topic.
    public typealias Topic = ByTopic<Partition>

    /// A position in one partition.
    public struct Partition: PartitionEntry {
        /// The partition's number and the epoch of the last record read.
        public var index: Int32 = 0, leaderEpoch: Int32 = -1
        /// The next offset to read; version 1's time.
        public var offset: Int64 = 0, commitMillis: Int64 = -1
        /// The client's own note, given back as it came.
        public var metadata: String?

        /// Position 0 of partition 0.
        public init() {}
        public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
            try coder.integer(&index)
            try coder.integer(&offset)
            if version >= 6 { try coder.integer(&leaderEpoch) }
            if version == 1 { try coder.integer(&commitMillis) }
            try coder.nullableString(&metadata)
            try coder.tags()
        }
    }

    public init() {}
    public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
        try coder.string(&groupID)
        if version >= 1 {
            try coder.integer(&generation)
            try coder.string(&memberID)
        }
        if version >= 7 { try coder.nullableString(&groupInstanceID) }
        if (2...4).contains(version) { try coder.integer(&retentionMillis) }
        try coder.array(&topics, version: version)
        try coder.tags()
    }
}

/// Whether each position was kept.
public struct OffsetCommitResponse: KafkaMessage {
    /// Answers in the order of the request.
    public var topics: [ByTopic<PartitionError>] = []
    var throttleMillis: Int32 = 0

    public init() {}
    public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
        if version >= 3 { try coder.integer(&throttleMillis) }
        try coder.array(&topics, version: version)
        try coder.tags()
    }
}

/// A partition and its error.
public struct PartitionError: PartitionEntry {
    /// The partition's number.
    public var index: Int32 = 0
    /// What went wrong, if anything did.
    public var error = ErrorCode.none

    /// Partition 0, no error.
    public init() {}
    public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
        try coder.integer(&index)
        try coder.error(&error)
        try coder.tags()
    }
}
