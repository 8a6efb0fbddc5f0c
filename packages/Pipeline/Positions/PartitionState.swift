/// What Postgres knows about one partition of one topic.
public struct PartitionState: Hashable, Sendable {
    /// Raised by every assignment.
    public var epoch: Int64 = 0
    /// N: everything before it is in the tables.
    public var nextOffset: Int64 = 0
    /// P: dead letters before it are acknowledged by Kafka.
    public var published: Int64 = 0
    /// The generation of the online state.
    public var generation: Int64 = 0
    /// Kafka timestamp of the record before N, ms.
    public var lastTimestamp: Int64 = 0
    /// CRC-32 of the record before N.
    public var lastCRC: UInt32 = 0
    /// Repeats that were dropped.
    public var duplicates: Int64 = 0
    /// Offsets the log never handed out.
    public var gaps: Int64 = 0
    /// Rows and dead letters that were deleted by age.
    public var removed: Int64 = 0
    /// A position is base + Kafka offset: more than 0 after a log was lost and made again.
    public var base: Int64 = 0
    /// Partitions of the topic when it was first read; 0 when that was not noted yet.
    public var partitionCount = 0

    /// A partition nothing was read of.
    public init() {}
}
