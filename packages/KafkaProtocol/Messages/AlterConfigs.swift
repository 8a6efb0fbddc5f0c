/// AlterConfigs 0–1: all of a topic's configurations at once; those that are not named go back to their defaults.
public struct AlterConfigsRequest: KafkaMessage {
    /// The resources, with their configurations from now on.
    public var resources: [ConfigResource<CreateTopicsRequest.Config>] = []
    /// Whether the client only asks.
    public var validateOnly = false

    public init() {}
    public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
        try coder.array(&resources, version: version)
        try coder.bool(&validateOnly)
        try coder.tags()
    }
}
