import KafkaProtocol

extension BrokerCore {
    /// Versions 3–7. The answer goes out when the batches are in the system's hands (or, by setting, on the disk).
    func produce(_ request: ProduceRequest, _ context: RequestContext) throws(ProtocolError) {
        var response = ProduceResponse()
        var appended: [(log: PartitionLog, bytes: Int)] = []
        var hasError = false
        let now = nowMillis
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
                    append(partition.records ?? [], to: log, of: topic, nowMillis: now, &answer, &appended)
                } else {
                    answer.error = .unknownTopicOrPartition
                }
                hasError = hasError || answer.error != .none
                answers.partitions.append(answer)
            }
            response.topics.append(answers)
        }
        if configuration.flush == .always {
            for entry in appended { synchronize(entry.log, &response, &hasError) }
        }
        if request.acks != 0 {
            context.answer(response)
        } else if hasError {
            // Nobody waits for an answer: a closed connection is how the client hears of it.
            context.connection?.close()
        } else {
            context.finishSilently()
        }
        for entry in appended { fetches.appended(entry.bytes, to: entry.log, core: self) }
    }

    private func append(
        _ records: ArraySlice<UInt8>, to log: PartitionLog, of topic: Topic, nowMillis: Int64,
        _ answer: inout ProduceResponse.Partition, _ appended: inout [(log: PartitionLog, bytes: Int)]
    ) {
        switch RecordBatch.validate(records, maxBytes: topic.config.maxMessageBytes) {
        case .failure(let fault): answer.error = fault.code
        case .success(let batch):
            guard
                batch.maxTimestamp <= nowMillis.addingReportingOverflow(topic.config.maxFutureMillis).partialValue
                    || topic.config.maxFutureMillis > .max - nowMillis
            else {
                answer.error = .invalidTimestamp
                return
            }
            do throws(LogError) {
                switch try log.append(records, batch, nowMillis: nowMillis) {
                case .stored(let baseOffset):
                    answer.baseOffset = baseOffset
                    appended.append((log, batch.size))
                case .duplicate(let baseOffset): answer.baseOffset = baseOffset
                case .refused(let code): answer.error = code
                }
                if answer.error == .none { answer.logStartOffset = log.logStart }
            } catch {
                _ = report(error, log)
                answer.error = .kafkaStorageError
            }
        }
    }

    private func synchronize(_ log: PartitionLog, _ response: inout ProduceResponse, _ hasError: inout Bool) {
        do throws(LogError) {
            try log.synchronize()
        } catch {
            hasError = true
            let code = report(error, log)
            for topic in response.topics.indices
            where catalog.topics[response.topics[topic].name]?.id == log.topic {
                for partition in response.topics[topic].partitions.indices
                where response.topics[topic].partitions[partition].index == log.partition {
                    response.topics[topic].partitions[partition].error = code
                    response.topics[topic].partitions[partition].baseOffset = -1
                }
            }
        }
    }
}
