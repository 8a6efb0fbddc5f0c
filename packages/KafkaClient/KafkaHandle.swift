internal import CRdKafka
internal import Glibc
internal import Synchronization

/// What callbacks of one client leave behind for its owner.
final class KafkaClientState: Sendable {
    struct Health {
        var problem: String?
        var fatal: KafkaError?
    }
    let servers: String
    let onLog: KafkaLogHandler?
    let health = Mutex(Health())
    let deliveries = Mutex<[KafkaDelivery]>([])
    let events = Mutex<[KafkaConsumerEvent]>([])
    /// How often the client told of trouble: after each, a broker may be another one, or the same without what it had not synced.
    let disturbances = Atomic<Int>(0)
    /// What this consumer has told librdkafka to fetch.
    let assignment = Mutex<Set<KafkaPartition>>([])

    init(servers: String, onLog: KafkaLogHandler?) {
        self.servers = servers
        self.onLog = onLog
    }
}

/// Sole owner of one `rd_kafka_t`. librdkafka allows any call from any thread, and the pointer never changes, so sharing it
/// is safe; whoever made something out of it (topics, queues, messages) keeps this object alive until that is gone.
@safe final class KafkaHandle: @unchecked Sendable {
    let pointer: OpaquePointer
    let state: KafkaClientState
    private let isConsumer: Bool

    init(
        type: rd_kafka_type_t, settings: [(String, String)], onLog: KafkaLogHandler?
    ) throws(KafkaError) {
        let servers = settings.last { $0.0 == "bootstrap.servers" }?.1 ?? ""
        state = KafkaClientState(servers: servers, onLog: onLog)
        isConsumer = type == RD_KAFKA_CONSUMER
        guard let conf = unsafe rd_kafka_conf_new() else {
            throw .fatal(code: RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE.rawValue, reason: "out of memory")
        }
        var problem: KafkaError?
        for (key, value) in settings {
            let (result, reason) = unsafe Self.withErrorText { unsafe rd_kafka_conf_set(conf, key, value, $0, $1) }
            if result != RD_KAFKA_CONF_OK {
                problem = .configuration(key: key, reason: reason)
                break
            }
        }
        // The state outlives the client: `deinit` destroys the client while it still holds the state.
        unsafe rd_kafka_conf_set_opaque(conf, Unmanaged.passUnretained(state).toOpaque())
        unsafe rd_kafka_conf_set_log_cb(conf, noteLog)
        unsafe rd_kafka_conf_set_error_cb(conf, noteError)
        if isConsumer {
            unsafe rd_kafka_conf_set_rebalance_cb(conf, noteRebalance)
        } else {
            unsafe rd_kafka_conf_set_dr_msg_cb(conf, noteDelivery)
        }
        if let problem {
            unsafe rd_kafka_conf_destroy(conf)
            throw problem
        }
        let (made, reason) = unsafe Self.withErrorText { unsafe rd_kafka_new(type, conf, $0, $1) }
        guard let made = unsafe made else {
            unsafe rd_kafka_conf_destroy(conf)  // librdkafka takes the conf only when this succeeds.
            throw .configuration(key: "client", reason: reason)
        }
        unsafe pointer = made
    }

    deinit {
        // A consumer's `close` has left the group already, or the owner did not care to.
        unsafe rd_kafka_destroy_flags(pointer, isConsumer ? Int32(RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE) : 0)
    }

    private static func withErrorText<R>(_ body: (UnsafeMutablePointer<CChar>?, Int) -> R) -> (R, String) {
        var text = [CChar](repeating: 0, count: 512)
        let result = unsafe text.withUnsafeMutableBufferPointer { unsafe body($0.baseAddress, $0.count) }
        let bytes = text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        return (result, String(decoding: bytes, as: UTF8.self))
    }

    /// The error that ended this client, when one did.
    var fatalError: KafkaError? { state.health.withLock { $0.fatal } }

    /// What the connection to the brokers suffers from; nil while it works.
    var connectionProblem: String? { state.health.withLock { $0.problem } }

    func noteSuccess() {
        state.health.withLock { if $0.problem != nil { $0.problem = nil } }
    }

    /// Names the brokers when the reason is that none answered.
    func error(_ code: rd_kafka_resp_err_t, _ detail: String? = nil) -> KafkaError {
        switch code {
        case RD_KAFKA_RESP_ERR__TRANSPORT, RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, RD_KAFKA_RESP_ERR__TIMED_OUT,
            RD_KAFKA_RESP_ERR__RESOLVE:
            guard let problem = connectionProblem else { return KafkaError(code, detail) }
            return .unreachable(servers: state.servers, reason: problem)
        default: return KafkaError(code, detail)
        }
    }

    /// Oldest and next offset, asked of the broker. Blocks.
    func watermarks(of partition: KafkaPartition, timeoutMillis: Int32) throws(KafkaError) -> KafkaWatermarks {
        var low: Int64 = 0
        var high: Int64 = 0
        let deadline = ContinuousClock.now + .milliseconds(Int(timeoutMillis))
        while true {
            let code = unsafe rd_kafka_query_watermark_offsets(
                pointer, partition.topic, partition.partition, &low, &high, timeoutMillis)
            if code == RD_KAFKA_RESP_ERR_NO_ERROR { break }
            // The leader of a topic made a moment ago may not know yet that it leads; librdkafka does not ask again.
            let passes =
                code == RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION || code == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE
            guard passes, ContinuousClock.now < deadline else { throw error(code, "\(partition)") }
            usleep(50_000)
        }
        return KafkaWatermarks(low: low, high: high)
    }

    /// The first offset at or after a time, per partition; the end of the log where all records are older. Blocks.
    func offsetsForTimes(
        _ times: [KafkaPartition: Int64], timeoutMillis: Int32
    ) throws(KafkaError) -> [KafkaPartition: Int64] {
        let list = PartitionList(times.map { ($0.key, $0.value) })
        let code = unsafe rd_kafka_offsets_for_times(pointer, list.pointer, timeoutMillis)
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else { throw error(code) }
        return try list.offsets()
    }

    /// Partitions of one topic; nil when there is no such topic. Blocks.
    func partitionCount(topic: String, timeoutMillis: Int32) throws(KafkaError) -> Int? {
        guard let handle = unsafe rd_kafka_topic_new(pointer, topic, nil) else {
            throw error(rd_kafka_last_error(), topic)
        }
        defer { unsafe rd_kafka_topic_destroy(handle) }
        var metadata: UnsafePointer<rd_kafka_metadata>?
        let code = unsafe rd_kafka_metadata(pointer, 0, handle, &metadata, timeoutMillis)
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR, let metadata = unsafe metadata else { throw error(code, topic) }
        defer { unsafe rd_kafka_metadata_destroy(metadata) }
        guard unsafe metadata.pointee.topic_cnt == 1 else { return nil }
        let found = unsafe metadata.pointee.topics[0]
        guard unsafe found.err != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART else { return nil }
        guard unsafe found.err == RD_KAFKA_RESP_ERR_NO_ERROR else { throw unsafe error(found.err, topic) }
        return unsafe Int(found.partition_cnt)
    }

    /// Waits until a broker answers. Blocks; throws `unreachable` with the address after the deadline.
    func waitUntilReachable(timeoutMillis: Int32) throws(KafkaError) {
        var metadata: UnsafePointer<rd_kafka_metadata>?
        let code = unsafe rd_kafka_metadata(pointer, 0, nil, &metadata, timeoutMillis)
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else {
            unsafe rd_kafka_poll(pointer, 0)  // Lets the error callback say why.
            let name = unsafe String(cString: rd_kafka_err2str(code))
            throw .unreachable(servers: state.servers, reason: connectionProblem ?? name)
        }
        if let metadata = unsafe metadata { unsafe rd_kafka_metadata_destroy(metadata) }
        noteSuccess()
    }
}

/// Sole owner of one list of partitions with offsets.
@safe struct PartitionList: ~Copyable {
    let pointer: UnsafeMutablePointer<rd_kafka_topic_partition_list_t>

    init(_ entries: [(KafkaPartition, Int64)] = []) {
        guard let made = unsafe rd_kafka_topic_partition_list_new(Int32(entries.count)) else {
            preconditionFailure("out of memory")
        }
        unsafe pointer = made
        for (partition, offset) in entries {
            let entry = unsafe rd_kafka_topic_partition_list_add(made, partition.topic, partition.partition)
            unsafe entry?.pointee.offset = offset
        }
    }

    init(partitions: some Collection<KafkaPartition>) { self.init(partitions.map { ($0, -1001) }) }

    deinit { unsafe rd_kafka_topic_partition_list_destroy(pointer) }

    static func partitions(_ list: UnsafePointer<rd_kafka_topic_partition_list_t>?) -> [KafkaPartition] {
        guard let list = unsafe list else { return [] }
        return (0..<Int(unsafe list.pointee.cnt)).map { index in
            let element = unsafe list.pointee.elems[index]
            return KafkaPartition(unsafe String(cString: element.topic), unsafe element.partition)
        }
    }

    static func offsets(
        _ list: UnsafePointer<rd_kafka_topic_partition_list_t>?
    ) throws(KafkaError) -> [KafkaPartition: Int64] {
        var result: [KafkaPartition: Int64] = [:]
        guard let list = unsafe list else { return result }
        for index in 0..<Int(unsafe list.pointee.cnt) {
            let element = unsafe list.pointee.elems[index]
            let partition = KafkaPartition(unsafe String(cString: element.topic), unsafe element.partition)
            guard unsafe element.err == RD_KAFKA_RESP_ERR_NO_ERROR else {
                throw KafkaError(unsafe element.err, "\(partition)")
            }
            result[partition] = unsafe element.offset
        }
        return result
    }

    func offsets() throws(KafkaError) -> [KafkaPartition: Int64] { unsafe try Self.offsets(pointer) }
}

private func state(_ opaque: UnsafeMutableRawPointer?) -> KafkaClientState? {
    guard let opaque = unsafe opaque else { return nil }
    return unsafe Unmanaged<KafkaClientState>.fromOpaque(opaque).takeUnretainedValue()
}

private let noteLog: @convention(c) (OpaquePointer?, Int32, UnsafePointer<CChar>?, UnsafePointer<CChar>?) -> Void = {
    client, level, facility, message in
    guard let client = unsafe client, let handler = unsafe state(rd_kafka_opaque(client))?.onLog else { return }
    let facility = unsafe facility.map { unsafe String(cString: $0) } ?? ""
    let message = unsafe message.map { unsafe String(cString: $0) } ?? ""
    handler(KafkaLogLine(level: level, facility: facility, message: message))
}

private let noteError: @convention(c) (OpaquePointer?, Int32, UnsafePointer<CChar>?, UnsafeMutableRawPointer?) -> Void =
    {
        client, code, reason, opaque in
        guard let client = unsafe client, let state = unsafe state(opaque) else { return }
        var text = unsafe reason.map { unsafe String(cString: $0) } ?? ""
        var kind = rd_kafka_resp_err_t(code)
        if kind == RD_KAFKA_RESP_ERR__FATAL {
            var buffer = [CChar](repeating: 0, count: 512)
            kind = unsafe rd_kafka_fatal_error(client, &buffer, buffer.count)
            text = String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            state.health.withLock { $0.fatal = .fatal(code: kind.rawValue, reason: text) }
            return
        }
        state.disturbances.wrappingAdd(1, ordering: .relaxed)
        state.health.withLock { health in
            // "1/1 brokers are down" follows the sentence that says why; that one is worth keeping.
            let isAboutAll = kind == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN
            if isAboutAll, health.problem != nil { return }
            health.problem = isAboutAll ? "\(state.servers): \(text)" : text
        }
    }

private let noteDelivery:
    @convention(c) (OpaquePointer?, UnsafePointer<rd_kafka_message_t>?, UnsafeMutableRawPointer?) -> Void = {
        _, message, opaque in
        guard let message = unsafe message, let state = unsafe state(opaque) else { return }
        let delivery = KafkaDelivery(
            token: unsafe UInt64(UInt(bitPattern: message.pointee._private)),
            partition: unsafe message.pointee.partition, offset: unsafe message.pointee.offset,
            errorCode: unsafe message.pointee.err.rawValue)
        state.deliveries.withLock { $0.append(delivery) }
        if delivery.errorCode == 0 { state.health.withLock { if $0.problem != nil { $0.problem = nil } } }
    }

/// Runs inside the consumer's poll. Assigning is left to the owner, who first recovers the partition's state: here the group
/// is only told that the decision was taken note of.
private let noteRebalance:
    @convention(c) (
        OpaquePointer?, rd_kafka_resp_err_t, UnsafeMutablePointer<rd_kafka_topic_partition_list_t>?,
        UnsafeMutableRawPointer?
    ) -> Void = { client, code, list, opaque in
        guard let client = unsafe client, let state = unsafe state(opaque) else { return }
        let partitions = unsafe PartitionList.partitions(list)
        if code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            let nothing = PartitionList()
            if let error = unsafe rd_kafka_incremental_assign(client, nothing.pointer) {
                unsafe rd_kafka_error_destroy(error)
            }
            if !partitions.isEmpty { state.events.withLock { $0.append(.assigned(partitions)) } }
            return
        }
        let isLost = unsafe rd_kafka_assignment_lost(client) != 0
        let fetched = state.assignment.withLock { assignment in
            let fetched = assignment.intersection(partitions)
            assignment.subtract(fetched)
            return fetched
        }
        let gone = PartitionList(partitions: fetched)
        if let error = unsafe rd_kafka_incremental_unassign(client, gone.pointer) {
            unsafe rd_kafka_error_destroy(error)
            unsafe rd_kafka_assign(client, nil)
        }
        if !partitions.isEmpty { state.events.withLock { $0.append(.revoked(partitions, isLost: isLost)) } }
    }
