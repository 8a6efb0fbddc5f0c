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

    /// Takes broker 1 away: connections end and are refused.
    package func setBrokerDown() { _ = unsafe rd_kafka_mock_broker_set_down(pointer, 1) }

    /// Brings broker 1 back.
    package func setBrokerUp() { _ = unsafe rd_kafka_mock_broker_set_up(pointer, 1) }
}
