internal import CRdKafka
internal import Synchronization

/// How a consumer works.
public struct KafkaConsumerConfiguration: Sendable {
    /// What to do where the wanted offset is not in the log.
    public enum OffsetReset: String, Sendable {
        /// Report it as `KafkaConsumerEvent.failed` with `KafkaError.offsetOutOfRange`.
        case error
        /// Go on at the log's start.
        case earliest
        /// Go on at the log's end.
        case latest
    }

    /// `host:port`, several with commas.
    public var bootstrapServers: String
    /// The consumer group; also for a consumer that assigns by itself and only commits under this name.
    public var group: String
    /// The name brokers log.
    public var clientID = "needletail"
    /// What to do where the wanted offset is not in the log.
    public var offsetReset = OffsetReset.error
    /// Whether the end of a partition is reported.
    public var reportsEndOfPartition = false
    /// How long the broker may wait for data before it answers a fetch.
    public var fetchWaitMillis = 100
    /// How much is fetched ahead, per client, KiB.
    public var queueKibibytes = 65_536
    /// How much one fetch takes from one partition, bytes. A larger record still arrives.
    public var fetchBytesPerPartition = 4_194_304
    /// Without a heartbeat for so long the group gives our partitions to others.
    public var sessionTimeoutMillis = 10_000
    /// Without a `nextBatch` for so long we leave the group.
    public var maxPollIntervalMillis = 300_000
    /// librdkafka's own settings, set last.
    public var more: [String: String] = [:]

    /// The defaults, for these brokers and this group.
    public init(bootstrapServers: String, group: String) {
        self.bootstrapServers = bootstrapServers
        self.group = group
    }

    var settings: [(String, String)] {
        var list = commonSettings(bootstrapServers: bootstrapServers, clientID: clientID)
        list += [
            ("group.id", group), ("enable.auto.commit", "false"), ("enable.auto.offset.store", "false"),
            ("partition.assignment.strategy", "cooperative-sticky"), ("auto.offset.reset", offsetReset.rawValue),
            ("enable.partition.eof", reportsEndOfPartition ? "true" : "false"),
            ("fetch.wait.max.ms", "\(fetchWaitMillis)"), ("queued.max.messages.kbytes", "\(queueKibibytes)"),
            ("queued.min.messages", "100000"), ("fetch.message.max.bytes", "\(fetchBytesPerPartition)"),
            ("fetch.error.backoff.ms", "100"), ("session.timeout.ms", "\(sessionTimeoutMillis)"),
            ("heartbeat.interval.ms", "\(min(1_000, sessionTimeoutMillis / 3))"),
            ("max.poll.interval.ms", "\(maxPollIntervalMillis)"), ("check.crcs", "true"),
            ("allow.auto.create.topics", "false"),
        ]
        return list + more.sorted { $0.key < $1.key }
    }
}

/// What a poll tells beside records.
public enum KafkaConsumerEvent: Sendable, Hashable {
    /// The group gave us these. Nothing is fetched from them until the owner calls `assign`.
    case assigned([KafkaPartition])
    /// The group took these away, and fetching has stopped. `isLost`: others may have them already.
    case revoked([KafkaPartition], isLost: Bool)
    /// Everything before `offset` has been handed out.
    case endOfPartition(KafkaPartition, offset: Int64)
    /// Something is wrong with one partition, or (nil) with the client.
    case failed(KafkaPartition?, KafkaError)
}

/// Pulls records. One thread calls `nextBatch`, `assign` and `unassign`; the others may be called from any thread. All that
/// ask the broker block, and belong on a thread of their own.
///
/// A group member (`subscribe`) is told by events which partitions it owns and calls `assign` for each when its state is
/// ready, with the offset to begin at. Without a group, `assign` alone is enough. Partitions come and go one by one
/// (cooperative rebalancing), so what stays is not interrupted.
@safe public final class KafkaConsumer: @unchecked Sendable {
    // The queue's pointer never changes; librdkafka allows any call from any thread.
    private let handle: KafkaHandle
    private let queue: OpaquePointer
    private let isClosed = Mutex(false)

    /// Makes the client; connecting happens behind it.
    public init(_ configuration: KafkaConsumerConfiguration, onLog: KafkaLogHandler? = nil) throws(KafkaError) {
        handle = try KafkaHandle(type: RD_KAFKA_CONSUMER, settings: configuration.settings, onLog: onLog)
        // From here on errors and rebalances are served by the same poll that hands out records.
        unsafe rd_kafka_poll_set_consumer(handle.pointer)
        guard let queue = unsafe rd_kafka_queue_get_consumer(handle.pointer) else {
            throw .configuration(key: "group.id", reason: "a consumer needs a group name")
        }
        unsafe self.queue = queue
    }

    deinit { unsafe rd_kafka_queue_destroy(queue) }

    /// Joins the group for these topics. Partitions arrive as events of `nextBatch`.
    public func subscribe(topics: [String]) throws(KafkaError) {
        let list = PartitionList(topics.map { (KafkaPartition($0, -1), -1001) })
        let code = unsafe rd_kafka_subscribe(handle.pointer, list.pointer)
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else { throw handle.error(code, topics.joined(separator: ", ")) }
    }

    /// Begins to fetch a partition at an offset (not negative). One that is assigned already begins anew there.
    public func assign(_ partition: KafkaPartition, offset: Int64) throws(KafkaError) {
        precondition(offset >= 0, "an offset to begin at is not negative")
        try unassign(partition)
        let list = PartitionList([(partition, offset)])
        unsafe try check(rd_kafka_incremental_assign(handle.pointer, list.pointer))
        handle.state.assignment.withLock { _ = $0.insert(partition) }
    }

    /// Stops fetching a partition; records of it that were fetched ahead are dropped. It stays ours in the group.
    public func unassign(_ partition: KafkaPartition) throws(KafkaError) {
        guard handle.state.assignment.withLock({ $0.remove(partition) }) != nil else { return }
        let list = PartitionList(partitions: [partition])
        unsafe try check(rd_kafka_incremental_unassign(handle.pointer, list.pointer))
    }

    /// What is being fetched.
    public var assignment: Set<KafkaPartition> { handle.state.assignment.withLock { $0 } }

    /// Waits for the first record or event as long as said, then takes what else is there, at most `max` records.
    public func nextBatch(max: Int, timeoutMillis: Int32) throws(KafkaError) -> KafkaBatch {
        if let fatal = handle.fatalError { throw fatal }
        let batch = KafkaBatch(capacity: max, handle: handle)
        unsafe batch.fill(queue, timeoutMillis: timeoutMillis)
        return batch
    }

    /// Commits next offsets for this group, without waiting: for lag displays, since recovery does not read them.
    public func commit(_ nextOffsets: [KafkaPartition: Int64]) throws(KafkaError) {
        let list = PartitionList(nextOffsets.map { ($0.key, $0.value) })
        let code = unsafe rd_kafka_commit(handle.pointer, list.pointer, 1)
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else { throw handle.error(code) }
    }

    /// Commits next offsets and waits for the answer.
    public func commitAndWait(_ nextOffsets: [KafkaPartition: Int64]) throws(KafkaError) {
        let list = PartitionList(nextOffsets.map { ($0.key, $0.value) })
        let code = unsafe rd_kafka_commit(handle.pointer, list.pointer, 0)
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else { throw handle.error(code) }
    }

    /// The group's committed next offsets; a partition without one is not in the answer. Blocks.
    public func committed(
        _ partitions: [KafkaPartition], timeoutMillis: Int32
    ) throws(KafkaError) -> [KafkaPartition: Int64] {
        let list = PartitionList(partitions: partitions)
        let code = unsafe rd_kafka_committed(handle.pointer, list.pointer, timeoutMillis)
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else { throw handle.error(code) }
        return try list.offsets().filter { $0.value >= 0 }
    }

    /// The offset after the last record handed out, per partition; a partition without one is not in the answer.
    public func position(_ partitions: [KafkaPartition]) throws(KafkaError) -> [KafkaPartition: Int64] {
        let list = PartitionList(partitions: partitions)
        let code = unsafe rd_kafka_position(handle.pointer, list.pointer)
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else { throw handle.error(code) }
        return try list.offsets().filter { $0.value >= 0 }
    }

    /// Stops handing out records of these partitions, keeping the position.
    public func pause(_ partitions: [KafkaPartition]) throws(KafkaError) {
        let list = PartitionList(partitions: partitions)
        let code = unsafe rd_kafka_pause_partitions(handle.pointer, list.pointer)
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else { throw handle.error(code) }
    }

    /// Goes on with paused partitions.
    public func resume(_ partitions: [KafkaPartition]) throws(KafkaError) {
        let list = PartitionList(partitions: partitions)
        let code = unsafe rd_kafka_resume_partitions(handle.pointer, list.pointer)
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else { throw handle.error(code) }
    }

    /// Oldest and next offset, asked of the broker. Blocks.
    public func watermarks(of partition: KafkaPartition, timeoutMillis: Int32) throws(KafkaError) -> KafkaWatermarks {
        try handle.watermarks(of: partition, timeoutMillis: timeoutMillis)
    }

    /// Oldest and next offset as the last fetch told; nil before the first. Does not block.
    public func fetchedWatermarks(of partition: KafkaPartition) -> KafkaWatermarks? {
        var low: Int64 = -1
        var high: Int64 = -1
        let code = unsafe rd_kafka_get_watermark_offsets(
            handle.pointer, partition.topic, partition.partition, &low, &high)
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR, high >= 0 else { return nil }
        return KafkaWatermarks(low: Swift.max(low, 0), high: high)
    }

    /// The first offset at or after a time, per partition; −1 where all records are older. Blocks.
    public func offsetsForTimes(
        _ times: [KafkaPartition: Int64], timeoutMillis: Int32
    ) throws(KafkaError) -> [KafkaPartition: Int64] {
        try handle.offsetsForTimes(times, timeoutMillis: timeoutMillis)
    }

    /// Waits until a broker answers. Blocks; throws `unreachable` after the deadline.
    public func waitUntilReachable(timeoutMillis: Int32) throws(KafkaError) {
        try handle.waitUntilReachable(timeoutMillis: timeoutMillis)
    }

    /// Partitions of a topic, asked of the broker; nil when there is no such topic. Blocks.
    public func partitionCount(topic: String, timeoutMillis: Int32) throws(KafkaError) -> Int? {
        try handle.partitionCount(topic: topic, timeoutMillis: timeoutMillis)
    }

    /// Raised whenever the client tells of trouble with a broker. Whoever goes on with a log after that asks first whether it is
    /// still the same one.
    public var disturbances: Int { handle.state.disturbances.load(ordering: .relaxed) }

    /// What the connection suffers from, naming the broker; nil while it works.
    public var connectionProblem: String? { handle.connectionProblem }

    /// Leaves the group so that others get the partitions at once. Blocks; safe twice. Nothing may be polled after.
    public func close() {
        let wasClosed = isClosed.withLock { closed in
            defer { closed = true }
            return closed
        }
        if !wasClosed { unsafe rd_kafka_consumer_close(handle.pointer) }
        handle.state.assignment.withLock { $0.removeAll() }
    }

    private func check(_ error: OpaquePointer?) throws(KafkaError) {
        guard let error = unsafe error else { return }
        let code = unsafe rd_kafka_error_code(error)
        let reason = unsafe String(cString: rd_kafka_error_string(error))
        unsafe rd_kafka_error_destroy(error)
        throw handle.error(code, reason)
    }
}
