import KafkaProtocol
import Observability

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
        let names = request.topics?.map { $0.name ?? "" } ?? catalog.topics.keys.sorted()
        for name in names {
            if catalog.topics[name] == nil, request.allowAutoCreation, configuration.createsTopicsAutomatically {
                _ = make(name, partitionCount: configuration.defaultPartitions, TopicConfig())
            }
            response.topics.append(describe(name))
        }
        return response
    }

    private func describe(_ name: String) -> MetadataResponse.Topic {
        var answer = MetadataResponse.Topic()
        answer.name = name
        guard let topic = catalog.topics[name] else {
            answer.error = TopicName.complaint(name) == nil ? .unknownTopicOrPartition : .invalidTopic
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

    /// Makes a topic, or says why not.
    func make(_ name: String, partitionCount: Int, _ config: TopicConfig) -> (error: ErrorCode, reason: String)? {
        if let complaint = TopicName.complaint(name) { return (.invalidTopic, complaint) }
        if catalog.topics[name] != nil { return (.topicAlreadyExists, "Topic '\(name)' already exists.") }
        if let other = catalog.topics.keys.first(where: { TopicName.collide($0, name) }) {
            return (.invalidTopic, "Topic '\(name)' collides with existing topic: \(other)")
        }
        do {
            _ = try catalog.create(
                name, id: randomTopicID(), partitionCount: partitionCount, config: config, nowMillis: nowMillis)
            return nil
        } catch {
            log.error("topic could not be made", ["topic": name, "reason": "\(error)"])
            return (.kafkaStorageError, "The topic could not be stored.")
        }
    }
}
