internal import CRdKafka
internal import Synchronization

/// How a producer works. The defaults are for a stream of many small records that must not be lost.
public struct KafkaProducerConfiguration: Sendable {
    /// `host:port`, several with commas.
    public var bootstrapServers: String
    /// The name brokers log.
    public var clientID = "needletail"
    /// Each record once and in order in its partition, also when the broker's answer got lost.
    public var isIdempotent = true
    /// How long a batch waits to fill.
    public var lingerMillis = 5
    /// The largest batch.
    public var batchBytes = 1_000_000
    /// How many records may wait for their acknowledgement before `send` says `.full`.
    public var queueRecords = 100_000
    /// How many bytes may wait, KiB.
    public var queueKibibytes = 262_144
    /// The largest record, bytes.
    public var maxRecordBytes = 1_000_000
    /// When a record that was not acknowledged counts as failed; 0 is never.
    public var deliveryTimeoutMillis = 0
    /// `none`, `lz4`, `zstd`, `gzip` or `snappy`.
    public var compression = "none"
    /// librdkafka's own settings, set last.
    public var more: [String: String] = [:]

    /// The defaults, for these brokers.
    public init(bootstrapServers: String) { self.bootstrapServers = bootstrapServers }

    var settings: [(String, String)] {
        var list = commonSettings(bootstrapServers: bootstrapServers, clientID: clientID)
        list += [
            ("acks", "all"), ("enable.idempotence", isIdempotent ? "true" : "false"),
            ("linger.ms", "\(lingerMillis)"), ("batch.size", "\(batchBytes)"), ("batch.num.messages", "10000"),
            ("queue.buffering.max.messages", "\(queueRecords)"),
            ("queue.buffering.max.kbytes", "\(queueKibibytes)"), ("message.max.bytes", "\(maxRecordBytes)"),
            ("message.timeout.ms", "\(deliveryTimeoutMillis)"), ("compression.codec", compression),
            ("retry.backoff.ms", "100"),
        ]
        return list + more.sorted { $0.key < $1.key }
    }
}

/// Settings every client has: reconnecting quickly, and being quiet about idle connections that the broker closes.
func commonSettings(bootstrapServers: String, clientID: String) -> [(String, String)] {
    [
        ("bootstrap.servers", bootstrapServers), ("client.id", clientID), ("log.connection.close", "false"),
        ("socket.nagle.disable", "true"), ("reconnect.backoff.ms", "100"), ("reconnect.backoff.max.ms", "1000"),
        ("topic.metadata.refresh.interval.ms", "60000"), ("log_level", "6"),
    ]
}

/// What became of one record.
public struct KafkaDelivery: Sendable {
    /// The token given to `send`.
    public let token: UInt64
    /// Where it went.
    public let partition: Int32
    /// Its offset, or negative.
    public let offset: Int64
    /// librdkafka's code, 0 when the record was acknowledged.
    public let errorCode: Int32

    /// Whether the broker has it.
    public var isAcknowledged: Bool { errorCode == 0 }

    /// Why it was not acknowledged, nil when it was.
    public var error: KafkaError? { errorCode == 0 ? nil : KafkaError(rd_kafka_resp_err_t(errorCode)) }
}

/// Whether a record was taken.
public enum KafkaSendResult: Sendable {
    /// It will be sent, and reported as a delivery.
    case queued
    /// The queue is full: drain deliveries, wait, send it again.
    case full
}

/// A topic a producer sends to; keeps its client alive.
@safe public final class KafkaTopic: @unchecked Sendable {
    /// The topic's name.
    public let name: String
    // librdkafka allows any call on a topic from any thread, this pointer never changes, and `handle` keeps its client alive.
    fileprivate let pointer: OpaquePointer
    private let handle: KafkaHandle

    fileprivate init(_ name: String, _ handle: KafkaHandle) throws(KafkaError) {
        guard let made = unsafe rd_kafka_topic_new(handle.pointer, name, nil) else {
            throw KafkaError(rd_kafka_last_error(), name)
        }
        self.name = name
        self.handle = handle
        unsafe pointer = made
    }

    deinit { unsafe rd_kafka_topic_destroy(pointer) }
}

/// Sends records, and collects what became of them. Any method from any thread; `poll` with a timeout, `flush` and `close`
/// block, so they belong on a thread of their own.
@safe public final class KafkaProducer: Sendable {
    private let handle: KafkaHandle
    private let topics = Mutex<[String: KafkaTopic]>([:])

    /// Makes the client; connecting happens behind it.
    public init(_ configuration: KafkaProducerConfiguration, onLog: KafkaLogHandler? = nil) throws(KafkaError) {
        handle = try KafkaHandle(type: RD_KAFKA_PRODUCER, settings: configuration.settings, onLog: onLog)
    }

    /// The handle of a topic, made once.
    public func topic(_ name: String) throws(KafkaError) -> KafkaTopic {
        if let known = topics.withLock({ $0[name] }) { return known }
        let made = try KafkaTopic(name, handle)
        return topics.withLock { topics in
            if let known = topics[name] { return known }
            topics[name] = made
            return made
        }
    }

    /// Queues one record; key and value are copied. `token` comes back in its delivery. Never blocks.
    public func send(
        topic: KafkaTopic, partition: Int32, key: Span<UInt8>?, value: Span<UInt8>?, timestampMillis: Int64,
        token: UInt64, headers: [KafkaHeader] = []
    ) throws(KafkaError) -> KafkaSendResult {
        var list: OpaquePointer?
        if !headers.isEmpty {
            unsafe list = rd_kafka_headers_new(headers.count)
            for header in headers {
                _ = unsafe header.value.withUnsafeBytes { bytes in
                    unsafe rd_kafka_header_add(list, header.name, -1, bytes.baseAddress, bytes.count)
                }
            }
        }
        let opaque = unsafe UnsafeMutableRawPointer(bitPattern: UInt(token))
        let code = unsafe withBytes(key) { keyBytes in
            unsafe withBytes(value) { valueBytes in
                unsafe needletail_produce(
                    handle.pointer, topic.pointer, partition, keyBytes.baseAddress, keyBytes.count,
                    valueBytes.baseAddress, valueBytes.count, timestampMillis, opaque, list)
            }
        }
        if code == RD_KAFKA_RESP_ERR_NO_ERROR { return .queued }
        if let list = unsafe list { unsafe rd_kafka_headers_destroy(list) }
        if code == RD_KAFKA_RESP_ERR__QUEUE_FULL { return .full }
        if let fatal = handle.fatalError { throw fatal }
        throw KafkaError(code, topic.name)
    }

    /// Queues one record, with arrays and the topic's name.
    public func send(
        topic: String, partition: Int32, key: [UInt8]?, value: [UInt8]?, timestampMillis: Int64, token: UInt64,
        headers: [KafkaHeader] = []
    ) throws(KafkaError) -> KafkaSendResult {
        let topic = try self.topic(topic)
        return switch (key, value) {
        case (let key?, let value?):
            try send(
                topic: topic, partition: partition, key: key.span, value: value.span,
                timestampMillis: timestampMillis, token: token, headers: headers)
        case (let key?, nil):
            try send(
                topic: topic, partition: partition, key: key.span, value: nil, timestampMillis: timestampMillis,
                token: token, headers: headers)
        case (nil, let value?):
            try send(
                topic: topic, partition: partition, key: nil, value: value.span, timestampMillis: timestampMillis,
                token: token, headers: headers)
        case (nil, nil):
            try send(
                topic: topic, partition: partition, key: nil, value: nil, timestampMillis: timestampMillis,
                token: token, headers: headers)
        }
    }

    /// Takes delivery reports in from librdkafka, waiting for the first as long as said.
    public func poll(timeoutMillis: Int32 = 0) { unsafe rd_kafka_poll(handle.pointer, timeoutMillis) }

    /// Hands out the delivery reports taken in so far. `into` is emptied first; the two arrays change places, so neither
    /// is allocated anew.
    public func drainDeliveries(into deliveries: inout [KafkaDelivery]) {
        deliveries.removeAll(keepingCapacity: true)
        handle.state.deliveries.withLock { swap(&$0, &deliveries) }
    }

    /// Polls, then hands out what became of the records.
    public func deliveries(waitingMillis: Int32 = 0) -> [KafkaDelivery] {
        poll(timeoutMillis: waitingMillis)
        var result: [KafkaDelivery] = []
        drainDeliveries(into: &result)
        return result
    }

    /// Records that were queued and are not reported yet.
    public var outstanding: Int { Int(unsafe rd_kafka_outq_len(handle.pointer)) }

    /// Sends everything queued and waits for the answers; false when the deadline came first. Reports are to be drained after.
    public func flush(timeoutMillis: Int32) -> Bool {
        unsafe rd_kafka_flush(handle.pointer, timeoutMillis) == RD_KAFKA_RESP_ERR_NO_ERROR
    }

    /// Gives up everything unacknowledged; each is reported as failed, after a `poll`. What was on its way may have arrived.
    public func purge() {
        let flags = Int32(RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT)
        unsafe rd_kafka_purge(handle.pointer, flags)
    }

    /// The error that ended this client, when one did: every `send` throws it.
    public var fatalError: KafkaError? { handle.fatalError }

    /// What the connection suffers from, naming the broker; nil while records are acknowledged.
    public var connectionProblem: String? { handle.connectionProblem }

    /// Waits until a broker answers. Blocks; throws `unreachable` after the deadline.
    public func waitUntilReachable(timeoutMillis: Int32) throws(KafkaError) {
        try handle.waitUntilReachable(timeoutMillis: timeoutMillis)
    }

    /// Flushes, and lets go of the topics. Returns how many records are left unacknowledged. Safe twice.
    @discardableResult public func close(timeoutMillis: Int32) -> Int {
        _ = flush(timeoutMillis: timeoutMillis)
        topics.withLock { $0.removeAll() }
        return outstanding
    }

    /// The mock cluster inside this client, when `test.mock.num.brokers` made one.
    package var mockCluster: MockKafkaCluster? { MockKafkaCluster(handle) }
}

/// The bytes of an optional span; a nil one is a null pointer, and an empty one is not.
private func withBytes<R>(_ span: Span<UInt8>?, _ body: (UnsafeRawBufferPointer) -> R) -> R {
    guard let span else { return unsafe body(UnsafeRawBufferPointer(start: nil, count: 0)) }
    return unsafe span.withUnsafeBytes { bytes in
        if unsafe bytes.baseAddress == nil {
            var empty: UInt8 = 0
            return unsafe withUnsafeBytes(of: &empty) {
                unsafe body(UnsafeRawBufferPointer(start: $0.baseAddress, count: 0))
            }
        }
        return unsafe body(bytes)
    }
}
