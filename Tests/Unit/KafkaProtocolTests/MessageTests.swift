import KafkaProtocol
import TestSupport
import Testing

/// What every message must do, by type.
struct AnyMessage: Sendable, CustomTestStringConvertible {
    let api: ApiKey
    let testDescription: String
    /// Whether a random value comes back from its bytes as it was.
    let roundTrips: @Sendable (_ seed: UInt64, _ version: Int16, _ flexible: Bool) throws -> Bool
    /// Bytes of a random value.
    let encoded: @Sendable (_ seed: UInt64, _ version: Int16, _ flexible: Bool) throws -> [UInt8]
    /// Reads bytes; throws where they are none.
    let decode: @Sendable (_ bytes: ArraySlice<UInt8>, _ version: Int16, _ flexible: Bool) throws -> Void

    init<M: KafkaMessage>(_ api: ApiKey, _ type: M.Type) {
        self.api = api
        testDescription = "\(type)"
        @Sendable func random(_ seed: UInt64, _ version: Int16, _ flexible: Bool) throws -> M {
            var filler = RandomFiller(seed: seed, flexible: flexible)
            var message = M()
            try message.code(&filler, version: version)
            return message
        }
        @Sendable func bytes(_ message: M, _ version: Int16, _ flexible: Bool) throws -> [UInt8] {
            var writer = ByteWriter(flexible: flexible)
            try message.encode(to: &writer, version: version)
            return writer.output
        }
        roundTrips = { seed, version, flexible in
            let message = try random(seed, version, flexible)
            var reader = ByteReader(try bytes(message, version, flexible)[...], flexible: flexible)
            let back = try M(from: &reader, version: version)
            return back == message && reader.remaining == 0
        }
        encoded = { seed, version, flexible in try bytes(try random(seed, version, flexible), version, flexible) }
        decode = { bytes, version, flexible in
            var reader = ByteReader(bytes, flexible: flexible)
            _ = try M(from: &reader, version: version)
        }
    }

    static let all: [AnyMessage] = [
        .init(.produce, ProduceRequest.self), .init(.produce, ProduceResponse.self),
        .init(.fetch, FetchRequest.self), .init(.fetch, FetchResponse.self),
        .init(.listOffsets, ListOffsetsRequest.self), .init(.listOffsets, ListOffsetsResponse.self),
        .init(.metadata, MetadataRequest.self), .init(.metadata, MetadataResponse.self),
        .init(.offsetCommit, OffsetCommitRequest.self), .init(.offsetCommit, OffsetCommitResponse.self),
        .init(.offsetFetch, OffsetFetchRequest.self), .init(.offsetFetch, OffsetFetchResponse.self),
        .init(.findCoordinator, FindCoordinatorRequest.self), .init(.findCoordinator, FindCoordinatorResponse.self),
        .init(.joinGroup, JoinGroupRequest.self), .init(.joinGroup, JoinGroupResponse.self),
        .init(.heartbeat, HeartbeatRequest.self), .init(.heartbeat, HeartbeatResponse.self),
        .init(.leaveGroup, LeaveGroupRequest.self), .init(.leaveGroup, LeaveGroupResponse.self),
        .init(.syncGroup, SyncGroupRequest.self), .init(.syncGroup, SyncGroupResponse.self),
        .init(.describeGroups, DescribeGroupsRequest.self), .init(.describeGroups, DescribeGroupsResponse.self),
        .init(.listGroups, ListGroupsRequest.self), .init(.listGroups, ListGroupsResponse.self),
        .init(.apiVersions, ApiVersionsRequest.self), .init(.apiVersions, ApiVersionsResponse.self),
        .init(.createTopics, CreateTopicsRequest.self), .init(.createTopics, CreateTopicsResponse.self),
        .init(.deleteTopics, DeleteTopicsRequest.self), .init(.deleteTopics, DeleteTopicsResponse.self),
        .init(.deleteRecords, DeleteRecordsRequest.self), .init(.deleteRecords, DeleteRecordsResponse.self),
        .init(.initProducerID, InitProducerIDRequest.self), .init(.initProducerID, InitProducerIDResponse.self),
        .init(.describeConfigs, DescribeConfigsRequest.self), .init(.describeConfigs, DescribeConfigsResponse.self),
        .init(.createPartitions, CreatePartitionsRequest.self), .init(.createPartitions, CreatePartitionsResponse.self),
        .init(.deleteGroups, DeleteGroupsRequest.self), .init(.deleteGroups, DeleteGroupsResponse.self),
        .init(.incrementalAlterConfigs, IncrementalAlterConfigsRequest.self),
        .init(.incrementalAlterConfigs, AlterConfigsResponse.self), .init(.alterConfigs, AlterConfigsRequest.self),
        .init(.alterConfigs, AlterConfigsResponse.self),
        .init(.offsetDelete, OffsetDeleteRequest.self), .init(.offsetDelete, OffsetDeleteResponse.self),
    ]

    /// Every version advertised, and both encodings of the latest.
    var encodings: [(version: Int16, flexible: Bool)] {
        api.advertised.map { ($0, api.isFlexible($0)) } + [(api.advertised.upperBound, true)]
    }
}

@Suite struct MessageTests {
    @Test(arguments: AnyMessage.all)
    func `comes back from its bytes in every version`(message: AnyMessage) throws {
        for (version, flexible) in message.encodings {
            for seed in UInt64(1)...40 {
                #expect(try message.roundTrips(seed, version, flexible), "version \(version), seed \(seed)")
            }
        }
    }

    @Test(arguments: AnyMessage.all)
    func `cut short it is an error and never a crash`(message: AnyMessage) throws {
        for (version, flexible) in message.encodings {
            for seed in UInt64(1)...5 {
                let bytes = try message.encoded(seed, version, flexible)
                for count in 0..<bytes.count {
                    #expect(throws: ProtocolError.self, "version \(version), seed \(seed), \(count) bytes") {
                        try message.decode(bytes.prefix(count), version, flexible)
                    }
                }
            }
        }
    }

    @Test(arguments: AnyMessage.all)
    func `changed bytes are read or refused and never a crash`(message: AnyMessage) throws {
        var random = SeededRandom(seed: 7)
        for (version, flexible) in message.encodings {
            for seed in UInt64(1)...60 {
                var bytes = try message.encoded(seed, version, flexible)
                for _ in 0..<Int.random(in: 1...4, using: &random) where !bytes.isEmpty {
                    let index = Int.random(in: 0..<bytes.count, using: &random)
                    bytes[index] =
                        [0, 0x7F, 0x80, 0xFF, UInt8.random(in: 0...255, using: &random)].randomElement(using: &random)
                        ?? 0
                }
                try? message.decode(bytes[...], version, flexible)
                let noise = (0..<40).map { _ in UInt8.random(in: 0...255, using: &random) }
                try? message.decode(noise[...], version, flexible)
            }
        }
    }

    @Test func `an array that claims more elements than bytes is refused before anything is made`() {
        var writer = ByteWriter()
        writer.write(Int32(1_000_000_000))
        #expect(throws: ProtocolError.badLength(1_000_000_000)) {
            var reader = ByteReader(writer.output[...])
            _ = try DeleteGroupsRequest(from: &reader, version: 0)
        }
    }

    @Test func `a request of empty elements without end is refused`() {
        var writer = ByteWriter()
        let count = ByteReader.maxElements + 1
        writer.write(Int32(count))
        writer.output.append(contentsOf: [UInt8](repeating: 0, count: 2 * count))
        #expect(throws: ProtocolError.tooManyElements) {
            var reader = ByteReader(writer.output[...])
            _ = try DeleteGroupsRequest(from: &reader, version: 0)
        }
    }

    @Test func `metadata of version 0 asks for everything by naming nothing`() throws {
        var reader = ByteReader([0, 0, 0, 0])
        #expect(try MetadataRequest(from: &reader, version: 0).topics == nil)
        var later = ByteReader([0, 0, 0, 0])
        #expect(try MetadataRequest(from: &later, version: 1).topics == [])
        var null = ByteReader([0xFF, 0xFF, 0xFF, 0xFF])
        #expect(try MetadataRequest(from: &null, version: 1).topics == nil)
    }

    @Test func `before version 4 nobody can forbid making topics`() throws {
        var reader = ByteReader([0, 0, 0, 1, 0, 1, 0x61])
        let request = try MetadataRequest(from: &reader, version: 3)
        #expect(request.allowAutoCreation)
        #expect(request.topics?.map(\.name) == ["a"])
    }
}
