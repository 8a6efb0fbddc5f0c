import KafkaClient
import KafkaProtocol
import Observability
import Pipeline
import PostgresClient
import PostgresOfflineStore
import StreamRecovery

/// One partition of one topic in the hands of one thread. `PartitionProtocol` says what is to be done; this does it with the real
/// servers and says what came of it. It decides nothing by itself.
final class PartitionTask {
    let partition: KafkaPartition
    let ledger: PartitionLedger
    let stage: any Stage
    let context: StageContext
    var machine: PartitionProtocol
    /// Kafka timestamp and CRC of the record before N.
    var last: (timestampMillis: Int64, crc: UInt32) = (0, 0)
    /// The same of the record that was last found to be the stored one.
    var identified: (timestampMillis: Int64, crc: UInt32) = (0, 0)
    /// The topic's id before its log was last looked at; nil where the brokers did not tell it.
    var topicID: TopicID?
    /// Not before this moment may the partition be claimed again.
    private(set) var retryAtMillis: Int64 = 0
    /// Connections that the last retreat made useless; the thread closes them.
    var useless: Set<StreamServer> = []
    var batch = TaskBatch()
    /// Whether it was said that stored events are in no window.
    var hasToldUnusable = false
    /// The reader was set elsewhere since the poll: the records that it brought are not what follows.
    var isMoved = false
    private var isShown = false
    private var aliveMillis: Int64 = 0
    private let lag: Gauge

    init(_ partition: KafkaPartition, stage: any Stage, context: StageContext) {
        self.partition = partition
        self.stage = stage
        self.context = context
        ledger = PartitionLedger(topic: partition.topic, partition: partition.partition)
        machine = PartitionProtocol(isOnline: stage is any OnlineStage)
        lag = context.metrics.lag(partition)
        context.board.change(partition, nowMillis: StageClock.millis()) { $0.isWaiting = true }
    }

    var isReady: Bool { machine.isReady }
    /// The Kafka offset after the last record stored.
    var nextOffset: Int64 { machine.claim.next - machine.claim.base }

    // MARK: What happens

    /// Claims the partition, once the pause is over.
    func resume(_ consumer: KafkaConsumer) throws {
        guard machine.isRetreating, retryAtMillis <= StageClock.millis() else { return }
        try drive(.resume, consumer)
    }

    /// The log may be another one now.
    func disturb(_ consumer: KafkaConsumer) throws { try drive(.disturbed, consumer) }

    /// Something that all steps rest on failed.
    func fail(_ failure: StepFailure, _ consumer: KafkaConsumer) throws { try drive(.failed(failure), consumer) }

    /// Somebody else's failure cost this partition its connections.
    func interrupt(_ server: StreamServer, _ consumer: KafkaConsumer) throws {
        guard !machine.isRetreating else { return }
        try drive(.failed(.lost(server)), consumer)
        (retryAtMillis, useless) = (0, [])
    }

    /// The partition is another owner's now. The ids stay: taken back before anybody else claimed it, they are right.
    func giveUp(_ consumer: KafkaConsumer) {
        if !machine.isRetreating { _ = machine.next(.failed(.fenced)) }
        rest(consumer)
        retryAtMillis = 0
        context.board.remove(partition)
    }

    /// A poll begins. What it brings is dropped when the reader is set elsewhere before it is processed: the first of records
    /// read from another place is not the record before N, and would be taken for proof that the log is another one.
    func willPoll() { isMoved = false }

    /// Processes the records of this partition that a poll brought.
    func process(_ records: KafkaBatch, _ runs: [Range<Int>], _ consumer: KafkaConsumer) throws {
        batch.begin(records, runs)
        defer { batch.end() }
        while machine.isReady, !isMoved {
            if !machine.comparesNext { batch.drop(before: nextOffset) }
            guard let first = batch.firstOffset else { return }
            try drive(.records(batch.count, first: first + machine.claim.base), consumer)
        }
    }

    /// In a quiet moment: whether everything is as it was left.
    func idle(_ consumer: KafkaConsumer) throws {
        guard machine.isReady else { return }
        try drive(.quiet, consumer)
        guard machine.isReady, let online = stage as? any OnlineStage else { return }
        let now = StageClock.millis()
        guard now - aliveMillis >= 1_000, let marks = consumer.fetchedWatermarks(of: partition),
            marks.high == nextOffset
        else { return }
        aliveMillis = now
        do { try online.noteAlive(context.stores) } catch {
            guard let failure = StepFailure(error) else { throw error }
            try fail(failure, consumer)
        }
    }

    /// From N to here the log cannot be read.
    func skip(to offset: Int64, _ consumer: KafkaConsumer) throws {
        guard machine.isReady else { return }
        try drive(.unreadable(to: offset + machine.claim.base), consumer)
    }

    /// Shows how far behind the log's end the partition is, as the last fetch told.
    func reportLag(_ consumer: KafkaConsumer) {
        guard machine.isAssigned, let high = consumer.fetchedWatermarks(of: partition)?.high else { return }
        show(waiting: max(0, high - nextOffset))
    }

    private func show(waiting: Int64) {
        lag.set(Double(waiting))
        let now = StageClock.millis()
        context.board.change(partition, nowMillis: now) { entry in
            entry.isWaiting = waiting > 0
            if waiting == 0 { entry.progressMillis = now }
        }
    }

    // MARK: The protocol

    /// Carries out what the protocol says, until it says to wait.
    private func drive(_ event: PartitionProtocol.Event, _ consumer: KafkaConsumer) throws {
        var step = machine.next(event)
        while true {
            switch step {
            case .wait:
                if machine.isReady { showAssigned(consumer) }
                return
            case .retreat(let retreat): return retreatNow(retreat, consumer)
            case .stop(let mismatch):
                throw PipelineStop(topic: partition.topic, partition: partition.partition, mismatch)
            default:
                let outcome: PartitionProtocol.Event
                do { outcome = try perform(step, consumer) } catch {
                    guard let failure = StepFailure(error) else { throw error }
                    lastError = "\(error)"
                    outcome = .failed(failure)
                }
                step = machine.next(outcome)
            }
        }
    }
    private var lastError = ""

    private func showAssigned(_ consumer: KafkaConsumer) {
        guard !isShown else { return }
        isShown = true
        let high = consumer.fetchedWatermarks(of: partition)?.high ?? nextOffset
        context.board.change(partition, nowMillis: StageClock.millis()) { $0.isAssigned = true }
        show(waiting: max(0, high - nextOffset))
        context.metrics.assignments.add()
        context.log.info(
            "partition assigned",
            [
                "topic": partition.topic, "partition": Int(partition.partition), "epoch": machine.claim.epoch,
                "next_offset": machine.claim.next, "base": machine.claim.base,
                "generation": Int(clamping: machine.claim.generation), "log_end": high,
            ])
    }

    private func retreatNow(_ retreat: Retreat, _ consumer: KafkaConsumer) {
        context.metrics.failures.add()
        let reason = lastError.isEmpty ? "\(retreat.failure)" : lastError
        lastError = ""
        let fields: [String: any LogValue] = [
            "topic": partition.topic, "partition": Int(partition.partition), "error": reason,
        ]
        if retreat.failures == 1 {
            context.log.warning("back to the assignment", fields)
        } else {
            context.log.debug("back to the assignment", fields)
        }
        useless = retreat.closes
        rest(consumer)
        retryAtMillis = StageClock.millis() + retreat.pauseMillis
        context.board.change(partition, nowMillis: StageClock.millis()) { entry in
            (entry.isWaiting, entry.reason) = (true, reason)
        }
    }

    /// Reads no more, and forgets what is only right while nobody else writes.
    private func rest(_ consumer: KafkaConsumer) {
        try? consumer.unassign(partition)
        stage.release()
        batch.end()
        isShown = false
        context.board.change(partition, nowMillis: StageClock.millis()) { $0.isAssigned = false }
    }
}
