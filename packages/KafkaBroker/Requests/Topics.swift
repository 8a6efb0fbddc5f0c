import Dispatch
import KafkaProtocol
import Observability

/// CreateTopics 0–4, DeleteTopics 0–3, CreatePartitions 0–1, DeleteRecords 0–1.
extension BrokerCore {
    /// Each partition is a folder and an open file.
    static let maxPartitions = 10_000

    /// Why something is refused.
    typealias Problem = (error: ErrorCode, reason: String)

    private static let notStored: Problem = (.kafkaStorageError, "The change could not be stored.")

    /// Makes what a request changed in the catalog durable, once for all of it; false when the disk did not take it.
    func saveCatalog() -> Bool {
        do {
            try catalog.save()
            return true
        } catch {
            log.error("topics could not be stored", ["reason": "\(error)"])
            return false
        }
    }

    func createTopics(_ request: CreateTopicsRequest) -> CreateTopicsResponse {
        var response = CreateTopicsResponse()
        var counts: [String: Int] = [:]
        for topic in request.topics { counts[topic.name, default: 0] += 1 }
        for topic in request.topics {
            // A topic named twice is answered once.
            guard let count = counts.removeValue(forKey: topic.name) else { continue }
            var answer = CreateTopicsResponse.Topic()
            answer.name = topic.name
            let problem =
                count > 1
                ? (.invalidRequest, "Duplicate topic name.") : create(topic, validateOnly: request.validateOnly)
            if let problem {
                answer.error = problem.error
                answer.errorMessage = problem.reason
            }
            response.topics.append(answer)
        }
        if !saveCatalog() {
            for index in response.topics.indices where response.topics[index].error == .none {
                (response.topics[index].error, response.topics[index].errorMessage) = Self.notStored
            }
        }
        return response
    }

    private func create(_ topic: CreateTopicsRequest.Topic, validateOnly: Bool) -> Problem? {
        var count = Int(topic.partitionCount)
        if let problem = placement(of: topic, &count) { return problem }
        var config = TopicConfig()
        for entry in topic.configs {
            if let complaint = config.set(entry.name, entry.value) { return (.invalidConfig, complaint) }
        }
        return refusal(topic.name, partitionCount: count)
            ?? (validateOnly ? nil : make(topic.name, partitionCount: count, config))
    }

    /// Checks how many partitions are wanted and where; `count` becomes their number.
    private func placement(of topic: CreateTopicsRequest.Topic, _ count: inout Int) -> Problem? {
        guard topic.assignments.isEmpty else {
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
            return nil
        }
        if count == -1 { count = configuration.defaultPartitions }
        guard count > 0 else {
            return (.invalidPartitions, "Number of partitions was set to an invalid non-positive value.")
        }
        guard topic.replicationFactor == -1 || topic.replicationFactor > 0 else {
            return (
                .invalidReplicationFactor, "Replication factor must be larger than 0, or -1 to use the default value."
            )
        }
        guard topic.replicationFactor <= 1 else {
            return (
                .invalidReplicationFactor,
                "Replication factor: \(topic.replicationFactor) larger than available brokers: 1."
            )
        }
        return nil
    }

    /// Why a topic cannot be made; nil when it can.
    private func refusal(_ name: String, partitionCount: Int) -> Problem? {
        if let complaint = TopicName.complaint(name) { return (.invalidTopic, complaint) }
        if catalog.topics[name] != nil { return (.topicAlreadyExists, "Topic '\(name)' already exists.") }
        if let other = catalog.collision(with: name) {
            return (.invalidTopic, "Topic '\(name)' collides with existing topic: \(other)")
        }
        guard partitionCount <= Self.maxPartitions - catalog.partitionCount else {
            return (.invalidPartitions, "This broker holds at most \(Self.maxPartitions) partitions.")
        }
        return nil
    }

    /// Makes a topic, or says why not. `saveCatalog` makes it durable.
    func make(_ name: String, partitionCount: Int, _ config: TopicConfig) -> Problem? {
        if let problem = refusal(name, partitionCount: partitionCount) { return problem }
        do throws(LogError) {
            _ = try catalog.create(
                name, id: randomTopicID(), partitionCount: partitionCount, config: config, nowMillis: nowMillis)
            return nil
        } catch {
            log.error("topic could not be made", ["topic": name, "reason": error.description])
            return Self.notStored
        }
    }

    func deleteTopics(_ request: DeleteTopicsRequest) -> DeleteTopicsResponse {
        let names = request.names.distinct()
        let gone = names.compactMap { catalog.topics[$0] }
        for topic in gone { catalog.delete(topic.name) }
        let isSaved = saveCatalog()
        var response = DeleteTopicsResponse()
        let known = Set(gone.map(\.name))
        response.topics = names.map { name in
            var answer = NamedError()
            answer.name = name
            answer.error = !known.contains(name) ? .unknownTopicOrPartition : isSaved ? .none : .kafkaStorageError
            return answer
        }
        guard isSaved, !gone.isEmpty else { return response }
        groups.forget(topics: known)
        if let failure = groups.takeFailure() {
            log.error("positions could not be stored", ["topics": known.count, "reason": failure.description])
        }
        for topic in gone {
            for partition in topic.partitions { fetches.abandon(partition, core: self) }
        }
        background.async { [folder = configuration.dataFolder] in TopicCatalog.removeDeleted(folder: folder) }
        return response
    }

    func createPartitions(_ request: CreatePartitionsRequest) -> CreatePartitionsResponse {
        var response = CreatePartitionsResponse()
        var known: Set<String> = []
        for wanted in request.topics where known.insert(wanted.name).inserted {
            var result = CreatePartitionsResponse.Result()
            result.name = wanted.name
            if let problem = grow(wanted, validateOnly: request.validateOnly) {
                (result.error, result.errorMessage) = problem
            }
            response.results.append(result)
        }
        if !saveCatalog() {
            for index in response.results.indices where response.results[index].error == .none {
                (response.results[index].error, response.results[index].errorMessage) = Self.notStored
            }
        }
        return response
    }

    private func grow(_ wanted: CreatePartitionsRequest.Topic, validateOnly: Bool) -> Problem? {
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
        guard count - present <= Self.maxPartitions - catalog.partitionCount else {
            return (.invalidPartitions, "This broker holds at most \(Self.maxPartitions) partitions.")
        }
        if let assignments = wanted.assignments {
            guard assignments.count == count - present, assignments.allSatisfy({ $0.brokers == [identity.nodeID] })
            else {
                return (.invalidReplicaAssignment, "The manual assignment does not fit the new partitions.")
            }
        }
        guard !validateOnly else { return nil }
        do throws(LogError) {
            try catalog.addPartitions(topic, to: count, nowMillis: nowMillis)
            return nil
        } catch {
            log.error("partitions could not be made", ["topic": wanted.name, "reason": error.description])
            return Self.notStored
        }
    }

    /// Answers when the new starts are on the disk: records that are said to be gone do not come back.
    func deleteRecords(_ request: DeleteRecordsRequest, _ context: RequestContext) {
        let topics = request.topics.merged()
        whenFlushed(logs(of: topics)) { [self] in
            var moved: [PartitionLog] = []
            var response = DeleteRecordsResponse()
            response.topics = topics.answered { name, partition in
                var answer = DeleteRecordsResponse.Partition()
                answer.index = partition.index
                guard let log = catalog.topics[name]?.log(partition.index) else {
                    answer.error = .unknownTopicOrPartition
                    return answer
                }
                do throws(LogError) {
                    try log.deleteRecords(before: partition.offset)
                    answer.lowWatermark = log.logStart
                    moved.append(log)
                } catch { answer.error = report(error, log) }
                return answer
            }
            checkpoint(moved) { [self] failed in
                for topic in response.topics.indices {
                    for partition in response.topics[topic].partitions.indices {
                        let answer = response.topics[topic].partitions[partition]
                        let log = catalog.topics[response.topics[topic].name]?.log(answer.index)
                        guard answer.error == .none, let log, failed.contains(ObjectIdentifier(log)) else { continue }
                        response.topics[topic].partitions[partition].error = .kafkaStorageError
                    }
                }
                context.answer(response)
            }
        }
    }

    /// The logs of the partitions that are there.
    func logs<Entry: PartitionEntry>(of topics: [ByTopic<Entry>]) -> [PartitionLog] {
        topics.flatMap { topic in topic.partitions.compactMap { catalog.topics[topic.name]?.log($0.index) } }
    }

    /// Goes on when everything written to these logs is on the disk, and so may be seen: at once when it is already.
    func whenFlushed(_ logs: [PartitionLog], _ body: @escaping () -> Void) {
        guard logs.contains(where: \.hasUnflushed) else { return body() }
        commit.request(body)
    }
}
