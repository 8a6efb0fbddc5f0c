/// CreatePartitions 0–1: a topic gets more partitions.
public struct CreatePartitionsRequest: KafkaMessage {
    /// The topics.
    public var topics: [Topic] = []
    /// How long the client waits, and whether it only asks.
    public var timeoutMillis: Int32 = 0, validateOnly = false

    /// A topic and its new size.
    public struct Topic: KafkaMessage {
        /// The topic and how many partitions it shall have in all.
        public var name = "", count: Int32 = 0
        /// Where the new ones should live; nil leaves it to the broker.
        public var assignments: [Assignment]?

        public init() {}
        public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
            try coder.string(&name)
            try coder.integer(&count)
            try coder.nullableArray(&assignments, version: version)
            try coder.tags()
        }
    }

    /// Where a new partition should live.
    public struct Assignment: KafkaMessage {
        /// Its brokers.
        public var brokers: [Int32] = []

        /// Nowhere.
        public init() {}
        public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
            try coder.integers(&brokers)
            try coder.tags()
        }
    }

    public init() {}
    public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
        try coder.array(&topics, version: version)
        try coder.integer(&timeoutMillis)
        try coder.bool(&validateOnly)
        try coder.tags()
    }
}

/// Which topics grew.
public struct CreatePartitionsResponse: KafkaMessage {
    /// Answers in the order of the request.
    public var results: [Result] = []
    var throttleMillis: Int32 = 0

    /// Whether one topic grew.
    public struct Result: KafkaMessage {
        /// The topic.
        public var name = ""
        /// What went wrong, if anything did.
        public var error = ErrorCode.none, errorMessage: String?

        public init() {}
        public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
            try coder.string(&name)
            try coder.error(&error)
            try coder.nullableString(&errorMessage)
            try coder.tags()
        }
    }

    public init() {}
    public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
        try coder.integer(&throttleMillis)
        try coder.array(&results, version: version)
        try coder.tags()
    }
}
