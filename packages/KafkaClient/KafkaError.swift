internal import CRdKafka

/// What went wrong with Kafka; the cases are what a caller can do about it.
public enum KafkaError: Error, Hashable, Sendable, CustomStringConvertible {
    /// A setting is wrong: ours to fix, fail at start.
    case configuration(key: String, reason: String)
    /// No broker answered: names the address, wait or stop with it.
    case unreachable(servers: String, reason: String)
    /// Back off and try again.
    case retriable(code: Int32, reason: String)
    /// The broker will not take this request, now or later: unknown topic, not permitted, bad request.
    case refused(code: Int32, reason: String)
    /// One record is larger than client or broker allow; the others are not touched.
    case messageTooLarge(reason: String)
    /// The offset asked for is not in the log (any more).
    case offsetOutOfRange(reason: String)
    /// This client is finished: stop the service.
    case fatal(code: Int32, reason: String)

    public var description: String {
        switch self {
        case .configuration(let key, let reason): "Kafka setting \(key): \(reason)"
        case .unreachable(let servers, let reason): "no Kafka broker answers at \(servers): \(reason)"
        case .retriable(_, let reason): "Kafka: \(reason)"
        case .refused(_, let reason): "Kafka refused: \(reason)"
        case .messageTooLarge(let reason): "Kafka: record too large: \(reason)"
        case .offsetOutOfRange(let reason): "Kafka: offset not in the log: \(reason)"
        case .fatal(_, let reason): "Kafka client failed for good: \(reason)"
        }
    }

    /// Sorts a librdkafka code.
    init(_ code: rd_kafka_resp_err_t, _ detail: String? = nil) {
        let name = unsafe String(cString: rd_kafka_err2str(code))
        let reason =
            if let detail, !detail.isEmpty { detail.contains(name) ? detail : "\(name): \(detail)" } else { name }
        switch code {
        case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE,
            RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE:
            self = .messageTooLarge(reason: reason)
        case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE, RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET, RD_KAFKA_RESP_ERR__NO_OFFSET:
            self = .offsetOutOfRange(reason: reason)
        case RD_KAFKA_RESP_ERR__FATAL, RD_KAFKA_RESP_ERR__FENCED, RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH,
            RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID, RD_KAFKA_RESP_ERR__DESTROY:
            self = .fatal(code: code.rawValue, reason: reason)
        case RD_KAFKA_RESP_ERR__TRANSPORT, RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, RD_KAFKA_RESP_ERR__TIMED_OUT,
            RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, RD_KAFKA_RESP_ERR__WAIT_COORD, RD_KAFKA_RESP_ERR__RESOLVE,
            RD_KAFKA_RESP_ERR__IN_PROGRESS, RD_KAFKA_RESP_ERR__WAIT_CACHE, RD_KAFKA_RESP_ERR__STATE,
            RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE, RD_KAFKA_RESP_ERR__RETRY, RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED,
            RD_KAFKA_RESP_ERR__PURGE_QUEUE, RD_KAFKA_RESP_ERR__PURGE_INFLIGHT, RD_KAFKA_RESP_ERR__QUEUE_FULL,
            RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
            RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT, RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE,
            RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION, RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
            RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE, RD_KAFKA_RESP_ERR_NOT_COORDINATOR,
            RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND,
            RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION, RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID,
            RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS, RD_KAFKA_RESP_ERR_THROTTLING_QUOTA_EXCEEDED,
            RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR, RD_KAFKA_RESP_ERR_NOT_CONTROLLER:
            self = .retriable(code: code.rawValue, reason: reason)
        default:
            self = .refused(code: code.rawValue, reason: reason)
        }
    }
}
