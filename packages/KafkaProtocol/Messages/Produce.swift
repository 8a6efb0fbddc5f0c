/// Produce 3–7: batches for partitions. Left out: transactions (a transactional id is refused by the broker), record errors.
public struct ProduceRequest: KafkaMessage {
    /// The transaction, which is not offered.
    public var transactionalID: String?
    /// −1 and 1 wait for the log, 0 has no answer at all; and how long the client waits.
    public var acks: Int16 = 1, timeoutMillis: Int32 = 0
    /// What to append where.
    public var topics: [Topic] = []

    /// Batches for one topic.
    public typealias Topic = ByTopic<Partition>

    /// Batches for one partition.
    public struct Partition: PartitionEntry {
        /// The partition's number.
        public var index: Int32 = 0
        /// Record batches back to back; by the rules exactly one.
        public var records: ArraySlice<UInt8>?

        /// No batch.
        public init() {}
        public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
            try coder.integer(&index)
            try coder.nullableBytes(&records)
            try coder.tags()
        }
    }

    public init() {}
    public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
        if version >= 3 { try coder.nullableString(&transactionalID) }
        try coder.integer(&acks)
        try coder.integer(&timeoutMillis)
        try coder.array(&topics, version: version)
        try coder.tags()
    }
}

/// Where each batch went.
public struct ProduceResponse: KafkaMessage {
    /// Answers in the order of the request.
    public var topics: [Topic] = []
    /// Always zero.
    var throttleMillis: Int32 = 0

    /// Answers for one topic.
    public typealias Topic = ByTopic<Partition>

    /// The answer for one partition.
    public struct Partition: PartitionEntry {
        /// The partition's number.
        public var index: Int32 = 0
        /// What went wrong, if anything did.
        public var error = ErrorCode.none
        /// Offset of the batch's first record, and the log's start; −1 after an error.
        public var baseOffset: Int64 = -1, logStartOffset: Int64 = -1
        /// Always −1: only create time is kept.
        var logAppendMillis: Int64 = -1

        /// An answer for partition 0.
        public init() {}
        public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
            try coder.integer(&index)
            try coder.error(&error)
            try coder.integer(&baseOffset)
            if version >= 2 { try coder.integer(&logAppendMillis) }
            if version >= 5 { try coder.integer(&logStartOffset) }
            try coder.tags()
        }
    }

    public init() {}
    public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
        try coder.array(&topics, version: version)
        if version >= 1 { try coder.integer(&throttleMillis) }
        try coder.tags()
    }
}
