/// ListOffsets 0–5: the offset at a time, at the log's start (−2) or at its end (−1). Left out: `maxTimestamp` (−3).
public struct ListOffsetsRequest: KafkaMessage {
    /// Who asks; 1 asks for committed records only.
    var replicaID: Int32 = -1, isolation: Int8 = 0
    /// What is asked.
    public var topics: [Topic] = []

    /// Questions about one topic.
    public typealias Topic = ByTopic<Partition>

    /// A question about one partition.
    public struct Partition: PartitionEntry {
        /// The partition's number, and the leader epoch the client knows (−1 unknown).
        public var index: Int32 = 0, currentLeaderEpoch: Int32 = -1
        /// Version 0's limit.
        var maxOffsets: Int32 = 1
        /// A time in ms, −1 for the end, −2 for the start.
        public var timestamp: Int64 = -1

        /// A question about partition 0's end.
        public init() {}
        public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
            try coder.integer(&index)
            if version >= 4 { try coder.integer(&currentLeaderEpoch) }
            try coder.integer(&timestamp)
            if version == 0 { try coder.integer(&maxOffsets) }
            try coder.tags()
        }
    }

    public init() {}
    public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
        try coder.integer(&replicaID)
        if version >= 2 { try coder.integer(&isolation) }
        try coder.array(&topics, version: version)
        try coder.tags()
    }
}

/// Offsets.
public struct ListOffsetsResponse: KafkaMessage {
    /// Answers in the order of the request.
    public var topics: [Topic] = []
    /// Always zero.
    var throttleMillis: Int32 = 0

    /// Answers about one topic.
    public typealias Topic = ByTopic<Partition>

    /// The answer about one partition.
    public struct Partition: PartitionEntry {
        /// The partition's number and the leader epoch of the record found.
        public var index: Int32 = 0, leaderEpoch: Int32 = -1
        /// What went wrong, if anything did.
        public var error = ErrorCode.none
        /// The record's time and offset; −1 and −1 when no record is that late.
        public var timestamp: Int64 = -1, offset: Int64 = -1
        /// Version 0's answer.
        public var oldStyleOffsets: [Int64] = []

        /// An answer about partition 0.
        public init() {}
        public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
            try coder.integer(&index)
            try coder.error(&error)
            if version == 0 { try coder.integers(&oldStyleOffsets) }
            if version >= 1 {
                try coder.integer(&timestamp)
                try coder.integer(&offset)
            }
            if version >= 4 { try coder.integer(&leaderEpoch) }
            try coder.tags()
        }
    }

    public init() {}
    public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
        if version >= 2 { try coder.integer(&throttleMillis) }
        try coder.array(&topics, version: version)
        try coder.tags()
    }
}
