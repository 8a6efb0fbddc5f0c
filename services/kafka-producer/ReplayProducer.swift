internal import Compression
package import FeatureEngine
internal import Foundation
package import KafkaClient
internal import Observability
package import ServiceRuntime
internal import TransactionData

/// Replays a CSV file into Kafka, on one thread. Events go out in file order at their due time, each keyed and partitioned
/// as Java's clients do; labels follow when the newest event time read has reached their time. The state moves on only
/// behind acknowledgements.
///
///     read a row ▸ move its times to this pass ▸ wait until it is due ▸ send ▸ acknowledgements ▸ state file
///                     labels: heap by time of arrival ──▶ due when an event of that time has been read
///
/// Event time is the file's, moved by whole passes; a record's timestamp is now. So a replay of 2019 is fresh to the broker and
/// old to the windows. Labels go by event time, too: a label of 7 days is sent when the newest event is 7 days later, at any
/// speed, and at the end of the file what is not due yet stays unsent, as it would be unknown.
///
/// The state (next row, labels that still wait) is written only when everything before it is acknowledged. After a crash the rows
/// from there on are sent again under their ids, and the stream drops the repeats: sending twice is harmless, skipping is not.
///
///     ReplayReader ──row──▶ due time ──▶ ReplaySender ──▶ Kafka
///          │                  │ label ──▶ LabelSchedule ──┘  │ acknowledged up to
///          └── place, span ───┴── what waits ──▶ ReplayCheckpoint ──▶ state file
package final class ReplayProducer {
    private enum Stop: Error { case requested }

    private let options: ReplayOptions
    private let schema: SourceSchema
    private let runtime: ServiceRuntime
    private let metrics: ReplayMetrics
    private let clock: ReplayClock
    private let encoder: EventEncoder
    private let score: ScoreClient?
    private let progress: ProgressReport
    private let input: String

    private var reader: ReplayReader
    private var sender: ReplaySender
    private var checkpoint: ReplayCheckpoint
    private var pacer: ReplayPacer
    private var labels = LabelSchedule()
    private var newestReadMillis: Int64?
    private var summary = ReplaySummary()
    private var row: SourceRow
    private var value: [UInt8] = []
    private var sinceService = 0
    private var quietUntilNanos: UInt64 = 0
    private var isBrokerLost = false
    private var isScoreLost = false
    private var saidRefusal = false
    private var unscored = Burst()
    private var saidCaughtUp = false
    private var behindNanos: Int64 = 0

    package init(
        _ options: ReplayOptions, schema: SourceSchema, producer: KafkaProducer, runtime: ServiceRuntime,
        metrics: ReplayMetrics, score: ScoreClient?, clock: ReplayClock = .machine
    ) throws {
        self.options = options
        self.schema = schema
        self.runtime = runtime
        self.metrics = metrics
        self.score = score
        self.clock = clock
        encoder = EventEncoder(schema)
        row = SourceRow(schema)
        pacer = ReplayPacer(options.speed)
        progress = runtime.progress("producing", total: options.limit.map(Int.init))
        input = options.input == "-" ? "" : ReplayState.fingerprint(ofFile: options.input)
        checkpoint = ReplayCheckpoint(options.stateFile)
        let saved = try checkpoint.load(options, fingerprint: input)
        if let saved {
            runtime.log.info("going on from the state", ["pass": saved.pass, "row": saved.nextRow + 1])
        }
        let state = saved ?? ReplayState(nextRow: options.skippedRows, input: input)
        reader = ReplayReader(options, schema: schema, from: state)
        sender = try ReplaySender(producer, schema: schema, options: options)
        newestReadMillis = state.newestReadMillis
        for label in state.labels { labels.add(label) }
    }

    /// Reads and sends until the input ends, the limit is reached or the program is asked to stop; then flushes.
    package func run() throws -> ReplaySummary {
        do {
            try open()
            while try step() {}
        } catch Stop.requested {
            summary.isStopped = true
        } catch let error as CSVError {
            if !(runtime.isStopping && options.input == "-") { summary.inputFailure = Self.commandError(error) }
        } catch let error as CompressionError {
            summary.inputFailure = Self.commandError(error)
        }
        try flush()
        summary.labelsPending = labels.count
        summary.unacknowledged = sender.unsettled
        if let score {
            (summary.scored, summary.fraudulent) = (score.answeredCount, score.fraudCount)
            summary.notScored = score.failedCount + score.skippedCount
        }
        progress.update(to: summary.read)
        progress.finish(note: note)
        return summary
    }

    // MARK: Reading

    private func open() throws {
        let runtime = runtime
        let (isOpen, hasLabel) = try reader.open(into: &row, nowMillis: clock.nowMillis()) { runtime.isStopping }
        if let label = schema.label, !hasLabel, reader.pass == 0 {
            runtime.log.info("the input has no label column; no labels will follow", ["column": label.field])
        }
        if !isOpen { throw Stop.requested }
    }

    /// Does one record of the input; false when there is nothing more to do.
    private func step() throws -> Bool {
        if runtime.isStopping { throw Stop.requested }
        if sender.failure != nil { return false }
        if let limit = options.limit, summary.read >= limit { return false }
        let record = try reader.next(into: &row, nowMillis: clock.nowMillis())
        // A pipe is cut off by the stop, perhaps within a row.
        if runtime.isStopping { throw Stop.requested }
        switch record {
        case .event(let line, let label, let isPlausible):
            try produce(line: line, label: label, isWaitedFor: isPlausible)
        case .malformed(let line, let error):
            summary.malformed += 1
            metrics.malformed.add()
            report("malformed row", summary.malformed, ["line": line, "error": error.description])
        case .end(let passes):
            guard passes else { return false }
            runtime.log.info(
                "input read to its end; beginning anew", ["pass": reader.pass, "days_later": reader.daysLater])
            try open()
            return true
        }
        reader.advance()
        summary.read += 1
        sinceService += 1
        if sinceService >= 256 { try service() }
        return true
    }

    /// Every line is named, but past a thousand only every thousandth of them.
    private func report(_ message: StaticString, _ count: Int, _ fields: [String: any LogValue]) {
        guard count <= 1_000 || count % 1_000 == 0 else { return }
        runtime.log.warning(message, fields.merging(["count": count]) { own, _ in own })
        if count == 1_000 { runtime.log.warning("from here on one in a thousand of these lines is written") }
    }

    // MARK: Producing

    private func produce(line: Int, label: UInt8?, isWaitedFor: Bool) throws {
        let eventMillis = row.eventTimeMillis
        if isWaitedFor {
            try waitUntilDue(eventMillis)
            newestReadMillis = max(newestReadMillis ?? eventMillis, eventMillis)
            try releaseLabels()
        } else {
            runtime.log.warning(
                "event lies more than a year ahead of the present; sent without waiting",
                ["line": line, "event_time": CivilTime.iso8601(eventMillis)])
        }
        value.removeAll(keepingCapacity: true)
        encoder.encode(row, into: &value)
        if let score { try ask(score) }
        let key = row.keyBytes.bytes
        guard let token = try send(key: key, value: value, line: line, isLabel: false) else { return }
        pacer.noteSent()
        guard let label, let definition = schema.label, isWaitedFor else { return }
        labels.add(
            PendingLabel(
                eventID: row.bytes(schema.eventIDIndex), key: key, label: label, eventMillis: eventMillis,
                delayMillis: definition.delayMillis, eventToken: token, line: line))
    }

    private func waitUntilDue(_ eventMillis: Int64) throws {
        while true {
            let wait = pacer.waitNanos(
                eventMillis: eventMillis, nowNanos: clock.monotonicNanos(), nowMillis: clock.nowMillis())
            behindNanos = wait == .min ? .max : max(0, -wait)
            if pacer.isCaughtUp, !saidCaughtUp {
                runtime.log.info("caught up with the present; going on in real time")
            }
            saidCaughtUp = pacer.isCaughtUp
            if wait <= 0 { return }
            if runtime.isStopping { throw Stop.requested }
            if wait >= 1_000_000 { try service() }
            // Answers of the API are taken in soon, acknowledgements at leisure.
            clock.sleep(min((score?.inFlight ?? 0) > 0 ? 2_000_000 : 20_000_000, wait))
        }
    }

    private func releaseLabels() throws {
        guard let newestReadMillis, sender.takesLabels else { return }
        while let label = labels.firstDue(atMillis: newestReadMillis) {
            // An event the broker refused has no label.
            if !sender.takeRefusal(label.eventToken) {
                _ = try send(key: label.key, value: label.value, line: label.line, isLabel: true)
            }
            labels.removeFirst()
        }
    }

    private func ask(_ score: ScoreClient) throws {
        let now = clock.monotonicNanos()
        while !score.hasRoom {
            score.service(timeoutMillis: 5, nowNanos: clock.monotonicNanos())
            if runtime.isStopping { throw Stop.requested }
        }
        score.ask(value, nowNanos: now)
        score.service(timeoutMillis: 0, nowNanos: now)
    }

    /// Queues one record, waiting while the queue is full. Nil when it was refused for itself, which is counted.
    private func send(key: [UInt8], value: [UInt8], line: Int, isLabel: Bool) throws -> UInt64? {
        while true {
            switch try sender.send(
                key: key, value: value, line: line, isLabel: isLabel, nowMillis: clock.nowMillis())
            {
            case .queued(let token):
                if isLabel { metrics.labels.add() }
                return token
            case .refused(let reason):
                noteFailure(ReplaySender.Failure(line: line, isLabel: isLabel, reason: reason))
                return nil
            case .full:
                if runtime.isStopping || sender.failure != nil { throw Stop.requested }
                try service(waitingMillis: 50)
            }
        }
    }

    private func noteFailure(_ failure: ReplaySender.Failure) {
        summary.failed += 1
        metrics.failed.add()
        report(
            "record not sent", summary.failed,
            ["line": failure.line, "record": failure.isLabel ? "label" : "event", "error": failure.reason])
    }

    // MARK: Between events

    /// Takes acknowledgements in, saves the state when it is time, shows progress; waits for an acknowledgement as long as said.
    private func service(waitingMillis: Int32 = 0) throws {
        sinceService = 0
        if let score, score.inFlight > 0 {
            sender.producer.poll(timeoutMillis: 0)
            score.service(timeoutMillis: min(waitingMillis, 2), nowNanos: clock.monotonicNanos())
        } else {
            sender.producer.poll(timeoutMillis: waitingMillis)
        }
        sender.settle { noteFailure($0) }
        if let fatal = sender.producer.fatalError { throw fatal }
        let now = clock.monotonicNanos()
        if checkpoint.isDue(pass: reader.pass, nextRow: reader.nextRow, nowNanos: now, read: summary.read) {
            noteState()
        }
        try saveState(now)
        guard now >= quietUntilNanos else { return }
        quietUntilNanos = now + 100_000_000
        watchServers(now)
        showCounts()
        progress.update(to: summary.read, note: note)
    }

    private func showCounts() {
        (summary.sent, summary.acknowledged) = (sender.sent, sender.acknowledged)
        (summary.labelsSent, summary.labelsAcknowledged) = (sender.labelsSent, sender.labelsAcknowledged)
        summary.failure = sender.failure
        metrics.show(summary, behindSeconds: Double(behindNanos) / 1e9, labelsPending: labels.count)
    }

    private var note: String {
        let waiting = "\(sender.unsettled) unacknowledged"
        if options.speed == .unlimited { return waiting }
        let tenths = behindNanos / 100_000_000
        return "\(tenths / 10).\(tenths % 10) s behind, \(waiting)"
    }

    private func noteState() {
        var state = ReplayState(pass: reader.pass, nextRow: reader.nextRow, input: input)
        state.span = reader.span
        state.newestReadMillis = newestReadMillis
        state.labels = labels.labels
        checkpoint.note(state, before: sender.next)
    }

    private func saveState(_ now: UInt64) throws {
        try checkpoint.save(firstUnsettled: sender.firstUnsettled, nowNanos: now, read: summary.read) {
            sender.withoutRefused($0)
        }
    }

    private func watchServers(_ now: UInt64, isLast: Bool = false) {
        let problem = sender.producer.connectionProblem
        let isLost = problem != nil && sender.unsettled > 0
        if isLost != isBrokerLost {
            isBrokerLost = isLost
            if isLost {
                runtime.log.warning("Kafka does not answer; waiting", ["error": problem ?? "unknown"])
            } else {
                runtime.log.info("Kafka answers again")
            }
        }
        guard let score else { return }
        if (score.problem != nil) != isScoreLost {
            isScoreLost = score.problem != nil
            if isScoreLost {
                runtime.log.warning(
                    "the prediction API does not answer; going on without it", ["error": score.problem ?? "unknown"])
            } else {
                runtime.log.info("the prediction API answers again")
            }
        }
        if let refusal = score.refusal, !saidRefusal {
            saidRefusal = true
            runtime.log.warning("the prediction API refuses the events", ["reason": refusal])
        }
        if let count = unscored.due(total: score.failedCount + score.skippedCount, nowNanos: now, isLast: isLast) {
            runtime.log.warning(
                "events went on without a score",
                [
                    "events": count, "total": score.failedCount + score.skippedCount, "scored": score.answeredCount,
                    "reason": score.problem ?? score.refusal ?? "the API was away for a moment",
                ])
        }
    }

    /// Waits until everything sent is settled; when asked to stop, no longer than the deadline. Writes the last state.
    private func flush() throws {
        var deadlineNanos: UInt64?
        let scoreDeadlineNanos = clock.monotonicNanos() + ScoreClient.timeoutMillis * 1_000_000
        while sender.unsettled > 0 || (score?.inFlight ?? 0) > 0 {
            let now = clock.monotonicNanos()
            if sender.unsettled == 0, now > scoreDeadlineNanos { break }
            if deadlineNanos == nil, runtime.isStopping || sender.failure != nil {
                deadlineNanos = now + UInt64(options.stopDeadlineMillis) * 1_000_000
            }
            if let deadlineNanos,
                now > deadlineNanos || sender.producer.outstanding == 0 && now > scoreDeadlineNanos
            {
                break
            }
            _ = sender.producer.flush(timeoutMillis: 20)
            try service(waitingMillis: 5)
        }
        noteState()
        try saveState(clock.monotonicNanos())
        watchServers(clock.monotonicNanos(), isLast: true)
        behindNanos = 0
        showCounts()
    }

    private static func commandError(_ error: CompressionError) -> CommandError {
        if case .otherFormat = error { return CommandError(.dataError, "\(error).") }
        return CommandError(.noInput, "\(error).")
    }

    private static func commandError(_ error: CSVError) -> CommandError {
        switch error {
        case .unreadable: CommandError(.noInput, "\(error).")
        case .empty, .encoding, .unclosedQuote, .noHeader, .missingColumns, .duplicateColumns, .unknownColumns:
            CommandError(.dataError, "\(error).")
        }
    }
}
