/// Fetch 4–11: records from partitions. Left out: sessions (the answer's session id is always 0), followers, racks.
public struct FetchRequest: KafkaMessage {
    /// How long the client waits for `minBytes`, and the most it takes.
    public var maxWaitMillis: Int32 = 0, minBytes: Int32 = 0, maxBytes: Int32 = .max
    /// Who asks.
    var replicaID: Int32 = -1
    /// 1 reads committed records only, which without transactions are all.
    var isolation: Int8 = 0
    /// The fetch session; 0 with epoch −1 is none.
    var sessionID: Int32 = 0, sessionEpoch: Int32 = -1
    /// What to read, and what a session should forget.
    public var topics: [Topic] = [], forgotten: [ByTopic<PartitionIndex>] = []
    /// The client's rack.
    var rackID = ""

    /// What to read of one topic.
    public typealias Topic = ByTopic<Partition>

    /// What to read of one partition.
    public struct Partition: PartitionEntry {
        /// The partition's number, the leader epoch the client knows (−1 unknown).
        public var index: Int32 = 0, currentLeaderEpoch: Int32 = -1
        /// The first offset wanted; a follower's log start.
        public var fetchOffset: Int64 = 0, logStartOffset: Int64 = -1
        /// Most bytes, except that the first batch always comes whole.
        public var maxBytes: Int32 = 0

        /// Nothing.
        public init() {}
        public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
            try coder.integer(&index)
            if version >= 9 { try coder.integer(&currentLeaderEpoch) }
            try coder.integer(&fetchOffset)
            if version >= 5 { try coder.integer(&logStartOffset) }
            try coder.integer(&maxBytes)
            try coder.tags()
        }
    }

    public init() {}
    public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
        try coder.integer(&replicaID)
        try coder.integer(&maxWaitMillis)
        try coder.integer(&minBytes)
        try coder.integer(&maxBytes)
        try coder.integer(&isolation)
        if version >= 7 {
            try coder.integer(&sessionID)
            try coder.integer(&sessionEpoch)
        }
        try coder.array(&topics, version: version)
        if version >= 7 { try coder.array(&forgotten, version: version) }
        if version >= 11 { try coder.string(&rackID) }
        try coder.tags()
    }
}

/// Records. The broker writes the pieces itself, so that the records of a file need not pass through memory.
public struct FetchResponse: KafkaMessage {
    /// Always zero: nobody is throttled and no session is kept.
    var throttleMillis: Int32 = 0, sessionID: Int32 = 0
    /// An error of the request as a whole.
    public var error = ErrorCode.none
    /// Answers by topic.
    public var topics: [Topic] = []

    /// Answers for one topic.
    public typealias Topic = ByTopic<Partition>

    /// The answer for one partition.
    public struct Partition: KafkaMessage {
        /// What precedes the records.
        public var head = PartitionHead()
        /// Whole record batches back to back.
        public var records: ArraySlice<UInt8>? = []

        /// No records.
        public init() {}
        public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
            try head.code(&coder, version: version)
            try coder.nullableBytes(&records)
            try coder.tags()
        }
    }

    /// The answer for one partition up to its records.
    public struct PartitionHead: KafkaMessage {
        /// The partition's number.
        public var index: Int32 = 0
        /// A replica to read from instead, which is none.
        var preferredReadReplica: Int32 = -1
        /// What went wrong, if anything did.
        public var error = ErrorCode.none
        /// End of what may be read, the same for committed reads, and the log's start; −1 after an error.
        public var highWatermark: Int64 = -1, lastStableOffset: Int64 = -1, logStartOffset: Int64 = -1
        /// Aborted transactions: there are none.
        var aborted: [AbortedTransaction]? = []

        /// An answer for partition 0.
        public init() {}
        public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
            try coder.integer(&index)
            try coder.error(&error)
            try coder.integer(&highWatermark)
            try coder.integer(&lastStableOffset)
            if version >= 5 { try coder.integer(&logStartOffset) }
            try coder.nullableArray(&aborted, version: version)
            if version >= 11 { try coder.integer(&preferredReadReplica) }
        }
    }

    /// A transaction that a committed read skips.
    struct AbortedTransaction: KafkaMessage {
        /// The producer and where its transaction began.
        public var producerID: Int64 = 0, firstOffset: Int64 = 0

        /// No transaction.
        public init() {}
        public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
            try coder.integer(&producerID)
            try coder.integer(&firstOffset)
            try coder.tags()
        }
    }

    public init() {}
    /// What precedes the topics.
    public mutating func codeHead<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
        try coder.integer(&throttleMillis)
        if version >= 7 {
            try coder.error(&error)
            try coder.integer(&sessionID)
        }
    }
    public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
        try codeHead(&coder, version: version)
        try coder.array(&topics, version: version)
        try coder.tags()
    }
}
