internal import CRdKafka

/// A topic to make.
public struct KafkaTopicDefinition: Sendable {
    /// Its name.
    public var name: String
    /// How many partitions it gets.
    public var partitions: Int
    /// How many brokers keep a copy.
    public var replication: Int
    /// Broker settings such as `retention.ms`.
    public var configuration: [String: String]

    /// A topic to make.
    public init(_ name: String, partitions: Int, replication: Int = 1, configuration: [String: String] = [:]) {
        self.name = name
        self.partitions = partitions
        self.replication = replication
        self.configuration = configuration
    }
}

/// Makes, describes and deletes topics, and reads offsets of groups. Everything blocks: use it on a thread of its own.
@safe public final class KafkaAdmin: Sendable {
    private let handle: KafkaHandle
    private let timeoutMillis: Int32

    /// Makes the client; connecting happens behind it. No request waits for its answer for longer than `timeoutMillis`.
    public init(
        bootstrapServers: String, timeoutMillis: Int32 = 10_000, onLog: KafkaLogHandler? = nil
    ) throws(KafkaError) {
        self.timeoutMillis = timeoutMillis
        let settings = commonSettings(bootstrapServers: bootstrapServers, clientID: "needletail-admin")
        handle = try KafkaHandle(type: RD_KAFKA_PRODUCER, settings: settings, onLog: onLog)
    }

    /// Waits until a broker answers; throws `unreachable` with the address after the deadline.
    public func waitUntilReachable(timeoutMillis: Int32) throws(KafkaError) {
        try handle.waitUntilReachable(timeoutMillis: timeoutMillis)
    }

    /// Makes topics, and returns when the broker knows them; one that exists is fine and stays as it is. Returns the names of
    /// those made now.
    @discardableResult
    public func createTopics(_ topics: [KafkaTopicDefinition]) throws(KafkaError) -> [String] {
        guard !topics.isEmpty else { return [] }
        var list: [OpaquePointer?] = unsafe []
        defer { unsafe list.forEach { unsafe rd_kafka_NewTopic_destroy($0) } }
        for topic in topics {
            var reason = [CChar](repeating: 0, count: 256)
            guard
                let made = unsafe rd_kafka_NewTopic_new(
                    topic.name, Int32(topic.partitions), Int32(topic.replication), &reason, reason.count)
            else {
                let text = String(decoding: reason.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
                throw .configuration(key: topic.name, reason: text)
            }
            unsafe list.append(made)
            for (key, value) in topic.configuration.sorted(by: { $0.key < $1.key }) {
                unsafe rd_kafka_NewTopic_set_config(made, key, value)
            }
        }
        let event = try unsafe request(RD_KAFKA_ADMIN_OP_CREATETOPICS) { options, queue in
            unsafe list.withUnsafeMutableBufferPointer { buffer in
                unsafe rd_kafka_CreateTopics(handle.pointer, buffer.baseAddress, buffer.count, options, queue)
            }
        }
        defer { unsafe rd_kafka_event_destroy(event) }
        var count = 0
        let results = unsafe rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count)
        let made = try unsafe names(results, count, ignoring: RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
        // The controller has them now, and the broker that answers metadata hears of it a moment later.
        for _ in 0..<Swift.max(1, timeoutMillis / 20) {
            let known = try self.topics()
            if topics.allSatisfy({ known[$0.name] != nil }) { break }
            unsafe rd_kafka_poll(handle.pointer, 20)
        }
        return made
    }

    /// Deletes topics; one that is not there is fine. Returns the names of those deleted.
    @discardableResult
    public func deleteTopics(_ topics: [String]) throws(KafkaError) -> [String] {
        guard !topics.isEmpty else { return [] }
        var list = unsafe topics.map { unsafe rd_kafka_DeleteTopic_new($0) }
        defer { unsafe list.forEach { unsafe rd_kafka_DeleteTopic_destroy($0) } }
        let event = try unsafe request(RD_KAFKA_ADMIN_OP_DELETETOPICS) { options, queue in
            unsafe list.withUnsafeMutableBufferPointer { buffer in
                unsafe rd_kafka_DeleteTopics(handle.pointer, buffer.baseAddress, buffer.count, options, queue)
            }
        }
        defer { unsafe rd_kafka_event_destroy(event) }
        var count = 0
        let results = unsafe rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(event), &count)
        return try unsafe names(results, count, ignoring: RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
    }

    /// Deletes records before these offsets; returns the new oldest offsets.
    @discardableResult
    public func deleteRecords(before offsets: [KafkaPartition: Int64]) throws(KafkaError) -> [KafkaPartition: Int64] {
        let partitions = PartitionList(offsets.map { ($0.key, $0.value) })
        var list: [OpaquePointer?] = unsafe [rd_kafka_DeleteRecords_new(partitions.pointer)]
        defer { unsafe rd_kafka_DeleteRecords_destroy(list[0]) }
        let event = try unsafe request(RD_KAFKA_ADMIN_OP_DELETERECORDS) { options, queue in
            unsafe list.withUnsafeMutableBufferPointer { buffer in
                unsafe rd_kafka_DeleteRecords(handle.pointer, buffer.baseAddress, 1, options, queue)
            }
        }
        defer { unsafe rd_kafka_event_destroy(event) }
        let result = unsafe rd_kafka_DeleteRecords_result_offsets(rd_kafka_event_DeleteRecords_result(event))
        return try unsafe PartitionList.offsets(result)
    }

    /// Partition counts of every topic the cluster has.
    public func topics() throws(KafkaError) -> [String: Int] {
        var metadata: UnsafePointer<rd_kafka_metadata>?
        let code = unsafe rd_kafka_metadata(handle.pointer, 1, nil, &metadata, timeoutMillis)
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR, let metadata = unsafe metadata else {
            unsafe rd_kafka_poll(handle.pointer, 0)
            throw handle.error(code)
        }
        defer { unsafe rd_kafka_metadata_destroy(metadata) }
        var counts: [String: Int] = [:]
        for index in 0..<Int(unsafe metadata.pointee.topic_cnt) {
            let topic = unsafe metadata.pointee.topics[index]
            guard unsafe topic.err == RD_KAFKA_RESP_ERR_NO_ERROR else { continue }
            counts[unsafe String(cString: topic.topic)] = Int(unsafe topic.partition_cnt)
        }
        return counts
    }

    /// The number of partitions of one topic, nil when the cluster does not have it. Never makes it.
    public func partitionCount(topic: String) throws(KafkaError) -> Int? {
        try topics()[topic]
    }

    /// Oldest and next offset of a partition.
    public func watermarks(of partition: KafkaPartition) throws(KafkaError) -> KafkaWatermarks {
        try handle.watermarks(of: partition, timeoutMillis: timeoutMillis)
    }

    /// The first offset at or after a time, per partition; −1 where all records are older.
    public func offsetsForTimes(_ times: [KafkaPartition: Int64]) throws(KafkaError) -> [KafkaPartition: Int64] {
        try handle.offsetsForTimes(times, timeoutMillis: timeoutMillis)
    }

    /// The next offsets a group has committed; partitions without one are not in the answer. Empty for an unknown group.
    public func committedOffsets(group: String) throws(KafkaError) -> [KafkaPartition: Int64] {
        // Asking for "all" becomes "none" in librdkafka 2.0.2 with brokers that serve OffsetFetch below version 6.
        var partitions: [KafkaPartition] = []
        for (topic, count) in try topics() where !topic.hasPrefix("__") {
            for partition in 0..<Int32(count) { partitions.append(KafkaPartition(topic, partition)) }
        }
        guard !partitions.isEmpty else { return [:] }
        let asked = PartitionList(partitions: partitions)
        var list: [OpaquePointer?] = unsafe [rd_kafka_ListConsumerGroupOffsets_new(group, asked.pointer)]
        defer { unsafe rd_kafka_ListConsumerGroupOffsets_destroy(list[0]) }
        let event = try unsafe request(RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS) { options, queue in
            unsafe list.withUnsafeMutableBufferPointer { buffer in
                unsafe rd_kafka_ListConsumerGroupOffsets(handle.pointer, buffer.baseAddress, 1, options, queue)
            }
        }
        defer { unsafe rd_kafka_event_destroy(event) }
        var count = 0
        let result = unsafe rd_kafka_event_ListConsumerGroupOffsets_result(event)
        guard let groups = unsafe rd_kafka_ListConsumerGroupOffsets_result_groups(result, &count), count > 0 else {
            return [:]
        }
        if let error = unsafe rd_kafka_group_result_error(groups[0]) {
            throw KafkaError(unsafe rd_kafka_error_code(error), group)
        }
        return try unsafe PartitionList.offsets(rd_kafka_group_result_partitions(groups[0])).filter { $0.value >= 0 }
    }

    /// Sends one request and waits for its event, which the caller destroys.
    private func request(
        _ operation: rd_kafka_admin_op_t, _ send: (OpaquePointer?, OpaquePointer?) -> Void
    ) throws(KafkaError) -> OpaquePointer {
        let queue = unsafe rd_kafka_queue_new(handle.pointer)
        let options = unsafe rd_kafka_AdminOptions_new(handle.pointer, operation)
        defer {
            unsafe rd_kafka_AdminOptions_destroy(options)
            unsafe rd_kafka_queue_destroy(queue)
        }
        unsafe rd_kafka_AdminOptions_set_request_timeout(options, timeoutMillis, nil, 0)
        unsafe send(options, queue)
        // The request ends by its own timeout; a little more leaves it the time to say so.
        guard let event = unsafe rd_kafka_queue_poll(queue, timeoutMillis + 1_000) else {
            unsafe rd_kafka_poll(handle.pointer, 0)
            throw handle.error(RD_KAFKA_RESP_ERR__TIMED_OUT)
        }
        let code = unsafe rd_kafka_event_error(event)
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else {
            let reason = unsafe String(cString: rd_kafka_event_error_string(event))
            unsafe rd_kafka_event_destroy(event)
            unsafe rd_kafka_poll(handle.pointer, 0)
            throw handle.error(code, reason)
        }
        return unsafe event
    }

    private func names(
        _ results: UnsafeMutablePointer<OpaquePointer?>?, _ count: Int, ignoring fine: rd_kafka_resp_err_t
    ) throws(KafkaError) -> [String] {
        var names: [String] = []
        for index in 0..<count {
            guard let result = unsafe results?[index] else { continue }
            let name = unsafe String(cString: rd_kafka_topic_result_name(result))
            let code = unsafe rd_kafka_topic_result_error(result)
            if code == fine { continue }
            guard code == RD_KAFKA_RESP_ERR_NO_ERROR else {
                let reason = unsafe rd_kafka_topic_result_error_string(result).map { unsafe String(cString: $0) } ?? ""
                throw KafkaError(code, "\(name): \(reason)")
            }
            names.append(name)
        }
        return names
    }
}
