import KafkaProtocol

extension BrokerCore {
    /// Versions 3–7. The answer goes out when the batches are in the system's hands, where a killed broker loses nothing; by
    /// setting, when they are on the disk. Consumers see them when they are on the disk in either case.
    func produce(_ request: ProduceRequest, _ context: RequestContext) throws(ProtocolError) {
        var appending = Appending(nowMillis: nowMillis)
        for wanted in request.topics {
            var answers = ProduceResponse.Topic()
            answers.name = wanted.name
            let topic = catalog.topics[wanted.name]
            for partition in wanted.partitions {
                var answer = ProduceResponse.Partition()
                answer.index = partition.index
                if request.transactionalID != nil {
                    answer.error = .transactionalIDAuthorizationFailed
                } else if !(-1...1).contains(request.acks) {
                    answer.error = .invalidRequiredAcks
                } else if let topic, let log = topic.log(partition.index) {
                    let place = (appending.response.topics.count, answers.partitions.count)
                    append(partition.records ?? [], to: log, of: topic, at: place, &answer, &appending)
                } else {
                    answer.error = .unknownTopicOrPartition
                }
                answers.partitions.append(answer)
            }
            appending.response.topics.append(answers)
        }
        for log in appending.appended { commit.appended(to: log) }
        if appending.appended.contains(where: { fetches.isAwaited($0) }) { commit.request() }
        guard configuration.flush == .always, appending.touched.contains(where: { $0.log.hasUnflushed }) else {
            return finish(appending.response, acks: request.acks, context)
        }
        commit.request { [self] in
            for (log, end, topic, partition) in appending.touched where log.highWatermark < end {
                appending.response.topics[topic].partitions[partition].error = .kafkaStorageError
                appending.response.topics[topic].partitions[partition].baseOffset = -1
            }
            finish(appending.response, acks: request.acks, context)
        }
    }

    /// One produce request on its way through the logs.
    private struct Appending {
        let nowMillis: Int64
        var opening = BatchOpening()
        var response = ProduceResponse()
        /// Logs that grew.
        var appended: [PartitionLog] = []
        /// Logs that hold what was sent, now or since an earlier try, how far they must be on the disk for that, and where
        /// their answers are.
        var touched: [(log: PartitionLog, end: Int64, topic: Int, partition: Int)] = []
    }

    private func finish(_ response: ProduceResponse, acks: Int16, _ context: RequestContext) {
        if acks != 0 {
            context.answer(response)
        } else if response.topics.contains(where: { $0.partitions.contains { $0.error != .none } }) {
            // Nobody waits for an answer: a closed connection is how the client hears of it.
            context.connection?.close()
        } else {
            context.finishSilently()
        }
    }

    private func append(
        _ records: ArraySlice<UInt8>, to log: PartitionLog, of topic: Topic, at place: (topic: Int, partition: Int),
        _ answer: inout ProduceResponse.Partition, _ appending: inout Appending
    ) {
        var batch: RecordBatch
        var bytes = records
        switch RecordBatch.validate(records, maxBytes: topic.config.maxMessageBytes) {
        case .failure(let fault): return answer.error = fault.code
        case .success(let valid): batch = valid
        }
        switch appending.opening.latestTime(in: batch, records) {
        case .failure(let fault): return answer.error = fault.code
        case .success(let latest):
            if latest != batch.maxTimestamp {
                // Lookups by time and retention go by the head, so it has to tell the truth.
                bytes = RecordBatch.bytes(records, withMaxTimestamp: latest)[...]
                guard let corrected = RecordBatch(head: bytes) else { return answer.error = .unknownServerError }
                batch = corrected
            }
        }
        let (limit, isUnlimited) = appending.nowMillis.addingReportingOverflow(topic.config.maxFutureMillis)
        guard isUnlimited || batch.maxTimestamp <= limit else { return answer.error = .invalidTimestamp }
        do throws(LogError) {
            switch try log.append(bytes, batch, nowMillis: appending.nowMillis) {
            case .stored(let baseOffset):
                answer.baseOffset = baseOffset
                appending.appended.append(log)
            case .duplicate(let baseOffset): answer.baseOffset = baseOffset
            case .refused(let code): return answer.error = code
            }
            appending.touched.append((log, log.end, place.topic, place.partition))
            answer.logStartOffset = log.logStart
        } catch {
            _ = report(error, log)
            answer.error = .kafkaStorageError
        }
    }
}
