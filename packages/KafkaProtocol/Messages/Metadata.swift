/// Metadata 0–12, from 10 with topic ids: brokers, topics and their leaders. Left out: authorisation.
public struct MetadataRequest: KafkaMessage {
    /// The topics asked for; nil is all of them. Version 0 says all by naming none.
    public var topics: [Topic]?
    /// Whether a missing topic may be made. Before version 4 nobody can say no.
    public var allowAutoCreation = true
    /// Whether to list what the client may do.
    var includeClusterOperations = false, includeTopicOperations = false

    /// One topic asked for, by name or by id.
    public struct Topic: KafkaMessage {
        /// The topic's id, from version 10.
        public var id = TopicID()
        /// The topic's name.
        public var name: String? = ""

        public init() {}
        public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
            if version >= 10 { try coder.uuid(&id) }
            if version >= 10 {
                try coder.nullableString(&name)
            } else {
                var text = name ?? ""
                try coder.string(&text)
                name = text
            }
            try coder.tags()
        }
    }

    /// A request for every topic.
    public init() {}
    public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
        if version == 0 {
            var named = topics ?? []
            try coder.array(&named, version: version)
            topics = named.isEmpty ? nil : named
        } else {
            try coder.nullableArray(&topics, version: version)
        }
        if version >= 4 { try coder.bool(&allowAutoCreation) }
        if (8...10).contains(version) { try coder.bool(&includeClusterOperations) }
        if version >= 8 { try coder.bool(&includeTopicOperations) }
        try coder.tags()
    }
}

/// The cluster as the broker sees it.
public struct MetadataResponse: KafkaMessage {
    /// "Not asked for" in the bit fields of allowed operations.
    static let operationsOmitted: Int32 = .min

    /// The controller, which must be one of the brokers.
    public var controllerID: Int32 = -1
    /// Always zero.
    var throttleMillis: Int32 = 0
    /// The brokers: one.
    public var brokers: [Broker] = []
    /// The cluster's name for itself.
    public var clusterID: String?
    /// The topics asked for.
    public var topics: [Topic] = []
    /// What the client may do to the cluster.
    var clusterOperations = MetadataResponse.operationsOmitted

    /// A broker's address.
    public struct Broker: KafkaMessage {
        /// Its id and port.
        public var id: Int32 = 0, port: Int32 = 0
        /// Its host.
        public var host = ""
        /// The rack, which is none.
        var rack: String?

        /// No broker.
        public init() {}
        public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
            try coder.integer(&id)
            try coder.string(&host)
            try coder.integer(&port)
            if version >= 1 { try coder.nullableString(&rack) }
            try coder.tags()
        }
    }

    /// A topic.
    public struct Topic: KafkaMessage {
        /// What went wrong, if anything did.
        public var error = ErrorCode.none
        /// Its name and id.
        public var name: String? = "", id = TopicID()
        /// Whether it belongs to the cluster itself.
        var isInternal = false
        /// Its partitions.
        public var partitions: [Partition] = []
        /// What the client may do to it.
        public var operations = MetadataResponse.operationsOmitted

        public init() {}
        public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
            try coder.error(&error)
            if version >= 12 {
                try coder.nullableString(&name)
            } else {
                var text = name ?? ""
                try coder.string(&text)
                name = text
            }
            if version >= 10 { try coder.uuid(&id) }
            if version >= 1 { try coder.bool(&isInternal) }
            try coder.array(&partitions, version: version)
            if version >= 8 { try coder.integer(&operations) }
            try coder.tags()
        }
    }

    /// A partition and who leads it.
    public struct Partition: KafkaMessage {
        /// What went wrong, if anything did.
        public var error = ErrorCode.none
        /// Its number, its leader, and the leader's epoch.
        public var index: Int32 = 0, leaderID: Int32 = -1, leaderEpoch: Int32 = -1
        /// Its replicas, those in step, those away.
        public var replicas: [Int32] = [], inSync: [Int32] = [], offline: [Int32] = []

        /// Partition 0, without a leader.
        public init() {}
        public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
            try coder.error(&error)
            try coder.integer(&index)
            try coder.integer(&leaderID)
            if version >= 7 { try coder.integer(&leaderEpoch) }
            try coder.integers(&replicas)
            try coder.integers(&inSync)
            if version >= 5 { try coder.integers(&offline) }
            try coder.tags()
        }
    }

    /// An empty cluster.
    public init() {}
    public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
        if version >= 3 { try coder.integer(&throttleMillis) }
        try coder.array(&brokers, version: version)
        if version >= 2 { try coder.nullableString(&clusterID) }
        if version >= 1 { try coder.integer(&controllerID) }
        try coder.array(&topics, version: version)
        if (8...10).contains(version) { try coder.integer(&clusterOperations) }
        try coder.tags()
    }
}
