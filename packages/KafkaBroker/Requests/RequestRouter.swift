import EventLoop
import KafkaProtocol
import Observability

extension BrokerCore {
    /// Reads one request and lets its handler answer. What cannot be read ends the connection.
    func handle(_ frame: [UInt8], from connection: Connection) throws(ProtocolError) {
        var reader = ByteReader(frame[...])
        let header = try RequestHeader(from: &reader)
        let context = RequestContext(header: header, connection: connection)
        switch header.key {
        case .produce: try produce(read(&reader, header), context)
        case .fetch: fetch(try read(&reader, header), context)
        case .listOffsets: listOffsets(try read(&reader, header), context)
        case .metadata: context.answer(metadata(try read(&reader, header), version: header.version))
        case .offsetCommit: context.answer(offsetCommit(try read(&reader, header)))
        case .offsetFetch: context.answer(offsetFetch(try read(&reader, header)))
        case .findCoordinator: context.answer(findCoordinator(try read(&reader, header)))
        case .joinGroup: joinGroup(try read(&reader, header), context)
        case .heartbeat: context.answer(heartbeat(try read(&reader, header)))
        case .leaveGroup: leaveGroup(try read(&reader, header), context)
        case .syncGroup: syncGroup(try read(&reader, header), context)
        case .describeGroups: context.answer(describeGroups(try read(&reader, header)))
        case .listGroups: context.answer(listGroups(try read(&reader, header)))
        case .apiVersions: try apiVersions(&reader, context)
        case .createTopics: context.answer(createTopics(try read(&reader, header)))
        case .deleteTopics: context.answer(deleteTopics(try read(&reader, header)))
        case .deleteRecords: deleteRecords(try read(&reader, header), context)
        case .initProducerID: context.answer(initProducerID(try read(&reader, header)))
        case .describeConfigs: context.answer(describeConfigs(try read(&reader, header)))
        case .alterConfigs: context.answer(alterConfigs(try read(&reader, header)))
        case .createPartitions: context.answer(createPartitions(try read(&reader, header)))
        case .deleteGroups: context.answer(deleteGroups(try read(&reader, header)))
        case .incrementalAlterConfigs: context.answer(incrementalAlterConfigs(try read(&reader, header)))
        case .offsetDelete: context.answer(offsetDelete(try read(&reader, header)))
        }
    }

    private func read<Message: KafkaMessage>(
        _ reader: inout ByteReader, _ header: RequestHeader
    ) throws(ProtocolError) -> Message {
        try Message(from: &reader, version: header.version)
    }

    /// The wall clock: for records' times, and for what is remembered on the disk.
    var nowMillis: Int64 { EventLoop.wallClockMillis() }

    /// A clock that nobody sets: for how long something may take.
    var monotonicMillis: Int64 { EventLoop.monotonicMicros() / 1_000 }

    /// The address that clients are told. Never a name: `localhost` may mean an address where nobody listens.
    var advertisedHost: String {
        if let host = configuration.advertisedHost { return host }
        return ["0.0.0.0", "localhost", ""].contains(configuration.host) ? "127.0.0.1" : configuration.host
    }

    /// Reports a failing disk, and gives the code to answer with.
    func report(_ error: LogError, _ log: PartitionLog) -> ErrorCode {
        switch error {
        case .outOfRange: return .offsetOutOfRange
        case .corrupt:
            self.log.error("stored batch is damaged", ["folder": log.folder, "reason": error.description])
            return .corruptMessage
        case .storage:
            self.log.error("disk failed", ["folder": log.folder, "reason": error.description])
            return .kafkaStorageError
        }
    }
}
