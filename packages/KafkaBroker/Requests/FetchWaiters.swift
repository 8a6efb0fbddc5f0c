import EventLoop
import KafkaProtocol

/// Fetches that found too little and wait for more, or for their time to be up.
final class FetchWaiters {
    final class Waiter {
        let request: FetchRequest
        let context: RequestContext
        /// Bytes known to be there.
        var available: Int
        var logs: [ObjectIdentifier] = []
        var timer: LoopTimer?

        init(_ request: FetchRequest, _ context: RequestContext, available: Int) {
            self.request = request
            self.context = context
            self.available = available
        }
    }

    /// Nobody waits for longer, whatever the client wishes.
    static let longestMillis = 600_000

    private var waiting: [ObjectIdentifier: [ObjectIdentifier: Waiter]] = [:]

    /// Parks a fetch until `minBytes` are there or `maxWaitMillis` have passed.
    func park(
        _ request: FetchRequest, _ context: RequestContext, on logs: [PartitionLog], available: Int, core: BrokerCore
    ) {
        let waiter = Waiter(request, context, available: available)
        waiter.logs = logs.map { ObjectIdentifier($0) }
        for log in waiter.logs { waiting[log, default: [:]][ObjectIdentifier(waiter)] = waiter }
        waiter.timer = core.loop.schedule(afterMillis: min(Int(request.maxWaitMillis), Self.longestMillis)) {
            [unowned self, unowned waiter, unowned core] in
            release(waiter, core)
        }
    }

    /// Tells those who wait for `log` that it grew.
    func appended(_ bytes: Int, to log: PartitionLog, core: BrokerCore) {
        guard let waiters = waiting[ObjectIdentifier(log)] else { return }
        for waiter in waiters.values {
            waiter.available += bytes
            if waiter.available >= Int(waiter.request.minBytes) || waiter.context.connection == nil {
                release(waiter, core)
            }
        }
    }

    /// Answers everybody who waits for a log that is going away.
    func abandon(_ log: PartitionLog, core: BrokerCore) {
        for waiter in (waiting[ObjectIdentifier(log)] ?? [:]).values { release(waiter, core) }
    }

    private func release(_ waiter: Waiter, _ core: BrokerCore) {
        waiter.timer?.cancel()
        for log in waiter.logs {
            waiting[log]?[ObjectIdentifier(waiter)] = nil
            if waiting[log]?.isEmpty == true { waiting[log] = nil }
        }
        core.answerFetch(waiter.request, waiter.context)
    }
}
