/// A topic or a broker, and what a request says of its configurations.
public struct ConfigResource<Entry: KafkaMessage>: KafkaMessage {
    /// Its type (2 is a topic) and name.
    public var type: Int8 = 0, name = ""
    /// One entry a configuration.
    public var configs: [Entry] = []

    /// No resource.
    public init() {}
    public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
        try coder.integer(&type)
        try coder.string(&name)
        try coder.array(&configs, version: version)
        try coder.tags()
    }
}
