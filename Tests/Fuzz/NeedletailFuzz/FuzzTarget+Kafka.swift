import KafkaProtocol

extension FuzzTarget {
    static let kafkaRequest = FuzzTarget(
        name: "kafka-request",
        seeds: {
            ApiKey.allCases.flatMap { key in
                key.served.map { version in
                    var writer = ByteWriter()
                    let header = RequestHeader(key: key, version: version, correlationID: 1, clientID: "fuzz")
                    try? header.encode(to: &writer)
                    return writer.output + [UInt8](repeating: 0, count: 40)
                }
            }
        }
    ) { bytes in
        // As one request, and as a stream of frames.
        read(bytes[...])
        var decoder = FrameDecoder()
        var input = bytes[...]
        while let frame = try? decoder.next(&input) { read(frame[...]) }
    }

    /// What `transform` reads of a broker's answers: a byte says of which API and version.
    static let kafkaAnswer = FuzzTarget(
        name: "kafka-answer",
        seeds: {
            var metadata = MetadataResponse()
            var topic = MetadataResponse.Topic()
            (topic.name, topic.id) = ("t", TopicID(high: 1, low: 2))
            topic.partitions = [MetadataResponse.Partition()]
            (metadata.brokers, metadata.topics) = ([MetadataResponse.Broker()], [topic])
            return (0...13).map { version -> [UInt8] in
                var writer = ByteWriter(flexible: version >= 9)
                if version > 12 {
                    try? ApiVersionsResponse.everything().encode(to: &writer, version: 0)
                } else {
                    try? metadata.encode(to: &writer, version: Int16(version))
                }
                return [UInt8(version)] + writer.output
            }
        }
    ) { bytes in
        guard let first = bytes.first else { return }
        var reader = ByteReader(bytes.dropFirst())
        let version = Int16(first % 14)
        guard version <= 12 else {
            _ = try? ApiVersionsResponse(from: &reader, version: 0)
            return
        }
        reader.flexible = ApiKey.metadata.isFlexible(version)
        _ = try? MetadataResponse(from: &reader, version: version)
    }

    static let recordBatch = FuzzTarget(
        name: "record-batch",
        seeds: { [RecordBatch.encode((0..<3).map { (timestamp: Int64($0), key: [1], value: [2, 3]) })] }
    ) { bytes in
        walk(bytes)
        // A checksum that fits: what lies behind it must be looked at as well.
        if bytes.count >= RecordBatch.headSize {
            let sound = RecordBatch.bytes(bytes[...], withMaxTimestamp: 7)
            walk(sound)
        }
    }

    private static func walk(_ bytes: [UInt8]) {
        _ = RecordBatch.validate(bytes[...], maxBytes: 1 << 20)
        guard let batch = RecordBatch(head: bytes[...]) else { return }
        guard batch.codec == 0, bytes.count >= batch.size else { return }
        var count: Int32 = 0
        let isSound = batch.walkRecords(inBlock: bytes[RecordBatch.headSize..<batch.size]) { _, _ in
            count += 1
            return true
        }
        precondition(!isSound || count == max(0, batch.recordCount))
        _ = try? RecordBatch.records(of: bytes[...])
    }
}

/// Reads one request, and what it holds.
private func read(_ frame: ArraySlice<UInt8>) {
    var reader = ByteReader(frame)
    guard let header = try? RequestHeader(from: &reader) else { return }
    let version = header.version
    switch header.key {
    case .produce:
        guard let request = try? ProduceRequest(from: &reader, version: version) else { return }
        for topic in request.topics {
            for partition in topic.partitions {
                _ = RecordBatch.validate(partition.records ?? [], maxBytes: 1 << 20)
                _ = try? RecordBatch.records(of: partition.records ?? [])
            }
        }
    case .fetch: _ = try? FetchRequest(from: &reader, version: version)
    case .listOffsets: _ = try? ListOffsetsRequest(from: &reader, version: version)
    case .metadata: _ = try? MetadataRequest(from: &reader, version: version)
    case .offsetCommit: _ = try? OffsetCommitRequest(from: &reader, version: version)
    case .offsetFetch: _ = try? OffsetFetchRequest(from: &reader, version: version)
    case .findCoordinator: _ = try? FindCoordinatorRequest(from: &reader, version: version)
    case .joinGroup: _ = try? JoinGroupRequest(from: &reader, version: version)
    case .heartbeat: _ = try? HeartbeatRequest(from: &reader, version: version)
    case .leaveGroup: _ = try? LeaveGroupRequest(from: &reader, version: version)
    case .syncGroup: _ = try? SyncGroupRequest(from: &reader, version: version)
    case .describeGroups: _ = try? DescribeGroupsRequest(from: &reader, version: version)
    case .listGroups: _ = try? ListGroupsRequest(from: &reader, version: version)
    case .apiVersions: _ = try? ApiVersionsRequest(from: &reader, version: version)
    case .createTopics: _ = try? CreateTopicsRequest(from: &reader, version: version)
    case .deleteTopics: _ = try? DeleteTopicsRequest(from: &reader, version: version)
    case .deleteRecords: _ = try? DeleteRecordsRequest(from: &reader, version: version)
    case .initProducerID: _ = try? InitProducerIDRequest(from: &reader, version: version)
    case .describeConfigs: _ = try? DescribeConfigsRequest(from: &reader, version: version)
    case .createPartitions: _ = try? CreatePartitionsRequest(from: &reader, version: version)
    case .deleteGroups: _ = try? DeleteGroupsRequest(from: &reader, version: version)
    case .incrementalAlterConfigs: _ = try? IncrementalAlterConfigsRequest(from: &reader, version: version)
    case .alterConfigs: _ = try? AlterConfigsRequest(from: &reader, version: version)
    case .offsetDelete: _ = try? OffsetDeleteRequest(from: &reader, version: version)
    }
}
