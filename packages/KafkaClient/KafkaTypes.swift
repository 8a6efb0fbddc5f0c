/// One partition of one topic.
public struct KafkaPartition: Hashable, Sendable, CustomStringConvertible {
    /// The topic's name.
    public let topic: String
    /// The partition's number, from 0.
    public let partition: Int32

    /// Names a partition.
    public init(_ topic: String, _ partition: Int32) {
        self.topic = topic
        self.partition = partition
    }

    /// `topic[partition]`.
    public var description: String { "\(topic)[\(partition)]" }
}

/// One line librdkafka would have logged.
public struct KafkaLogLine: Sendable {
    /// syslog's: 3 error, 4 warning, 5 notice, 6 info, 7 debug.
    public let level: Int32
    /// What part of librdkafka speaks, such as `FAIL`.
    public let facility: String
    /// The text.
    public let message: String
}

/// Takes librdkafka's log lines. Called on its threads: must not block.
public typealias KafkaLogHandler = @Sendable (KafkaLogLine) -> Void

/// The oldest and the next offset of a partition.
public struct KafkaWatermarks: Hashable, Sendable {
    /// The offset of the oldest record kept.
    public let low: Int64
    /// The offset the next record will get.
    public let high: Int64

    /// Both ends.
    public init(low: Int64, high: Int64) {
        self.low = low
        self.high = high
    }
}

/// One header of a record.
public struct KafkaHeader: Hashable, Sendable {
    /// The header's name.
    public let name: String
    /// The header's bytes.
    public let value: [UInt8]

    /// A header of bytes.
    public init(_ name: String, _ value: [UInt8]) {
        self.name = name
        self.value = value
    }

    /// A header of text.
    public init(_ name: String, _ text: String) { self.init(name, Array(text.utf8)) }
}
