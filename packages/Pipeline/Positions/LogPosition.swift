/// Where a record lies in the log: its topic, its partition and its position there. See docs/design.md, Positions.
public struct LogPosition: Hashable, Sendable {
    /// The topic.
    public var topic: String
    /// The partition.
    public var partition: Int32
    /// The position: base + Kafka offset.
    public var offset: Int64

    /// A record's topic, partition and position.
    public init(topic: String, partition: Int32, offset: Int64) {
        (self.topic, self.partition, self.offset) = (topic, partition, offset)
    }
}
