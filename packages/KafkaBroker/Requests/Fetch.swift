import KafkaProtocol

extension BrokerCore {
    /// Most bytes of one partition in one answer, unless its first batch is larger.
    static let maxPartitionBytes = 8 << 20

    /// Most bytes of one answer, as Kafka's `fetch.max.bytes`, unless its first batch is larger.
    static let maxFetchBytes = 55 << 20

    /// Versions 4–11. Waits for `minBytes`, unless something is wrong with a partition: that is told at once. Records that
    /// are written and not yet on the disk are not there yet; a fetch that would find them waits for the disk.
    func fetch(_ request: FetchRequest, _ context: RequestContext) {
        var request = request
        request.topics = request.topics.merged()
        var available = 0
        var mustAnswer = false
        var hasUnflushed = false
        var logs: [PartitionLog] = []
        for topic in request.topics {
            for partition in topic.partitions {
                guard let log = catalog.topics[topic.name]?.log(partition.index), refusal(partition, log) == nil else {
                    mustAnswer = true
                    continue
                }
                logs.append(log)
                available += readable(partition, log)  // At most 200,000 times 8 MiB.
                hasUnflushed = hasUnflushed || log.hasUnflushed
            }
        }
        // A fetch of nothing only ends a session, and its client waits for the answer.
        let isEnough = available >= Int(request.minBytes) && (available > 0 || !hasUnflushed)
        let mayWait = request.maxWaitMillis > 0 || (available == 0 && hasUnflushed)
        if mustAnswer || logs.isEmpty || isEnough || !mayWait { return answerFetch(request, context) }
        guard fetches.park(request, context, on: logs, available: available, core: self) else {
            return answerFetch(request, context)
        }
        if hasUnflushed { commit.request() }
    }

    /// Bytes that a parked fetch would find now.
    func readable(_ request: FetchRequest) -> Int {
        var bytes = 0
        for topic in request.topics {
            for partition in topic.partitions {
                if let log = catalog.topics[topic.name]?.log(partition.index) { bytes += readable(partition, log) }
            }
        }
        return bytes
    }

    private func readable(_ partition: FetchRequest.Partition, _ log: PartitionLog) -> Int {
        min(
            log.bytesAvailable(from: partition.fetchOffset), Int(max(partition.maxBytes, 1)), Self.maxPartitionBytes)
    }

    private func refusal(_ partition: FetchRequest.Partition, _ log: PartitionLog) -> ErrorCode? {
        if log.failure != nil { return .kafkaStorageError }
        if let code = epochRefusal(partition.currentLeaderEpoch, log) { return code }
        return partition.fetchOffset < log.logStart || partition.fetchOffset > log.end ? .offsetOutOfRange : nil
    }

    /// A client that knows another leader epoch has to ask for metadata first.
    func epochRefusal(_ epoch: Int32, _ log: PartitionLog) -> ErrorCode? {
        guard epoch >= 0, epoch != log.leaderEpoch else { return nil }
        return epoch < log.leaderEpoch ? .fencedLeaderEpoch : .unknownLeaderEpoch
    }

    /// Answers with what is there now.
    func answerFetch(_ request: FetchRequest, _ context: RequestContext) {
        guard let connection = context.connection, !connection.isClosed else { return }
        var builder = ResponseBuilder(context.header)
        let version = context.header.version
        do throws(ProtocolError) {
            try builder.begin()
            var head = FetchResponse()
            try head.codeHead(&builder.writer, version: version)
            builder.writer.bytesLength(request.topics.count)
            var budget = min(Int(max(0, request.maxBytes)), Self.maxFetchBytes)
            var isFirst = true
            for wanted in request.topics {
                var name = wanted.name
                try builder.writer.string(&name)
                builder.writer.bytesLength(wanted.partitions.count)
                for partition in wanted.partitions {
                    try write(partition, of: wanted.name, version: version, &builder, &budget, &isFirst)
                    try builder.writer.tags()
                }
                try builder.writer.tags()
            }
            try builder.writer.tags()
            connection.finish(try builder.finished())
        } catch {
            connection.close()
        }
    }

    private func write(
        _ partition: FetchRequest.Partition, of topic: String, version: Int16, _ builder: inout ResponseBuilder,
        _ budget: inout Int, _ isFirst: inout Bool
    ) throws(ProtocolError) {
        var head = FetchResponse.PartitionHead()
        head.index = partition.index
        var slice: PartitionLog.Slice?
        var copied: [UInt8] = []
        if let log = catalog.topics[topic]?.log(partition.index) {
            if let code = refusal(partition, log) {
                head.error = code
            } else {
                do throws(LogError) {
                    // The first batch of the answer comes whole whatever the limits say; later ones must fit.
                    let most = min(budget, Int(max(0, partition.maxBytes)), Self.maxPartitionBytes)
                    if isFirst || most > 0 {
                        slice = try log.read(from: partition.fetchOffset, maxBytes: max(most, 1))
                        if let found = slice, !isFirst, found.range.count > most { slice = nil }
                        if let found = slice, found.range.count < ResponseBuilder.smallestFilePiece {
                            copied = try found.file.read(found.range.count, at: found.range.lowerBound)
                        }
                    }
                } catch {
                    slice = nil
                    head.error = report(error, log)
                }
            }
            if head.error == .none {
                head.highWatermark = log.highWatermark
                head.lastStableOffset = log.highWatermark
                head.logStartOffset = log.logStart
            }
        } else {
            head.error = .unknownTopicOrPartition
        }
        if let slice {
            isFirst = false
            budget -= slice.range.count
        }
        try head.code(&builder.writer, version: version)
        if let slice, copied.isEmpty { builder.append(slice) } else { builder.append(copied) }
    }
}
