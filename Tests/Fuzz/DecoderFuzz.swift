// Compiled together with the protocol's own sources as one module: see run.

/// Reads whatever libFuzzer makes up as a stream of frames, each as the request its header names.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOneInput(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let bytes = [UInt8](UnsafeBufferPointer(start: start, count: count))
    read(bytes[...])
    var decoder = FrameDecoder()
    var input = bytes[...]
    while let frame = try? decoder.next(&input) { read(frame[...]) }
    if case .success = RecordBatch.validate(bytes[...], maxBytes: 1 << 20) {
        _ = try? RecordBatch.records(of: bytes[...])
    }
    _ = try? RecordBatch.records(of: bytes[...])
    return 0
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
