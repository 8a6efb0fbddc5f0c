import Dispatch
import KafkaProtocol
import Observability

/// CreateTopics 0–4, DeleteTopics 0–3, CreatePartitions 0–1, DeleteRecords 0–1.
extension BrokerCore {
    /// Each partition is a folder and an open file.
    static let maxPartitions = 10_000

    func createTopics(_ request: CreateTopicsRequest) -> CreateTopicsResponse {
        var response = CreateTopicsResponse()
        let repeated = Dictionary(grouping: request.topics, by: \.name).filter { $0.value.count > 1 }
        for topic in request.topics {
            var answer = CreateTopicsResponse.Topic()
            answer.name = topic.name
            let problem =
                repeated[topic.name] != nil
                ? (.invalidRequest, "Duplicate topic name.") : create(topic, validateOnly: request.validateOnly)
            if let problem {
                answer.error = problem.error
                answer.errorMessage = problem.reason
            }
            // A topic named twice is answered once.
            if !response.topics.contains(where: { $0.name == topic.name }) { response.topics.append(answer) }
        }
        return response
    }

    private func create(_ topic: CreateTopicsRequest.Topic, validateOnly: Bool) -> (error: ErrorCode, reason: String)? {
        if let complaint = TopicName.complaint(topic.name) { return (.invalidTopic, complaint) }
        if catalog.topics[topic.name] != nil { return (.topicAlreadyExists, "Topic '\(topic.name)' already exists.") }
        var count = Int(topic.partitionCount)
        if topic.assignments.isEmpty {
            if count == -1 { count = configuration.defaultPartitions }
            guard count > 0 else {
                return (.invalidPartitions, "Number of partitions was set to an invalid non-positive value.")
            }
            guard topic.replicationFactor == -1 || topic.replicationFactor > 0 else {
                return (
                    .invalidReplicationFactor,
                    "Replication factor must be larger than 0, or -1 to use the default value."
                )
            }
            guard topic.replicationFactor <= 1 else {
                return (
                    .invalidReplicationFactor,
                    "Replication factor: \(topic.replicationFactor) larger than available brokers: 1."
                )
            }
        } else {
            guard count == -1, topic.replicationFactor == -1 else {
                return (.invalidRequest, "Partition count and replication factor must be -1 with a manual assignment.")
            }
            count = topic.assignments.count
            let partitions = topic.assignments.map { Int($0.partition) }.sorted()
            guard partitions == Array(0..<count), topic.assignments.allSatisfy({ $0.brokers == [identity.nodeID] })
            else {
                return (
                    .invalidReplicaAssignment, "The manual assignment names a broker or a partition that is not there."
                )
            }
        }
        guard count <= Self.maxPartitions - partitionCount else {
            return (.invalidPartitions, "This broker holds at most \(Self.maxPartitions) partitions.")
        }
        var config = TopicConfig()
        for entry in topic.configs {
            if let complaint = config.set(entry.name, entry.value) { return (.invalidConfig, complaint) }
        }
        if let other = catalog.topics.keys.first(where: { TopicName.collide($0, topic.name) }) {
            return (.invalidTopic, "Topic '\(topic.name)' collides with existing topic: \(other)")
        }
        return validateOnly ? nil : make(topic.name, partitionCount: count, config)
    }

    private var partitionCount: Int { catalog.topics.values.reduce(0) { $0 + $1.partitions.count } }

    func deleteTopics(_ request: DeleteTopicsRequest) -> DeleteTopicsResponse {
        var response = DeleteTopicsResponse()
        for name in request.names {
            var answer = NamedError()
            answer.name = name
            answer.error = delete(topic: name)
            response.topics.append(answer)
        }
        return response
    }

    private func delete(topic name: String) -> ErrorCode {
        guard let topic = catalog.topics[name] else { return .unknownTopicOrPartition }
        // A synchronisation that is running would write into the folder of a topic made again under this name.
        background.sync {}
        do {
            try catalog.delete(name)
        } catch {
            log.error("topic could not be deleted", ["topic": name, "reason": "\(error)"])
            return .kafkaStorageError
        }
        groups.forget(topic: name)
        if let failure = groups.takeFailure() {
            log.error("positions could not be stored", ["topic": name, "reason": failure.description])
        }
        for partition in topic.partitions { fetches.abandon(partition, core: self) }
        background.async { [folder = configuration.dataFolder] in TopicCatalog.removeDeleted(folder: folder) }
        return .none
    }

    func createPartitions(_ request: CreatePartitionsRequest) -> CreatePartitionsResponse {
        var response = CreatePartitionsResponse()
        for wanted in request.topics {
            var result = CreatePartitionsResponse.Result()
            result.name = wanted.name
            if let problem = grow(wanted, validateOnly: request.validateOnly) {
                result.error = problem.error
                result.errorMessage = problem.reason
            }
            response.results.append(result)
        }
        return response
    }

    private func grow(
        _ wanted: CreatePartitionsRequest.Topic, validateOnly: Bool
    ) -> (error: ErrorCode, reason: String)? {
        guard let topic = catalog.topics[wanted.name] else {
            return (.unknownTopicOrPartition, "This server does not host this topic-partition.")
        }
        let present = topic.partitions.count
        let count = Int(wanted.count)
        guard count > present else {
            let relation = count == present ? "already has" : "currently has"
            return (
                .invalidPartitions,
                "Topic \(relation) \(present) partition(s), which is not less than the requested \(count)."
            )
        }
        guard count - present <= Self.maxPartitions - partitionCount else {
            return (.invalidPartitions, "This broker holds at most \(Self.maxPartitions) partitions.")
        }
        if let assignments = wanted.assignments {
            guard assignments.count == count - present, assignments.allSatisfy({ $0.brokers == [identity.nodeID] })
            else {
                return (.invalidReplicaAssignment, "The manual assignment does not fit the new partitions.")
            }
        }
        guard !validateOnly else { return nil }
        do {
            try catalog.addPartitions(topic, to: count, nowMillis: nowMillis)
            return nil
        } catch {
            log.error("partitions could not be made", ["topic": wanted.name, "reason": "\(error)"])
            return (.kafkaStorageError, "The partitions could not be stored.")
        }
    }

    func deleteRecords(_ request: DeleteRecordsRequest) -> DeleteRecordsResponse {
        var response = DeleteRecordsResponse()
        for wanted in request.topics {
            var answers = DeleteRecordsResponse.Topic()
            answers.name = wanted.name
            for partition in wanted.partitions {
                var answer = DeleteRecordsResponse.Partition()
                answer.index = partition.index
                if let log = catalog.topics[wanted.name]?.log(partition.index) {
                    do throws(LogError) {
                        try log.deleteRecords(before: partition.offset)
                        // The new start is durable before the client hears of it.
                        background.sync {}
                        if let job = log.flushJob() { try job.run() }
                        answer.lowWatermark = log.logStart
                    } catch {
                        if error != .outOfRange { log.flushFailed(error) }
                        answer.error = report(error, log)
                    }
                } else {
                    answer.error = .unknownTopicOrPartition
                }
                answers.partitions.append(answer)
            }
            response.topics.append(answers)
        }
        return response
    }
}
