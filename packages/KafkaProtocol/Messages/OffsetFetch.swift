/// OffsetFetch 0–5: a group's positions. Left out: several groups in one request (from version 8).
public struct OffsetFetchRequest: KafkaMessage {
    /// The group.
    public var groupID = ""
    /// What is asked; nil, from version 2, is everything the group has.
    public var topics: [ByTopic<PartitionIndex>]? = []

    /// A request for nothing.
    public init() {}
    public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
        try coder.string(&groupID)
        try coder.nullableArray(&topics, version: version)
        try coder.tags()
    }
}

/// Positions; −1 without an error where the group has none.
public struct OffsetFetchResponse: KafkaMessage {
    /// Answers by topic.
    public var topics: [Topic] = []
    var throttleMillis: Int32 = 0
    /// An error of the request as a whole, from version 2.
    public var error = ErrorCode.none

    /// Positions in one topic.
    public typealias Topic = ByTopic<Partition>

    /// A position in one partition.
    public struct Partition: PartitionEntry {
        /// The partition's number and the epoch committed with the position.
        public var index: Int32 = 0, leaderEpoch: Int32 = -1
        /// The next offset to read.
        public var offset: Int64 = -1
        /// The client's note.
        public var metadata: String? = ""
        /// What went wrong, if anything did.
        public var error = ErrorCode.none

        /// No position in partition 0.
        public init() {}
        public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
            try coder.integer(&index)
            try coder.integer(&offset)
            if version >= 5 { try coder.integer(&leaderEpoch) }
            try coder.nullableString(&metadata)
            try coder.error(&error)
            try coder.tags()
        }
    }

    public init() {}
    public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
        if version >= 3 { try coder.integer(&throttleMillis) }
        try coder.array(&topics, version: version)
        if version >= 2 { try coder.error(&error) }
        try coder.tags()
    }
}
