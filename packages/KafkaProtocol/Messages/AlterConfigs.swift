/// AlterConfigs 0–1: all of a topic's configurations at once; those that are not named go back to their defaults.
public struct AlterConfigsRequest: KafkaMessage {
    /// The resources.
    public var resources: [Resource] = []
    /// Whether the client only asks.
    public var validateOnly = false

    /// A topic or a broker.
    public struct Resource: KafkaMessage {
        /// Its type and name.
        public var type: Int8 = 0, name = ""
        /// Its configurations from now on.
        public var configs: [CreateTopicsRequest.Config] = []

        /// No resource.
        public init() {}
        public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
            try coder.integer(&type)
            try coder.string(&name)
            try coder.array(&configs, version: version)
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
