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
package final class ReplayProducer {
    private enum Stop: Error { case requested }

    private let options: ReplayOptions
    private let schema: SourceSchema
    private let producer: KafkaProducer
    private let runtime: ServiceRuntime
    private let metrics: ReplayMetrics
    private let eventTopic: KafkaTopic
    private let labelTopic: KafkaTopic?
    private let encoder: EventEncoder
    private let timeFields: [Int]
    private let score: ScoreClient?
    private let progress: ProgressReport

    private var pacer: ReplayPacer
    private var pass: Int
    private var nextRow: Int64
    private var span: ReplaySpan
    private var newestReadMillis: Int64?
    private var labels = LabelSchedule()
    private let input: String

    private var csv: TransactionCSV?
    private var rowsInPass = 0
    private var row: SourceRow
    private var tracker = AcknowledgementTracker()
    private var refusedEvents: Set<UInt64> = []
    private var summary = ReplaySummary()
    private var pending: (state: ReplayState, token: UInt64)?
    private var savedState: ReplayState?
    private var savedBytes = 0
    private var savedNanos: UInt64 = 0
    private var readAtSave = 0
    private var deliveries: [KafkaDelivery] = []
    private var value: [UInt8] = []
    private var sinceService = 0
    private var quietUntilNanos: UInt64 = 0
    private var isBrokerLost = false
    private var isScoreLost = false
    private var saidCaughtUp = false
    private var behindNanos: Int64 = 0

    package init(
        _ options: ReplayOptions, schema: SourceSchema, producer: KafkaProducer, runtime: ServiceRuntime,
        metrics: ReplayMetrics, score: ScoreClient?
    ) throws {
        self.options = options
        self.schema = schema
        self.producer = producer
        self.runtime = runtime
        self.metrics = metrics
        self.score = score
        eventTopic = try producer.topic(schema.topic)
        labelTopic = try schema.label.map { try producer.topic($0.topic) }
        encoder = EventEncoder(schema)
        timeFields = options.timeFields.compactMap(schema.index(of:)).filter {
            schema.fields[$0].type == .integer && $0 != schema.eventTimeIndex
        }
        row = SourceRow(schema)
        pacer = ReplayPacer(options.speed)
        progress = runtime.progress("producing", total: options.limit.map(Int.init))
        input = options.input == "-" ? "" : ReplayState.fingerprint(ofFile: options.input)
        var state = ReplayState(nextRow: options.skippedRows, input: input)
        if let path = options.stateFile {
            let saved: ReplayState?
            do { saved = try ReplayState.load(path) } catch {
                throw CommandError(.configuration, "\(path) is no readable state: \(error).")
            }
            if let saved {
                guard saved.input == input else {
                    throw CommandError(
                        .configuration,
                        "\(path) is the state of another input than \(options.input): remove it or name another.")
                }
                runtime.log.info("going on from the state", ["pass": saved.pass, "row": saved.nextRow + 1])
                state = saved
                savedState = saved
            }
        }
        pass = state.pass
        nextRow = state.nextRow
        span = state.span
        newestReadMillis = state.newestReadMillis
        for label in state.labels { labels.add(label) }
    }

    /// Reads and sends until the input ends, the limit is reached or the program is asked to stop; then flushes.
    package func run() throws -> ReplaySummary {
        do {
            try open()
            while try step() {}
        } catch Stop.requested {
        } catch let error as CSVError {
            if !(runtime.isStopping && options.input == "-") { summary.inputFailure = Self.commandError(error) }
        } catch let error as CompressionError {
            summary.inputFailure = CommandError(.noInput, "\(error).")
        }
        try flush()
        summary.labelsPending = labels.count
        summary.unacknowledged = Int(tracker.next - tracker.firstUnsettled)
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
        let reader = try TransactionCSV(try ByteSource.open(options.input), schema: schema)
        csv = reader
        rowsInPass = 0
        if let label = schema.label, !reader.hasLabel, pass == 0 {
            runtime.log.info("the input has no label column; no labels will follow", ["column": label.field])
        }
        guard nextRow > 0 else { return }
        // The first pass measures the input's span, so the rows passed over are read, unless an earlier run read them.
        if pass == 0, span == ReplaySpan(), options.loops || options.stateFile != nil {
            while reader.recordCount < nextRow {
                switch try reader.next(into: &row) {
                case .row: observe(row.eventTimeMillis)
                case .malformed: break
                case .end: return
                }
                if reader.recordCount % 4_096 == 0, runtime.isStopping { throw Stop.requested }
            }
        } else {
            _ = try reader.skip(nextRow)
        }
    }

    private func observe(_ millis: Int64) {
        if !isImplausible(millis) { span.observe(millis) }
    }

    /// A time so far ahead is a mistake of its unit or its year. Such an event is not waited for: it goes out and becomes a
    /// dead letter; neither labels nor passes go by it.
    private func isImplausible(_ millis: Int64) -> Bool { millis > WallClock.nowMillis() + 366 * 86_400_000 }

    /// Does one record of the input; false when there is nothing more to do.
    private func step() throws -> Bool {
        guard let csv else { return false }
        if let limit = options.limit, summary.read >= limit {
            summary.isComplete = true
            return false
        }
        if runtime.isStopping || summary.failure != nil { return false }
        let outcome = try csv.next(into: &row)
        // A pipe is cut off by the stop, perhaps within a row.
        if runtime.isStopping { return false }
        switch outcome {
        case .row(let line, let label): try produce(line: line, label: label)
        case .malformed(let line, let error):
            summary.malformed += 1
            metrics.malformed.add()
            report("malformed row", summary.malformed, ["line": line, "error": error.description])
        case .end:
            guard options.loops, rowsInPass > 0 else {
                summary.isComplete = true
                return false
            }
            pass += 1
            nextRow = 0
            runtime.log.info("input read to its end; beginning anew", ["pass": pass, "days_later": daysLater])
            try open()
            return true
        }
        nextRow += 1
        summary.read += 1
        sinceService += 1
        if sinceService >= 256 { try service() }
        return true
    }

    private var daysLater: Int64 { span.shiftMillis(pass: pass) / 86_400_000 }

    /// Every line is named, but past a thousand only every thousandth of them.
    private func report(_ message: StaticString, _ count: Int, _ fields: [String: any LogValue]) {
        guard count <= 1_000 || count % 1_000 == 0 else { return }
        runtime.log.warning(message, fields.merging(["count": count]) { own, _ in own })
        if count == 1_000 { runtime.log.warning("from here on one in a thousand of these lines is written") }
    }

    // MARK: Producing

    private func produce(line: Int, label: UInt8?) throws {
        rowsInPass += 1
        if pass == 0 { observe(row.eventTimeMillis) }
        if pass > 0 { try moveToPass(line: line) }
        let eventMillis = row.eventTimeMillis
        let isWaitedFor = !isImplausible(eventMillis)
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
        let key = recordKey()
        guard
            let token = try send(
                eventTopic, partitions: options.eventPartitions, key: key, value: value, line: line, isLabel: false)
        else { return }
        pacer.noteSent()
        guard let label, let definition = schema.label, isWaitedFor else { return }
        labels.add(
            PendingLabel(
                eventID: row.bytes(schema.eventIDIndex), key: key, label: label, eventMillis: eventMillis,
                delayMillis: definition.delayMillis, eventToken: token, line: line))
    }

    private func recordKey() -> [UInt8] {
        let bytes = row.bytes(schema.keyIndex)
        return bytes.isEmpty ? Array(row.key.utf8) : Array(bytes)
    }

    /// Moves a row's times by the passes so far, and gives it an id of its own.
    private func moveToPass(line: Int) throws {
        let shift = span.shiftMillis(pass: pass)
        let time = schema.eventTimeFormat.text(row.eventTimeMillis + shift)
        do throws(FieldError) {
            if schema.fields[schema.eventTimeIndex].type == .string {
                try row.set(schema.eventTimeIndex, text: Array(time.utf8).span)
            } else {
                try row.set(schema.eventTimeIndex, number: Array(time.utf8).span)
            }
            let id = Array(row.bytes(schema.eventIDIndex)) + Array("-\(pass)".utf8)
            try row.set(schema.eventIDIndex, text: id.span)
            for index in timeFields {
                guard let value = row.bits(index) else { continue }
                // Seconds until the year 5138 lie below this, milliseconds since 1973 above.
                let moved = value + (abs(value) < 100_000_000_000 ? shift / 1_000 : shift)
                try row.set(index, number: Array(String(moved).utf8).span)
            }
        } catch {
            throw CommandError(.dataError, "\(options.input): line \(line) cannot be moved to pass \(pass): \(error).")
        }
    }

    private func waitUntilDue(_ eventMillis: Int64) throws {
        while true {
            let wait = pacer.waitNanos(
                eventMillis: eventMillis, nowNanos: WallClock.monotonicNanos(), nowMillis: WallClock.nowMillis())
            behindNanos = max(0, -wait)
            if pacer.isCaughtUp, !saidCaughtUp {
                runtime.log.info("caught up with the present; going on in real time")
            }
            saidCaughtUp = pacer.isCaughtUp
            if wait <= 0 { return }
            if runtime.isStopping { throw Stop.requested }
            if wait < 1_000_000 {
                var pause = timespec(tv_sec: 0, tv_nsec: Int(wait))
                nanosleep(&pause, nil)
            } else {
                try service(waitingMillis: Int32(clamping: min(50, wait / 1_000_000)))
            }
        }
    }

    private func releaseLabels() throws {
        guard let newestReadMillis, let labelTopic, let partitions = options.labelPartitions else { return }
        while let label = labels.firstDue(atMillis: newestReadMillis) {
            // An event the broker refused has no label.
            if label.eventToken == 0 || refusedEvents.remove(label.eventToken) == nil {
                _ = try send(
                    labelTopic, partitions: partitions, key: label.key, value: label.value, line: label.line,
                    isLabel: true)
            }
            labels.removeFirst()
        }
    }

    private func ask(_ score: ScoreClient) throws {
        let now = WallClock.monotonicNanos()
        while !score.hasRoom {
            score.service(timeoutMillis: 5, nowNanos: WallClock.monotonicNanos())
            if runtime.isStopping { throw Stop.requested }
        }
        score.ask(value, nowNanos: now)
        score.service(timeoutMillis: 0, nowNanos: now)
    }

    /// Queues one record, waiting while the queue is full. Nil when it was refused for itself, which is counted.
    private func send(
        _ topic: KafkaTopic, partitions: Int, key: [UInt8], value: [UInt8], line: Int, isLabel: Bool
    ) throws -> UInt64? {
        let partition = Murmur2.partition(key: key, partitionCount: partitions)
        let token = tracker.next
        while true {
            do throws(KafkaError) {
                let result = try producer.send(
                    topic: topic, partition: partition, key: key.span, value: value.span,
                    timestampMillis: WallClock.nowMillis(), token: token)
                if result == .queued { break }
            } catch {
                guard case .messageTooLarge(let reason) = error else { throw error }
                noteFailure(line: line, isLabel: isLabel, reason: "\(reason) (\(value.count) bytes)")
                return nil
            }
            // Full: nothing is given up, the input waits.
            if runtime.isStopping { throw Stop.requested }
            if summary.failure != nil { throw Stop.requested }
            try service(waitingMillis: 50)
        }
        _ = tracker.add(line: line, isLabel: isLabel)
        if isLabel {
            summary.labelsSent += 1
            metrics.labels.add()
        } else {
            summary.sent += 1
        }
        return token
    }

    private func noteFailure(line: Int, isLabel: Bool, reason: String) {
        summary.failed += 1
        metrics.failed.add()
        report(
            "record not sent", summary.failed, ["line": line, "record": isLabel ? "label" : "event", "error": reason])
    }

    // MARK: Between events

    /// Takes acknowledgements in, saves the state when it is time, shows progress; waits for an acknowledgement as long as said.
    private func service(waitingMillis: Int32 = 0) throws {
        sinceService = 0
        if let score, score.inFlight > 0 {
            producer.poll(timeoutMillis: 0)
            score.service(timeoutMillis: min(waitingMillis, 2), nowNanos: WallClock.monotonicNanos())
        } else {
            producer.poll(timeoutMillis: waitingMillis)
        }
        settle()
        if let fatal = producer.fatalError { throw fatal }
        try saveState()
        let now = WallClock.monotonicNanos()
        guard now >= quietUntilNanos else { return }
        quietUntilNanos = now + 100_000_000
        watchServers()
        metrics.show(summary, behindSeconds: Double(behindNanos) / 1e9, labelsPending: labels.count)
        progress.update(to: summary.read, note: note)
    }

    private var note: String {
        let waiting = "\(tracker.next - tracker.firstUnsettled) unacknowledged"
        if options.speed == .unlimited { return waiting }
        let tenths = behindNanos / 100_000_000
        return "\(tenths / 10).\(tenths % 10) s behind, \(waiting)"
    }

    private func settle() {
        producer.drainDeliveries(into: &deliveries)
        for delivery in deliveries {
            guard let record = tracker.record(delivery.token) else { continue }
            if delivery.isAcknowledged {
                if record.isLabel { summary.labelsAcknowledged += 1 } else { summary.acknowledged += 1 }
                tracker.settle(delivery.token)
                continue
            }
            guard let error = delivery.error else { continue }
            noteFailure(line: record.line, isLabel: record.isLabel, reason: error.description)
            if case .messageTooLarge = error {
                // It would be refused every time: the others go on, and its label is not sent.
                if !record.isLabel { refusedEvents.insert(delivery.token) }
                tracker.settle(delivery.token)
            } else {
                // Unsettled, it holds the state back, so that a later run sends it again.
                summary.failure = summary.failure ?? error.description
            }
        }
    }

    /// Notes the present place, and writes it once everything before it is settled.
    private func saveState(isLast: Bool = false) throws {
        guard let path = options.stateFile else { return }
        let now = WallClock.monotonicNanos()
        if isLast || (pending == nil && isSaveDue(now)) {
            var state = ReplayState(pass: pass, nextRow: nextRow, input: input)
            state.span = span
            state.newestReadMillis = newestReadMillis
            if isLast || savedState?.pass != state.pass || savedState?.nextRow != state.nextRow {
                state.labels = labels.labels
                pending = (state, tracker.next)
            }
        }
        guard let (state, token) = pending, tracker.firstUnsettled >= token else { return }
        pending = nil
        var saved = state
        if !refusedEvents.isEmpty { saved.labels.removeAll { refusedEvents.contains($0.eventToken) } }
        do { savedBytes = try saved.save(path) } catch {
            throw CommandError(.inputOutput, "the state cannot be written to \(path): \(error.localizedDescription).")
        }
        savedState = saved
        savedNanos = WallClock.monotonicNanos()
        readAtSave = summary.read
    }

    /// At most once a second, and no more bytes than the events since then had; after half a minute anyway. A slow replay with
    /// many waiting labels would wear the disk out otherwise.
    private func isSaveDue(_ now: UInt64) -> Bool {
        guard now >= savedNanos + 1_000_000_000 else { return false }
        return (summary.read - readAtSave) * 500 >= savedBytes || now >= savedNanos + 30_000_000_000
    }

    private func watchServers() {
        let isLost = producer.connectionProblem != nil && tracker.firstUnsettled < tracker.next
        if isLost != isBrokerLost {
            isBrokerLost = isLost
            if isLost {
                runtime.log.warning(
                    "Kafka does not answer; waiting", ["error": producer.connectionProblem ?? "unknown"])
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
    }

    /// Waits until everything sent is settled; when asked to stop, no longer than the deadline. Writes the last state.
    private func flush() throws {
        var deadlineNanos: UInt64?
        let scoreDeadlineNanos = WallClock.monotonicNanos() + ScoreClient.timeoutMillis * 1_000_000
        while tracker.firstUnsettled < tracker.next || (score?.inFlight ?? 0) > 0 {
            let now = WallClock.monotonicNanos()
            if tracker.firstUnsettled == tracker.next, now > scoreDeadlineNanos { break }
            if deadlineNanos == nil, runtime.isStopping || summary.failure != nil {
                deadlineNanos = now + UInt64(options.stopDeadlineMillis) * 1_000_000
            }
            if let deadlineNanos, now > deadlineNanos || producer.outstanding == 0 && now > scoreDeadlineNanos { break }
            _ = producer.flush(timeoutMillis: 20)
            try service(waitingMillis: 5)
        }
        try saveState(isLast: true)
        metrics.show(summary, behindSeconds: 0, labelsPending: labels.count)
    }

    private static func commandError(_ error: CSVError) -> CommandError {
        switch error {
        case .unreadable: CommandError(.noInput, "\(error).")
        case .empty, .encoding, .unclosedQuote, .noHeader, .missingColumns, .duplicateColumns:
            CommandError(.dataError, "\(error).")
        }
    }
}
