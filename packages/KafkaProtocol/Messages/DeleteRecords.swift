/// DeleteRecords 0–1: everything before an offset goes; −1 is everything.
public struct DeleteRecordsRequest: KafkaMessage {
    /// What goes, and how long the client waits.
    public var topics: [Topic] = [], timeoutMillis: Int32 = 0

    /// What goes of one topic.
    public typealias Topic = ByTopic<Partition>

    /// What goes of one partition.
    public struct Partition: PartitionEntry {
        /// The partition and the first offset that stays.
        public var index: Int32 = 0, offset: Int64 = 0

        /// Nothing.
        public init() {}
        public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
            try coder.integer(&index)
            try coder.integer(&offset)
            try coder.tags()
        }
    }

    public init() {}
    public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
        try coder.array(&topics, version: version)
        try coder.integer(&timeoutMillis)
        try coder.tags()
    }
}

/// Where each log begins now.
public struct DeleteRecordsResponse: KafkaMessage {
    /// Answers in the order of the request.
    public var topics: [Topic] = []
    var throttleMillis: Int32 = 0

    /// Answers for one topic.
    public typealias Topic = ByTopic<Partition>

    /// The answer for one partition.
    public struct Partition: PartitionEntry {
        /// The partition and its log's start.
        public var index: Int32 = 0, lowWatermark: Int64 = -1
        /// What went wrong, if anything did.
        public var error = ErrorCode.none

        /// An answer for partition 0.
        public init() {}
        public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
            try coder.integer(&index)
            try coder.integer(&lowWatermark)
            try coder.error(&error)
            try coder.tags()
        }
    }

    public init() {}
    public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
        try coder.integer(&throttleMillis)
        try coder.array(&topics, version: version)
        try coder.tags()
    }
}
