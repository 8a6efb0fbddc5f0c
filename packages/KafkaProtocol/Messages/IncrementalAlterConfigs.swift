/// IncrementalAlterConfigs 0: single configurations of topics are set or go back to their defaults.
public struct IncrementalAlterConfigsRequest: KafkaMessage {
    /// The resources, with what changes.
    public var resources: [ConfigResource<Change>] = []
    /// Whether the client only asks.
    public var validateOnly = false

    /// A change of one configuration.
    public struct Change: KafkaMessage {
        /// The configuration and its new value.
        public var name = "", value: String?
        /// 0 set, 1 delete, 2 append to a list, 3 take from a list.
        public var operation: Int8 = 0

        /// No change.
        public init() {}
        public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
            try coder.string(&name)
            try coder.integer(&operation)
            try coder.nullableString(&value)
            try coder.tags()
        }
    }

    public init() {}
    public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
        try coder.array(&resources, version: version)
        try coder.bool(&validateOnly)
        try coder.tags()
    }
}

/// Which resources changed; AlterConfigs is answered alike.
public struct AlterConfigsResponse: KafkaMessage {
    /// Answers in the order of the request.
    public var results: [Result] = []
    var throttleMillis: Int32 = 0

    /// Whether one resource changed.
    public struct Result: KafkaMessage {
        /// What went wrong, if anything did.
        public var error = ErrorCode.none, errorMessage: String?
        /// The resource's type and name.
        public var type: Int8 = 0, name = ""

        /// No resource.
        public init() {}
        public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
            try coder.error(&error)
            try coder.nullableString(&errorMessage)
            try coder.integer(&type)
            try coder.string(&name)
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
