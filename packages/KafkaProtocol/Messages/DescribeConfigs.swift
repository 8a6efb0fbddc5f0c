/// DescribeConfigs 0–3: configurations of topics (type 2) and of the broker (type 4). Left out: loggers.
public struct DescribeConfigsRequest: KafkaMessage {
    /// What is asked.
    public var resources: [Resource] = []
    /// Whether to name where values come from, and to explain them.
    public var includeSynonyms = false, includeDocumentation = false

    /// A topic or a broker.
    public struct Resource: KafkaMessage {
        /// Its type and name.
        public var type: Int8 = 0, name = ""
        /// The configurations asked for; nil is all.
        public var configNames: [String]?

        /// No resource.
        public init() {}
        public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
            try coder.integer(&type)
            try coder.string(&name)
            try coder.nullableStrings(&configNames)
            try coder.tags()
        }
    }

    public init() {}
    public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
        try coder.array(&resources, version: version)
        if version >= 1 { try coder.bool(&includeSynonyms) }
        if version >= 3 { try coder.bool(&includeDocumentation) }
        try coder.tags()
    }
}

/// Configurations.
public struct DescribeConfigsResponse: KafkaMessage {
    /// Answers in the order of the request.
    public var results: [Result] = []
    var throttleMillis: Int32 = 0

    /// One resource's configurations.
    public struct Result: KafkaMessage {
        /// What went wrong, if anything did.
        public var error = ErrorCode.none, errorMessage: String?
        /// The resource's type and name.
        public var type: Int8 = 0, name = ""
        /// Its configurations.
        public var configs: [Config] = []

        /// No resource.
        public init() {}
        public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
            try coder.error(&error)
            try coder.nullableString(&errorMessage)
            try coder.integer(&type)
            try coder.string(&name)
            try coder.array(&configs, version: version)
            try coder.tags()
        }
    }

    /// A configuration.
    public struct Config: KafkaMessage {
        /// Its name and value.
        public var name = "", value: String?
        /// What may be done with it; `isDefault` is version 0's word for where it comes from.
        public var isReadOnly = false, isDefault = false
        var isSensitive = false
        /// Where it comes from: 1 the topic, 4 the broker's settings, 5 a default.
        public var source: Int8 = 5
        /// Where else it could come from.
        public var synonyms: [Synonym] = []
        /// 1 boolean, 2 string, 3 int, 5 long, 6 double, 7 list.
        public var type: Int8 = 0
        /// What it is for.
        public var documentation: String?

        /// No configuration.
        public init() {}
        public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
            try coder.string(&name)
            try coder.nullableString(&value)
            try coder.bool(&isReadOnly)
            if version == 0 { try coder.bool(&isDefault) } else { try coder.integer(&source) }
            try coder.bool(&isSensitive)
            if version >= 1 { try coder.array(&synonyms, version: version) }
            if version >= 3 {
                try coder.integer(&type)
                try coder.nullableString(&documentation)
            }
            try coder.tags()
        }
    }

    /// A place a configuration could come from.
    public struct Synonym: KafkaMessage {
        /// Its name and value there.
        public var name = "", value: String?, source: Int8 = 0

        /// Nowhere.
        public init() {}
        public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
            try coder.string(&name)
            try coder.nullableString(&value)
            try coder.integer(&source)
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
