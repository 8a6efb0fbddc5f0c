import KafkaProtocol

extension BrokerCore {
    /// Versions 0–5.
    func listOffsets(_ request: ListOffsetsRequest, version: Int16) -> ListOffsetsResponse {
        var response = ListOffsetsResponse()
        for wanted in request.topics {
            var answers = ListOffsetsResponse.Topic()
            answers.name = wanted.name
            for partition in wanted.partitions {
                answers.partitions.append(find(partition, catalog.topics[wanted.name]?.log(partition.index), version))
            }
            response.topics.append(answers)
        }
        return response
    }

    private func find(
        _ wanted: ListOffsetsRequest.Partition, _ log: PartitionLog?, _ version: Int16
    ) -> ListOffsetsResponse.Partition {
        var answer = ListOffsetsResponse.Partition()
        answer.index = wanted.index
        guard let log else {
            answer.error = .unknownTopicOrPartition
            return answer
        }
        if let code = log.failure != nil ? .kafkaStorageError : epochRefusal(wanted.currentLeaderEpoch, log) {
            answer.error = code
            return answer
        }
        switch wanted.timestamp {
        case -1: answer.offset = log.end
        case -2: answer.offset = log.logStart
        case ..<0: answer.error = .unsupportedVersion
        default:
            do throws(LogError) {
                if let found = try log.offset(atOrAfter: wanted.timestamp) {
                    answer.offset = found.offset
                    answer.timestamp = found.timestamp
                }
            } catch { answer.error = report(error, log) }
        }
        if answer.offset >= 0 {
            answer.leaderEpoch = log.leaderEpoch
            if version == 0 { answer.oldStyleOffsets = [answer.offset] }
        }
        return answer
    }
}
