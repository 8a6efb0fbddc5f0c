internal import CRdKafka
internal import Synchronization

/// What one poll brought: records, still in librdkafka's memory, and events. Dropping it frees the records.
///
/// Records of one partition are in offset order; `runs` groups neighbours of the same partition, so that per-partition work
/// needs no look-up per record. A batch may move to another thread; it is read-only.
@safe public final class KafkaBatch: @unchecked Sendable {
    /// Neighbouring records of one partition.
    public struct Run: Sendable {
        /// Their partition.
        public let partition: KafkaPartition
        /// Their places in the batch.
        public let records: Range<Int>
    }

    // Written only while `fill` runs, before anybody else sees the batch. The messages keep their client alive through
    // `handle`, because librdkafka needs it to free them.
    private let messages: UnsafeMutablePointer<UnsafeMutablePointer<rd_kafka_message_t>?>
    private let capacity: Int
    private let handle: KafkaHandle
    /// How many records there are.
    public private(set) var count = 0
    /// Neighbouring records of the same partition, in order.
    public private(set) var runs: [Run] = []
    /// What happened up to the end of this batch. Records of revoked partitions are not in the batch.
    public private(set) var events: [KafkaConsumerEvent] = []

    init(capacity: Int, handle: KafkaHandle) {
        self.capacity = Swift.max(1, capacity)
        self.handle = handle
        unsafe messages = .allocate(capacity: self.capacity)
    }

    deinit {
        for index in 0..<count { unsafe rd_kafka_message_destroy(messages[index]) }
        unsafe messages.deallocate()
    }

    /// Whether it brought neither records nor events.
    public var isEmpty: Bool { count == 0 && events.isEmpty }

    /// Waits for one message, then takes what is already there: librdkafka's batch call alone would wait for a full batch.
    func fill(_ queue: OpaquePointer, timeoutMillis: Int32) {
        var received = unsafe Swift.max(0, rd_kafka_consume_batch_queue(queue, timeoutMillis, messages, 1))
        if received == 1, capacity > 1 {
            received += unsafe Swift.max(0, rd_kafka_consume_batch_queue(queue, 0, messages + 1, capacity - 1))
        }
        events = handle.state.events.withLock { events in
            defer { events = [] }
            return events
        }
        let assigned = handle.state.assignment.withLock { $0 }
        var runTopic: OpaquePointer?
        var runPartition: KafkaPartition?
        var runStart = 0
        var runIsOurs = false
        for index in 0..<received {
            guard let message = unsafe messages[index] else { continue }
            guard unsafe message.pointee.err == RD_KAFKA_RESP_ERR_NO_ERROR else {
                unsafe note(message)
                unsafe rd_kafka_message_destroy(message)
                continue
            }
            let topic = unsafe message.pointee.rkt
            let number = unsafe message.pointee.partition
            if unsafe topic != runTopic || runPartition?.partition != number {
                if let runPartition, count > runStart {
                    runs.append(Run(partition: runPartition, records: runStart..<count))
                }
                let partition = KafkaPartition(unsafe String(cString: rd_kafka_topic_name(topic)), number)
                unsafe runTopic = topic
                runPartition = partition
                runStart = count
                runIsOurs = assigned.contains(partition)
            }
            guard runIsOurs else {
                unsafe rd_kafka_message_destroy(message)
                continue
            }
            unsafe messages[count] = message
            count += 1
        }
        if let runPartition, count > runStart { runs.append(Run(partition: runPartition, records: runStart..<count)) }
        if count > 0 { handle.noteSuccess() }
    }

    private func note(_ message: UnsafeMutablePointer<rd_kafka_message_t>) {
        let code = unsafe message.pointee.err
        var partition: KafkaPartition?
        if let topic = unsafe message.pointee.rkt {
            partition = KafkaPartition(
                unsafe String(cString: rd_kafka_topic_name(topic)), unsafe message.pointee.partition)
        }
        if code == RD_KAFKA_RESP_ERR__PARTITION_EOF, let partition {
            events.append(.endOfPartition(partition, offset: unsafe message.pointee.offset))
            return
        }
        let reason = unsafe rd_kafka_message_errstr(message).map { unsafe String(cString: $0) }
        events.append(.failed(partition, handle.error(code, reason)))
    }

    private func message(at index: Int) -> UnsafeMutablePointer<rd_kafka_message_t> {
        precondition(index >= 0 && index < count, "no such record in this batch")
        guard let message = unsafe messages[index] else { preconditionFailure("a record is never nil") }
        return unsafe message
    }

    /// The record's offset.
    public func offset(at index: Int) -> Int64 { unsafe message(at: index).pointee.offset }

    /// The record's timestamp, ms UTC: the moment of producing; −1 when it has none.
    public func timestampMillis(at index: Int) -> Int64 {
        var kind = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE
        return unsafe rd_kafka_message_timestamp(message(at: index), &kind)
    }

    /// The bytes of the value, without a copy.
    public func withValue<R, Failure: Error>(
        at index: Int, _ body: (Span<UInt8>) throws(Failure) -> R
    ) throws(Failure) -> R {
        let message = unsafe message(at: index)
        let buffer = unsafe UnsafeRawBufferPointer(start: message.pointee.payload, count: message.pointee.len)
        return try body(unsafe buffer.bindMemory(to: UInt8.self).span)
    }

    /// The bytes of the key, without a copy; empty when there is none.
    public func withKey<R, Failure: Error>(
        at index: Int, _ body: (Span<UInt8>) throws(Failure) -> R
    ) throws(Failure) -> R {
        let message = unsafe message(at: index)
        let buffer = unsafe UnsafeRawBufferPointer(start: message.pointee.key, count: message.pointee.key_len)
        return try body(unsafe buffer.bindMemory(to: UInt8.self).span)
    }

    /// Whether the record has a value; one without is a tombstone.
    public func hasValue(at index: Int) -> Bool { unsafe message(at: index).pointee.payload != nil }

    /// Whether the record has a key.
    public func hasKey(at index: Int) -> Bool { unsafe message(at: index).pointee.key != nil }

    /// A copy of the value.
    public func value(at index: Int) -> [UInt8] {
        let message = unsafe message(at: index)
        return unsafe Array(UnsafeRawBufferPointer(start: message.pointee.payload, count: message.pointee.len))
    }

    /// A copy of the key; empty when there is none.
    public func key(at index: Int) -> [UInt8] {
        let message = unsafe message(at: index)
        return unsafe Array(UnsafeRawBufferPointer(start: message.pointee.key, count: message.pointee.key_len))
    }

    /// The record's headers, copied.
    public func headers(at index: Int) -> [KafkaHeader] {
        var list: OpaquePointer?
        guard unsafe rd_kafka_message_headers(message(at: index), &list) == RD_KAFKA_RESP_ERR_NO_ERROR else {
            return []
        }
        var headers: [KafkaHeader] = []
        var name: UnsafePointer<CChar>?
        var value: UnsafeRawPointer?
        var size = 0
        while unsafe rd_kafka_header_get_all(list, headers.count, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR {
            let bytes = unsafe Array(UnsafeRawBufferPointer(start: value, count: size))
            headers.append(KafkaHeader(unsafe name.map { unsafe String(cString: $0) } ?? "", bytes))
        }
        return headers
    }
}
