import EventLoop
import KafkaProtocol

/// Fetches that found too little and wait for more, or for their time to be up. A fetch ends with its client.
final class FetchWaiters {
    final class Waiter {
        let request: FetchRequest
        let context: RequestContext
        /// Bytes known to be there.
        var available: Int
        /// Whether it only waits for records that are written to get to the disk.
        let waitsForCommitOnly: Bool
        var logs: [ObjectIdentifier] = []
        var client: ObjectIdentifier?
        var timer: LoopTimer?

        init(_ request: FetchRequest, _ context: RequestContext, available: Int, waitsForCommitOnly: Bool) {
            self.request = request
            self.context = context
            self.available = available
            self.waitsForCommitOnly = waitsForCommitOnly
        }
    }

    /// Nobody waits for longer, whatever the client wishes.
    static let longestMillis = 600_000
    /// How long a fetch that would not wait at all waits for the disk.
    static let commitMillis = 1_000
    /// Most partitions waited for by all clients together; above it a fetch is answered with what is there.
    static let maxPartitions = 1_000_000

    private var waiting: [ObjectIdentifier: [ObjectIdentifier: Waiter]] = [:]
    /// By connection: each has one request in work.
    private var byClient: [ObjectIdentifier: Waiter] = [:]
    private var partitions = 0

    /// Parks a fetch until `minBytes` are there or `maxWaitMillis` have passed; false when too many are parked already.
    func park(
        _ request: FetchRequest, _ context: RequestContext, on logs: [PartitionLog], available: Int, core: BrokerCore
    ) -> Bool {
        guard let connection = context.connection, logs.count <= Self.maxPartitions - partitions else { return false }
        let waiter = Waiter(
            request, context, available: available, waitsForCommitOnly: request.maxWaitMillis <= 0)
        waiter.logs = logs.map { ObjectIdentifier($0) }
        waiter.client = ObjectIdentifier(connection)
        partitions += logs.count
        byClient[ObjectIdentifier(connection)] = waiter
        for log in waiter.logs { waiting[log, default: [:]][ObjectIdentifier(waiter)] = waiter }
        let patience = waiter.waitsForCommitOnly ? Self.commitMillis : Int(request.maxWaitMillis)
        waiter.timer = core.loop.schedule(afterMillis: min(patience, Self.longestMillis)) {
            [unowned self, unowned waiter, unowned core] in
            release(waiter, core)
        }
        return true
    }

    /// Whether somebody waits for a log to grow.
    func isAwaited(_ log: PartitionLog) -> Bool { waiting[ObjectIdentifier(log)] != nil }

    /// Tells those who wait for `log` that there is more to read.
    func grew(_ log: PartitionLog, by bytes: Int, core: BrokerCore) {
        guard let waiters = waiting[ObjectIdentifier(log)] else { return }
        for waiter in waiters.values {
            let (sum, isOverflow) = waiter.available.addingReportingOverflow(bytes)
            waiter.available = isOverflow ? .max : sum
            if waiter.waitsForCommitOnly {
                release(waiter, core)
            } else if waiter.available >= Int(waiter.request.minBytes) {
                // What became readable may lie before the place that this one reads from.
                waiter.available = core.readable(waiter.request)
                if waiter.available >= Int(waiter.request.minBytes) { release(waiter, core) }
            }
        }
    }

    /// Answers everybody who waits for a log that is going away, or that failed.
    func abandon(_ log: PartitionLog, core: BrokerCore) {
        for waiter in (waiting[ObjectIdentifier(log)] ?? [:]).values { release(waiter, core) }
    }

    /// Forgets what a client waited for that is gone.
    func forget(_ connection: Connection) {
        if let waiter = byClient[ObjectIdentifier(connection)] { remove(waiter) }
    }

    private func remove(_ waiter: Waiter) {
        waiter.timer?.cancel()
        guard let client = waiter.client else { return }
        waiter.client = nil
        byClient[client] = nil
        partitions -= waiter.logs.count
        for log in waiter.logs {
            waiting[log]?[ObjectIdentifier(waiter)] = nil
            if waiting[log]?.isEmpty == true { waiting[log] = nil }
        }
    }

    private func release(_ waiter: Waiter, _ core: BrokerCore) {
        guard waiter.client != nil else { return }
        remove(waiter)
        core.answerFetch(waiter.request, waiter.context)
    }
}
