internal import CRdKafka

/// The cluster librdkafka pretends to be for tests; lives in the client that was made with `test.mock.num.brokers`.
@safe package final class MockKafkaCluster: @unchecked Sendable {
    // librdkafka queues every call to the cluster's own thread, so any thread may make one; the pointer never changes, and
    // the client that owns it lives as long as `handle`.
    private let pointer: OpaquePointer
    private let handle: KafkaHandle

    init?(_ handle: KafkaHandle) {
        guard let found = unsafe rd_kafka_handle_mock_cluster(handle.pointer) else { return nil }
        unsafe pointer = found
        self.handle = handle
    }

    /// A producer with a cluster of one broker inside it, and that cluster; `change` is made to the producer's configuration.
    package static func start(
        _ change: (inout KafkaProducerConfiguration) -> Void = { _ in }
    ) throws(KafkaError) -> (producer: KafkaProducer, cluster: MockKafkaCluster) {
        var configuration = KafkaProducerConfiguration(bootstrapServers: "127.0.0.1:1")
        configuration.more["test.mock.num.brokers"] = "1"
        change(&configuration)
        let producer = try KafkaProducer(configuration)
        guard let cluster = producer.mockCluster else {
            throw .configuration(key: "test.mock.num.brokers", reason: "no cluster was made")
        }
        return (producer, cluster)
    }

    /// Where other clients find it.
    package var bootstrapServers: String { unsafe String(cString: rd_kafka_mock_cluster_bootstraps(pointer)) }

    /// Makes a topic.
    package func createTopic(_ name: String, partitions: Int32) throws(KafkaError) {
        let code = unsafe rd_kafka_mock_topic_create(pointer, name, partitions, 1)
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else { throw KafkaError(code, name) }
    }

    /// The next requests of a kind (by API key: 0 is produce, 1 fetch) answer with these codes.
    package func pushErrors(apiKey: Int16, codes: [Int32]) {
        let errors = codes.map { rd_kafka_resp_err_t($0) }
        unsafe errors.withUnsafeBufferPointer { buffer in
            unsafe rd_kafka_mock_push_request_errors_array(pointer, apiKey, buffer.count, buffer.baseAddress)
        }
    }

    /// Takes the broker away: whoever asks for metadata or sends records loses the connection. The port stays taken; librdkafka's own
    /// way gives it up, and ends the process when somebody else has it at the return.
    package func goAway() {
        let codes = [Int32](repeating: RD_KAFKA_RESP_ERR__TRANSPORT.rawValue, count: 10_000)
        for key in Self.keys { pushErrors(apiKey: key, codes: codes) }
    }

    /// Brings the broker back.
    package func comeBack() {
        for key in Self.keys { unsafe rd_kafka_mock_clear_request_errors(pointer, key) }
    }

    private static let keys: [Int16] = [0, 3]  // Produce, Metadata
}
