/// OffsetDelete 0: some of a group's positions go.
public struct OffsetDeleteRequest: KafkaMessage {
    /// The group and the partitions.
    public var groupID = "", topics: [ByTopic<PartitionIndex>] = []

    public init() {}
    public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
        try coder.string(&groupID)
        try coder.array(&topics, version: version)
    }
}

/// Which positions went.
public struct OffsetDeleteResponse: KafkaMessage {
    /// An error of the request as a whole.
    public var error = ErrorCode.none
    /// Answers by partition.
    public var topics: [ByTopic<PartitionError>] = []
    var throttleMillis: Int32 = 0

    public init() {}
    public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
        try coder.error(&error)
        try coder.integer(&throttleMillis)
        try coder.array(&topics, version: version)
    }
}
