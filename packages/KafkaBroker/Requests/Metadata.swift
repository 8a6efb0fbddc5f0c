import KafkaProtocol

extension BrokerCore {
    /// Versions 0–12; from 10 on answers carry topic ids, and 12 is asked by id, too. Makes topics that are asked for by name,
    /// where that is wanted, and names their leader in the same answer.
    func metadata(_ request: MetadataRequest, version: Int16) -> MetadataResponse {
        var response = MetadataResponse()
        var broker = MetadataResponse.Broker()
        broker.id = identity.nodeID
        broker.host = advertisedHost
        broker.port = Int32(port)
        response.brokers = [broker]
        response.controllerID = identity.nodeID
        response.clusterID = identity.clusterID
        guard let wanted = request.topics, wanted.contains(where: { $0.name == nil || $0.id != TopicID() }) else {
            let names = request.topics?.map { $0.name ?? "" }.distinct() ?? catalog.topics.keys.sorted()
            response.topics = describe(names, mayCreate: request.allowAutoCreation)
            return response
        }
        response.topics = version >= 12 ? describe(wanted.map(\.id)) : wanted.map { _ in Self.refusal(.invalidRequest) }
        return response
    }

    private static func refusal(_ error: ErrorCode) -> MetadataResponse.Topic {
        var answer = MetadataResponse.Topic()
        answer.error = error
        return answer
    }

    /// As Kafka does, once a request names one topic by its id, ids are all that counts in it.
    private func describe(_ ids: [TopicID]) -> [MetadataResponse.Topic] {
        let names = Dictionary(catalog.topics.values.map { ($0.id, $0.name) }) { first, _ in first }
        var seen: Set<TopicID> = []
        return ids.filter { seen.insert($0).inserted }.map { id in
            if let name = names[id] { return describe(name, nil) }
            var answer = Self.refusal(.unknownTopicID)
            (answer.name, answer.id) = (nil, id)
            return answer
        }
    }

    private func describe(_ names: [String], mayCreate: Bool) -> [MetadataResponse.Topic] {
        var problems: [String: ErrorCode] = [:]
        if mayCreate, configuration.createsTopicsAutomatically {
            for name in names where catalog.topics[name] == nil {
                let problem = make(name, partitionCount: configuration.defaultPartitions, TopicConfig())
                if let problem { problems[name] = problem.error }
            }
            // When they cannot be stored they are not there, and the answers say so.
            _ = saveCatalog()
        }
        return names.map { describe($0, problems[$0]) }
    }

    private func describe(_ name: String, _ problem: ErrorCode?) -> MetadataResponse.Topic {
        var answer = MetadataResponse.Topic()
        answer.name = name
        guard let topic = catalog.topics[name] else {
            answer.error =
                problem ?? (TopicName.complaint(name) == nil ? .unknownTopicOrPartition : .invalidTopic)
            return answer
        }
        answer.id = topic.id
        answer.partitions = topic.partitions.map { log in
            var partition = MetadataResponse.Partition()
            partition.index = log.partition
            partition.leaderID = identity.nodeID
            partition.leaderEpoch = log.leaderEpoch
            partition.replicas = [identity.nodeID]
            partition.inSync = [identity.nodeID]
            return partition
        }
        return answer
    }
}
