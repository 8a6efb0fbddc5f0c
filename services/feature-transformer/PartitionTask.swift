import KafkaClient
import Observability
import PostgresClient
import PostgresOfflineStore

/// One partition of one topic in the hands of one thread: assignment, batches, and back to the assignment after any error.
///
///     assign   claim an epoch ▸ load ids ▸ check totals ▸ publish dead letters of [P, N) ▸ restore the online state ▸ read from N
///     batch    decode ▸ dedupe ▸ evaluate ▸ Postgres, one transaction with the compare-and-set of N ▸ dead letters ▸ Redis
final class PartitionTask {
    let partition: KafkaPartition
    let ledger: PartitionLedger
    private let stage: any Stage
    private let context: StageContext
    private(set) var state = PartitionState()
    /// Whether records may be processed.
    private(set) var isAssigned = false
    /// Not before this moment may the next assignment be tried.
    var retryAtMillis: Int64 = 0
    var failures = 0

    private var flushed: Int64 = 0
    private var expectsRecordBefore = false
    private var rebuildAbove: UInt64?
    private var carefulUntil: Int64 = 0  // look every id up before this offset
    private var singlyUntil: Int64 = 0  // one record a batch before this offset
    private var refusedByPostgres: [Int64: String] = [:]
    private var letters: [DeadLetter] = []
    private var taken: [Int] = []  // places in the Kafka batch of the records the stage took
    private let lag: Gauge

    init(_ partition: KafkaPartition, stage: any Stage, context: StageContext) {
        self.partition = partition
        self.stage = stage
        self.context = context
        ledger = PartitionLedger(topic: partition.topic, partition: partition.partition)
        lag = context.metrics.lag(partition)
    }

    var nextOffset: Int64 { state.nextOffset }

    /// Drops everything that is known.
    func reset() {
        isAssigned = false
        context.board.set(partition, isAssigned: false)
        stage.forget()
    }

    /// Takes the partition over and says where to read from.
    func assign(consumer: KafkaConsumer) throws {
        reset()
        let stores = context.stores
        let postgres = try stores.postgres()
        state = try ledger.claim(context.owner, on: postgres.connection)
        let rows = try stage.loadIDs(ledger, stores: stores)
        let refused = try ledger.deadLetterCount(on: postgres.connection)
        guard rows + refused + state.duplicates + state.gaps + state.removed == state.nextOffset else {
            throw stop(
                "\(rows) rows, \(refused) dead letters, \(state.duplicates) repeats, \(state.gaps) gaps and \(state.removed) removed do not add up to the \(state.nextOffset) records read"
            )
        }
        if state.published < state.nextOffset {
            try ledger.deadLetters(in: state.published..<state.nextOffset, on: postgres.connection) { letter in
                try context.publisher.send(letter)
            }
            try context.publisher.flush()
            try ledger.set(published: state.nextOffset, epoch: state.epoch, on: postgres.connection)
        }
        flushed = state.nextOffset
        try stage.restoreOnline(&state, rebuildAbove: rebuildAbove, ledger: ledger, stores: stores)
        rebuildAbove = nil
        let marks = try consumer.watermarks(of: partition, timeoutMillis: 10_000)
        switch LogStart.plan(next: state.nextOffset, low: marks.low, high: marks.high) {
        case .refuse(let reason): throw stop(reason)
        case .begin(let offset, let isBefore):
            expectsRecordBefore = isBefore
            try consumer.assign(partition, offset: offset)
        }
        isAssigned = true
        context.board.set(partition, isAssigned: true)
        lag.set(Double(max(0, marks.high - state.nextOffset)))
        context.log.info(
            "partition assigned",
            [
                "topic": partition.topic, "partition": Int(partition.partition), "epoch": state.epoch,
                "next_offset": state.nextOffset, "generation": state.generation, "log_end": marks.high,
            ])
    }

    /// Processes the records of this partition that a poll brought.
    func process(_ batch: KafkaBatch, _ runs: [Range<Int>]) throws {
        var records: [Int] = []
        for run in runs { records.append(contentsOf: run) }
        if expectsRecordBefore, let first = records.first {
            try checkRecordBefore(first, of: batch)
            expectsRecordBefore = false
        }
        records.removeAll { batch.offset(at: $0) < state.nextOffset }
        while let first = records.first {
            let isSingle = batch.offset(at: first) < singlyUntil
            let count = isSingle ? 1 : records.count
            try step(batch, records[..<count])
            records.removeFirst(count)
        }
    }

    /// In a quiet moment.
    func idle() throws {
        guard isAssigned else { return }
        try stage.check(state, ledger: ledger, stores: context.stores)
        if state.published < flushed {
            // Nothing else would tell a later owner that the last dead letters are out.
            try ledger.set(published: flushed, epoch: state.epoch, on: context.stores.postgres().connection)
            state.published = flushed
        }
    }

    /// Shows how far behind the log's end the partition is, as the last fetch told.
    func reportLag(consumer: KafkaConsumer) {
        guard isAssigned, let high = consumer.fetchedWatermarks(of: partition)?.high else { return }
        lag.set(Double(max(0, high - state.nextOffset)))
    }

    /// Learns from an error what the next attempt must do otherwise.
    func learn(from error: any Error, lastOffset: Int64) {
        if let reassign = error as? Reassign, let generation = reassign.rebuildAbove { rebuildAbove = generation }
        guard let state = (error as? PostgresError)?.sqlState else { return }
        if state == "23505" {
            carefulUntil = lastOffset + 1
        } else if state.hasPrefix("22") || state.hasPrefix("23") {
            // A value Postgres will never take. Alone in its batch it is known by its offset.
            if self.state.nextOffset < singlyUntil {
                refusedByPostgres[lastOffset] = "\(error)"
            } else {
                singlyUntil = lastOffset + 1
            }
        }
    }

    // MARK: One batch

    private func step(_ batch: KafkaBatch, _ records: ArraySlice<Int>) throws {
        guard let first = records.first, let last = records.last else { return }
        do {
            try commit(batch, records)
        } catch {
            learn(from: error, lastOffset: batch.offset(at: last))
            throw error
        }
        let lastOffset = batch.offset(at: last)
        if carefulUntil <= lastOffset { carefulUntil = 0 }
        failures = 0
        context.metrics.freshness(ofTimestamp: batch.timestampMillis(at: first), to: batch.timestampMillis(at: last))
    }

    private func commit(_ batch: KafkaBatch, _ records: ArraySlice<Int>) throws {
        letters.removeAll(keepingCapacity: true)
        taken.removeAll(keepingCapacity: true)
        stage.begin(isCareful: state.nextOffset < carefulUntil)
        var expected = state.nextOffset
        var gaps: Int64 = 0
        for index in records {
            let offset = batch.offset(at: index)
            gaps += offset - expected
            expected = offset + 1
            if let reason = refusedByPostgres[offset] ?? stage.take(index, of: batch) {
                refuse(index, of: batch, reason)
            } else {
                taken.append(index)
            }
        }
        let prepared = try stage.prepare(state, ledger: ledger, stores: context.stores)
        for (place, reason) in prepared.refused { refuse(taken[place], of: batch, reason) }

        let last = records[records.endIndex - 1]
        let advance = PartitionAdvance(
            from: state.nextOffset, to: expected, published: flushed, lastTimestamp: batch.timestampMillis(at: last),
            lastCRC: Self.crc(last, of: batch), duplicates: prepared.duplicates, gaps: Int(gaps))
        let connection = try context.stores.postgres().connection
        do {
            try ledger.begin(advance, epoch: state.epoch, on: connection)
            if prepared.rows > 0 { try stage.copy(on: connection) }
            try ledger.store(letters, version: context.definitionHash, on: connection)
            try connection.execute("COMMIT")
        } catch {
            connection.rollback()
            throw error
        }
        if !letters.isEmpty {
            for letter in letters { try context.publisher.send(letter) }
            try context.publisher.flush()
        }
        try stage.writeOnline(advance, stores: context.stores)

        state.published = flushed
        flushed = expected
        state.nextOffset = expected
        refusedByPostgres = refusedByPostgres.filter { $0.key >= expected }
        context.metrics.count(
            records: records.count, rows: prepared.rows, duplicates: prepared.duplicates, deadLetters: letters.count)
    }

    private func refuse(_ index: Int, of batch: KafkaBatch, _ reason: String) {
        letters.append(
            DeadLetter(
                position: LogPosition(
                    topic: partition.topic, partition: partition.partition, offset: batch.offset(at: index)),
                reason: reason, key: batch.hasKey(at: index) ? batch.key(at: index) : nil,
                value: batch.hasValue(at: index) ? batch.value(at: index) : nil,
                timestampMillis: max(0, batch.timestampMillis(at: index))))
    }

    private func checkRecordBefore(_ index: Int, of batch: KafkaBatch) throws {
        guard batch.offset(at: index) == state.nextOffset - 1,
            batch.timestampMillis(at: index) == state.lastTimestamp, Self.crc(index, of: batch) == state.lastCRC
        else {
            throw stop(
                "the record at offset \(state.nextOffset - 1) is not the one that was read there: this is another log")
        }
    }

    private func stop(_ reason: String) -> PipelineStop {
        PipelineStop(topic: partition.topic, partition: partition.partition, reason)
    }

    private static func crc(_ index: Int, of batch: KafkaBatch) -> UInt32 {
        var crc = CRC32()
        batch.withKey(at: index) { crc.combine($0) }
        batch.withValue(at: index) { crc.combine($0) }
        return crc.value
    }
}
