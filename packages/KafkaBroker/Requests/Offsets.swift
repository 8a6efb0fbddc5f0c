import KafkaProtocol
import Observability

/// OffsetCommit 0–7, OffsetFetch 0–5, OffsetDelete 0.
extension BrokerCore {
    /// Longest note beside a position, as Kafka's `offset.metadata.max.bytes`.
    static let maxMetadata = 4_096

    func offsetCommit(_ request: OffsetCommitRequest) -> OffsetCommitResponse {
        var groupError = request.groupID.isEmpty ? ErrorCode.invalidGroupID : .none
        if groupError == .none {
            // Somebody who names a generation of a group that is not there was in it before the broker forgot.
            let creates = request.generation < 0
            groupError = creates ? .coordinatorNotAvailable : .illegalGeneration
            if !creates || groups.hasRoom(for: request.groupID) {
                change(request.groupID, creating: creates) { group in
                    groupError = group.commit(
                        memberID: request.memberID, instanceID: request.groupInstanceID, generation: request.generation,
                        nowMillis: monotonicMillis)
                    return []
                }
            }
        }
        let known = groups.store.offsets[request.groupID] ?? [:]
        let isFull = groups.store.liveSize >= OffsetStore.maxLiveSize
        var positions: [(TopicPartition, CommittedOffset)] = []
        var response = OffsetCommitResponse()
        response.topics = request.topics.merged().answered { name, partition in
            var answer = PartitionError()
            answer.index = partition.index
            let place = TopicPartition(topic: name, partition: partition.index)
            if groupError != .none {
                answer.error = groupError
            } else if (partition.metadata?.utf8.count ?? 0) > Self.maxMetadata {
                answer.error = .offsetMetadataTooLarge
            } else if catalog.topics[name]?.log(partition.index) == nil {
                answer.error = .unknownTopicOrPartition
            } else if isFull, known[place] == nil {
                answer.error = .invalidCommitOffsetSize
            } else {
                let position = CommittedOffset(
                    offset: partition.offset, leaderEpoch: partition.leaderEpoch, metadata: partition.metadata ?? "",
                    committedMillis: nowMillis)
                positions.append((place, position))
            }
            return answer
        }
        let isStored = groups.write { store throws(LogError) in try store.commit(request.groupID, positions) }
        if !isStored {
            log.error(
                "positions could not be stored",
                ["group": request.groupID, "reason": groups.takeFailure()?.description ?? ""])
            for topic in response.topics.indices {
                for partition in response.topics[topic].partitions.indices
                where response.topics[topic].partitions[partition].error == .none {
                    response.topics[topic].partitions[partition].error = .kafkaStorageError
                }
            }
        }
        return response
    }

    /// A group that nobody has heard of has no positions, which is not an error.
    func offsetFetch(_ request: OffsetFetchRequest) -> OffsetFetchResponse {
        let known = groups.store.offsets[request.groupID] ?? [:]
        let wanted =
            request.topics?.merged()
            ?? Dictionary(grouping: known.keys, by: \.topic).sorted { $0.key < $1.key }.map { name, partitions in
                ByTopic(name, partitions.map(\.partition).sorted().map { PartitionIndex($0) })
            }
        var response = OffsetFetchResponse()
        response.topics = wanted.answered { name, partition in
            var answer = OffsetFetchResponse.Partition()
            answer.index = partition.index
            if let position = known[TopicPartition(topic: name, partition: partition.index)] {
                answer.offset = position.offset
                answer.leaderEpoch = position.leaderEpoch
                answer.metadata = position.metadata
            }
            return answer
        }
        return response
    }

    func offsetDelete(_ request: OffsetDeleteRequest) -> OffsetDeleteResponse {
        var response = OffsetDeleteResponse()
        guard let group = groups.groups[request.groupID] else {
            response.error = .groupIDNotFound
            return response
        }
        guard group.phase == .empty || group.protocolType == "consumer" else {
            response.error = .nonEmptyGroup
            return response
        }
        let subscribed = group.subscribedTopics
        var gone: [TopicPartition] = []
        response.topics = request.topics.merged().answered { name, partition in
            var answer = PartitionError()
            answer.index = partition.index
            if catalog.topics[name]?.log(partition.index) == nil {
                answer.error = .unknownTopicOrPartition
            } else if subscribed.contains(name) {
                answer.error = .groupSubscribedToTopic
            } else {
                gone.append(TopicPartition(topic: name, partition: partition.index))
            }
            return answer
        }
        if !groups.write({ store throws(LogError) in try store.forget(request.groupID, gone) }) {
            log.error(
                "positions could not be stored",
                ["group": request.groupID, "reason": groups.takeFailure()?.description ?? ""])
            response.error = .kafkaStorageError
        }
        return response
    }
}

extension GroupState {
    /// Topics that the members of a consumer group read, from what they told their leader.
    var subscribedTopics: Set<String> {
        var topics: Set<String> = []
        for member in members.values {
            var reader = ByteReader(member.metadata(of: strategy ?? member.strategies.first?.name))
            var names: [String] = []
            guard (try? reader.read(Int16.self)) != nil, (try? reader.strings(&names)) != nil else { continue }
            topics.formUnion(names)
        }
        return topics
    }
}
