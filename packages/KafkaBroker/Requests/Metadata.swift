import KafkaProtocol

extension BrokerCore {
    /// Versions 0–8. Makes topics that are asked for, where that is wanted, and names their leader in the same answer.
    func metadata(_ request: MetadataRequest) -> MetadataResponse {
        var response = MetadataResponse()
        var broker = MetadataResponse.Broker()
        broker.id = identity.nodeID
        broker.host = advertisedHost
        broker.port = Int32(port)
        response.brokers = [broker]
        response.controllerID = identity.nodeID
        response.clusterID = identity.clusterID
        let names = request.topics?.map { $0.name ?? "" }.distinct() ?? catalog.topics.keys.sorted()
        var problems: [String: ErrorCode] = [:]
        if request.allowAutoCreation, configuration.createsTopicsAutomatically {
            for name in names where catalog.topics[name] == nil {
                let problem = make(name, partitionCount: configuration.defaultPartitions, TopicConfig())
                if let problem { problems[name] = problem.error }
            }
            // When they cannot be stored they are not there, and the answers say so.
            _ = saveCatalog()
        }
        response.topics = names.map { describe($0, problems[$0]) }
        return response
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
