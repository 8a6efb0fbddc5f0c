/// CreateTopics 0–4: topics with partitions and configurations. Left out: more than one replica.
public struct CreateTopicsRequest: KafkaMessage {
    /// The topics.
    public var topics: [Topic] = []
    /// How long the client waits, and whether it only asks.
    public var timeoutMillis: Int32 = 0, validateOnly = false

    /// A topic to make.
    public struct Topic: KafkaMessage {
        /// Its name.
        public var name = ""
        /// Partitions and replicas; −1 is the broker's default, and what goes with a manual assignment.
        public var partitionCount: Int32 = -1, replicationFactor: Int16 = -1
        /// A manual assignment.
        public var assignments: [Assignment] = []
        /// Configurations.
        public var configs: [Config] = []

        public init() {}
        public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
            try coder.string(&name)
            try coder.integer(&partitionCount)
            try coder.integer(&replicationFactor)
            try coder.array(&assignments, version: version)
            try coder.array(&configs, version: version)
            try coder.tags()
        }
    }

    /// Where a partition should live.
    public struct Assignment: KafkaMessage {
        /// The partition and its brokers.
        public var partition: Int32 = 0, brokers: [Int32] = []

        /// Nowhere.
        public init() {}
        public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
            try coder.integer(&partition)
            try coder.integers(&brokers)
            try coder.tags()
        }
    }

    /// A configuration.
    public struct Config: KafkaMessage {
        /// Its name and value.
        public var name = "", value: String?

        /// No configuration.
        public init() {}
        public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
            try coder.string(&name)
            try coder.nullableString(&value)
            try coder.tags()
        }
    }

    public init() {}
    public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
        try coder.array(&topics, version: version)
        try coder.integer(&timeoutMillis)
        if version >= 1 { try coder.bool(&validateOnly) }
        try coder.tags()
    }
}

/// Which topics were made.
public struct CreateTopicsResponse: KafkaMessage {
    /// Answers in the order of the request.
    public var topics: [Topic] = []
    var throttleMillis: Int32 = 0

    /// Whether one topic was made.
    public struct Topic: KafkaMessage {
        /// Its name.
        public var name = ""
        /// What went wrong, if anything did.
        public var error = ErrorCode.none, errorMessage: String?

        public init() {}
        public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
            try coder.string(&name)
            try coder.error(&error)
            if version >= 1 { try coder.nullableString(&errorMessage) }
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
