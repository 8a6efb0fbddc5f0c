import KafkaProtocol

extension BrokerCore {
    /// Versions 0–5. The end is that of the records on the disk, and what is written by now is brought there first: who was
    /// told that a record is stored finds it below the end.
    func listOffsets(_ request: ListOffsetsRequest, _ context: RequestContext) {
        let topics = request.topics.merged()
        whenFlushed(logs(of: topics)) { [self] in
            var response = ListOffsetsResponse()
            var opening = BatchOpening()
            response.topics = topics.answered { name, partition in
                find(partition, catalog.topics[name]?.log(partition.index), context.header.version, &opening)
            }
            context.answer(response)
        }
    }

    private func find(
        _ wanted: ListOffsetsRequest.Partition, _ log: PartitionLog?, _ version: Int16, _ opening: inout BatchOpening
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
        case -1: answer.offset = log.highWatermark
        case -2: answer.offset = log.logStart
        case ..<0: answer.error = .unsupportedVersion
        default:
            do throws(LogError) {
                if let found = try log.offset(atOrAfter: wanted.timestamp, &opening) {
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
