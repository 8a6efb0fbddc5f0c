internal import FeatureEngine
import FeatureStore
import KafkaClient

/// Hands events and labels to the Kafka client and follows what becomes of them: acknowledged, refused for themselves, or failed.
struct ReplaySender {
    /// What became of a record that was to be sent.
    enum Outcome {
        case queued(token: UInt64)
        /// The client's queue is full: nothing is given up, the caller serves and tries again.
        case full
        /// Refused for itself; the others go on.
        case refused(reason: String)
    }

    /// A record that was refused, or lost to a failure.
    struct Failure {
        let line: Int
        let isLabel: Bool
        let reason: String
    }

    let producer: KafkaProducer
    private let eventTopic: KafkaTopic
    private let labelTopic: KafkaTopic?
    private let eventPartitions: Int
    private let labelPartitions: Int
    private let partitioner: Partitioner
    private var tracker = AcknowledgementTracker()
    private var refusedEvents: Set<UInt64> = []
    private var deliveries: [KafkaDelivery] = []

    private(set) var sent = 0
    private(set) var acknowledged = 0
    private(set) var labelsSent = 0
    private(set) var labelsAcknowledged = 0
    /// Why Kafka takes no more events, when it does not: the run ends.
    private(set) var failure: String?

    init(_ producer: KafkaProducer, schema: SourceSchema, options: ReplayOptions) throws {
        self.producer = producer
        eventTopic = try producer.topic(schema.topic)
        eventPartitions = options.eventPartitions
        partitioner = schema.partitioner
        labelPartitions = options.labelPartitions ?? 0
        labelTopic = try options.labelPartitions == nil ? nil : schema.label.map { try producer.topic($0.topic) }
    }

    var takesLabels: Bool { labelTopic != nil }
    /// Records without an answer.
    var unsettled: Int { Int(tracker.next - tracker.firstUnsettled) }
    /// Every record before this one is settled.
    var firstUnsettled: UInt64 { tracker.firstUnsettled }
    /// The next record's number.
    var next: UInt64 { tracker.next }

    /// Queues one record, keyed by its entity and placed as the source says.
    mutating func send(
        key: [UInt8], value: [UInt8], line: Int, isLabel: Bool, nowMillis: Int64
    ) throws -> Outcome {
        guard let topic = isLabel ? labelTopic : eventTopic else { return .refused(reason: "there is no label topic") }
        let partition = EntityPlacement.partition(
            of: key, among: isLabel ? labelPartitions : eventPartitions, by: partitioner)
        let token = tracker.next
        do throws(KafkaError) {
            let result = try producer.send(
                topic: topic, partition: partition, key: key.span, value: value.span, timestampMillis: nowMillis,
                token: token)
            guard result == .queued else { return .full }
        } catch {
            guard case .messageTooLarge(let reason) = error else { throw error }
            return .refused(reason: "\(reason) (\(value.count) bytes)")
        }
        _ = tracker.add(line: line, isLabel: isLabel)
        if isLabel { labelsSent += 1 } else { sent += 1 }
        return .queued(token: token)
    }

    /// Whether the broker refused the event of this token: then it has no label. Asking forgets it.
    mutating func takeRefusal(_ token: UInt64) -> Bool { token != 0 && refusedEvents.remove(token) != nil }

    /// Of labels that wait, those whose event the broker took.
    func withoutRefused(_ labels: [PendingLabel]) -> [PendingLabel] {
        refusedEvents.isEmpty ? labels : labels.filter { !refusedEvents.contains($0.eventToken) }
    }

    /// Takes the answers in that have come.
    mutating func settle(onFailure: (Failure) -> Void) {
        producer.drainDeliveries(into: &deliveries)
        for delivery in deliveries {
            guard let record = tracker.record(delivery.token) else { continue }
            if delivery.isAcknowledged {
                if record.isLabel { labelsAcknowledged += 1 } else { acknowledged += 1 }
                tracker.settle(delivery.token)
                continue
            }
            guard let error = delivery.error else { continue }
            onFailure(Failure(line: record.line, isLabel: record.isLabel, reason: error.description))
            if case .messageTooLarge = error {
                // It would be refused every time: the others go on, and its label is not sent.
                if !record.isLabel { refusedEvents.insert(delivery.token) }
                tracker.settle(delivery.token)
            } else {
                // Unsettled, it holds the state back, so that a later run sends it again.
                failure = failure ?? error.description
            }
        }
    }
}
