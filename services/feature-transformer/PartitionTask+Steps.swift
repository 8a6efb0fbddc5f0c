import FeatureEngine
import KafkaClient
import Observability
import Pipeline
import PostgresClient
import PostgresOfflineStore
import StreamRecovery

/// What each step of the protocol is, with the real servers. A step that fails throws, and the protocol hears of it.
extension PartitionTask {
    /// How long the broker may take to answer, ms.
    private static let kafkaTimeoutMillis: Int32 = 10_000

    func perform(_ step: PartitionProtocol.Step, _ consumer: KafkaConsumer) throws -> PartitionProtocol.Event {
        switch step {
        case .claim: return try claim(consumer)
        case .noteCount(let count):
            return try note { try ledger.set(partitionCount: count, epoch: machine.claim.epoch, on: $0) }
        case .loadIDs: return try loadIDs()
        case .republish(let range): return try republish(range)
        case .notePublished(let position):
            return try note { try ledger.set(published: position, epoch: machine.claim.epoch, on: $0) }
        case .beginGeneration(let generation):
            return try note {
                try ledger.set(generation: Int64(clamping: generation), epoch: machine.claim.epoch, on: $0)
            }
        case .inspectLog: return try inspectLog(consumer)
        case .identify(let position): return .verdict(try identify(position))
        case .rebase(let base): return try rebase(base)
        case .seek(let position):
            isMoved = true
            try consumer.assign(partition, offset: position - machine.claim.base)
            return .done
        case .compareRecord: return .verdict(isRecordBefore)
        case .prepare(let attempt): return .prepared(try prepare(attempt))
        case .commit(let published): return try commit(published)
        case .publish:
            for letter in batch.letters { try context.publisher.send(letter) }
            try (stage as? any RekeyingStage)?.publish(by: context.rekeyer)
            try context.publisher.flush()
            try context.rekeyer.flush()
            return .done
        case .readMark: return .mark(try online().readMark(context.stores))
        case .plant(let mark):
            try online().plant(mark, stores: context.stores)
            return .done
        case .replay(let from, _): return try replay(from)
        case .writeOnline(let from, let to): return try writeOnline(from, to)
        case .wait, .retreat, .stop: preconditionFailure("\(step) is no step to carry out")
        }
    }

    private func replay(_ from: Int64) throws -> PartitionProtocol.Event {
        let (mark, next, unusable) = try online().replay(from: from, machine.claim, stores: context.stores)
        if let first = unusable.first, !hasToldUnusable {
            hasToldUnusable = true
            context.log.warning(
                "stored events are in no window: their key or id breaks the present rule",
                ["events": unusable.count, "first": first])
        }
        return .replayed(mark: mark, next: next)
    }

    private func online() throws -> any OnlineStage {
        guard let online = stage as? any OnlineStage else { preconditionFailure("this stage has no online state") }
        return online
    }

    private func note(_ body: (PostgresConnection) throws -> Void) throws -> PartitionProtocol.Event {
        try body(context.stores.postgres().connection)
        return .done
    }

    // MARK: Claim

    private func claim(_ consumer: KafkaConsumer) throws -> PartitionProtocol.Event {
        // Kafka first: without it nothing could be read, and every claim costs its predecessor the partition.
        let count = try consumer.partitionCount(topic: partition.topic, timeoutMillis: Self.kafkaTimeoutMillis)
        guard let count else {
            throw StepError(.lost(.kafka), "topic \"\(partition.topic)\" is not there")
        }
        let state = try ledger.claim(context.owner, on: context.stores.postgres().connection)
        // What is beyond would overflow somewhere: nothing of ours has written it, and nothing may be built on it.
        for number in [state.nextOffset, state.published, state.base] where !(0..<Self.offsetEnd).contains(number) {
            throw PipelineStop(
                topic: partition.topic, partition: partition.partition,
                "partition_state holds \(number) where only a position can be")
        }
        last = (state.lastTimestamp, state.lastCRC)
        stage.horizon = state.horizon
        var claim = PartitionClaim()
        claim.epoch = state.epoch
        claim.next = state.nextOffset
        claim.published = state.published
        claim.generation = OnlineMark.generation(stored: state.generation)
        claim.base = state.base
        claim.duplicates = state.duplicates
        claim.gaps = state.gaps
        claim.removed = state.removed
        claim.partitionCount = state.partitionCount
        claim.knowsRecordBefore = state.lastTimestamp != Self.unreadable
        return .claimed(claim, partitionCount: count)
    }

    /// At one moment of the database, so that what is deleted by age meanwhile is counted once.
    private func loadIDs() throws -> PartitionProtocol.Event {
        let store = try context.stores.postgres()
        let connection = store.connection
        return try connection.snapshot {
            let removed = try ledger.removed(on: connection)
            let rows = try stage.loadIDs(ledger, from: store)
            let letters = try ledger.deadLetterCount(on: connection)
            return .counted(rows: rows, letters: letters, removed: removed)
        }
    }

    private func republish(_ range: Range<Int64>) throws -> PartitionProtocol.Event {
        let store = try context.stores.postgres()
        try ledger.deadLetters(in: range, on: store.connection) { try context.publisher.send($0) }
        try (stage as? any RekeyingStage)?.republish(range, from: store, by: context.rekeyer)
        try context.publisher.flush()
        try context.rekeyer.flush()
        return .done
    }

    // MARK: The log

    private func inspectLog(_ consumer: KafkaConsumer) throws -> PartitionProtocol.Event {
        topicID = context.identity.ids(of: [partition.topic])[partition.topic]
        let marks = try consumer.watermarks(of: partition, timeoutMillis: Self.kafkaTimeoutMillis)
        let base = machine.claim.base
        guard marks.high < Self.offsetEnd, marks.low >= 0 else {
            throw StepError(.other("the log's ends cannot be"), "the broker says offset \(marks.high)")
        }
        return .log(low: base + marks.low, high: base + marks.high)
    }

    /// Whether the log's record at a position is the one stored there, as a row or as a dead letter.
    private func identify(_ position: Int64) throws -> Bool {
        let reader = LogReader(bootstrapServers: context.bootstrapServers)
        guard
            let (records, index) = try reader.record(
                of: partition, at: position - machine.claim.base, timeoutMillis: 10_000),
            records.offset(at: index) == position - machine.claim.base
        else { return false }
        let store = try context.stores.postgres()
        var isStored = false
        try ledger.deadLetters(in: position..<position + 1, on: store.connection) { letter in
            isStored = letter.value == (records.hasValue(at: index) ? records.value(at: index) : nil)
        }
        if !isStored { isStored = try stage.isStored(index, of: records, at: position, in: store) }
        if isStored { identified = (Self.time(index, of: records), Self.crc(index, of: records)) }
        return isStored
    }

    private func rebase(_ base: Int64) throws -> PartitionProtocol.Event {
        try ledger.set(
            base: base, last: identified, epoch: machine.claim.epoch, on: context.stores.postgres().connection)
        last = identified
        context.log.warning(
            "the log lost records that are stored: nothing is lost, it goes on behind them",
            [
                "topic": partition.topic, "partition": Int(partition.partition), "next_offset": machine.claim.next,
                "base": base,
            ])
        return .done
    }

    private var isRecordBefore: Bool {
        guard let records = batch.records, let place = batch.places.first else { return false }
        return records.offset(at: place) == nextOffset - 1 && Self.time(place, of: records) == last.timestampMillis
            && Self.crc(place, of: records) == last.crc
    }

    /// As it is compared: one value means that there is none.
    private static func time(_ index: Int, of batch: KafkaBatch) -> Int64 {
        max(batch.timestampMillis(at: index), unreadable + 1)
    }

    static func crc(_ index: Int, of batch: KafkaBatch) -> UInt32 {
        var crc = CRC32()
        batch.withKey(at: index) { crc.combine($0) }
        batch.withValue(at: index) { crc.combine($0) }
        return crc.value
    }

    /// No log reaches so far; below it, positions can be added.
    private static let offsetEnd: Int64 = 1 << 61

    /// As the timestamp of the record before N: it lies where the log cannot be read.
    static let unreadable = Int64.min

    // MARK: A batch

    private func prepare(_ attempt: BatchAttempt) throws -> PreparedBatch {
        if attempt.isRepeat { stage.dropState() }
        batch.removeLetters()
        batch.taken.removeAll(keepingCapacity: true)
        stage.begin(isCareful: attempt.isCareful)
        let claim = machine.claim
        var expected = claim.next
        var gaps: Int64 = 0
        batch.attempted = 0
        if let to = attempt.unreadableTo {
            batch.add(unreadable(from: expected, to: to), .unreadable)
            (gaps, expected) = (to - expected - 1, to)
        } else if let records = batch.records {
            for place in batch.places.prefix(attempt.limit) {
                guard records.offset(at: place) < Self.offsetEnd else {
                    throw StepError(.other("an offset cannot be"), "offset \(records.offset(at: place))")
                }
                let position = records.offset(at: place) + claim.base
                gaps += position - expected
                expected = position + 1
                batch.attempted += 1
                if let refusal = attempt.refusals[position] {
                    refuse(place, of: records, at: position, refusal, .notStorable)
                } else if let refused = try stage.accept(place, of: records, at: position) {
                    refuse(place, of: records, at: position, .whole(refused.reason), refused.kind)
                } else {
                    batch.taken.append(place)
                }
            }
        }
        let prepared = try stage.prepare(claim, stores: context.stores)
        if let records = batch.records {
            for (place, refused) in prepared.refused {
                let index = batch.taken[place]
                let position = records.offset(at: index) + claim.base
                refuse(index, of: records, at: position, .whole(refused.reason), refused.kind)
            }
        }
        batch.rows = prepared.rows
        batch.advance = PartitionAdvance(
            from: claim.next, to: expected, published: 0, lastTimestamp: Self.unreadable, lastCRC: 0,
            duplicates: prepared.duplicates, gaps: Int(gaps))
        if attempt.unreadableTo == nil, batch.attempted > 0, let records = batch.records {
            let place = batch.places[batch.places.startIndex + batch.attempted - 1]
            batch.advance.lastTimestamp = Self.time(place, of: records)
            batch.advance.lastCRC = Self.crc(place, of: records)
        }
        return PreparedBatch(
            records: batch.attempted, to: expected, mark: prepared.mark,
            outgoing: batch.letters.count + ((stage as? any RekeyingStage)?.outgoing ?? 0))
    }

    private func refuse(
        _ index: Int, of records: KafkaBatch, at position: Int64, _ refusal: Refusal, _ kind: RecordRefusal.Kind
    ) {
        var letter = DeadLetterRecord(
            position: LogPosition(topic: partition.topic, partition: partition.partition, offset: position),
            reason: refusal.reason, key: nil, value: nil, timestampMillis: records.timestampMillis(at: index))
        if case .whole = refusal {
            letter.key = records.hasKey(at: index) ? records.key(at: index) : nil
            letter.value = records.hasValue(at: index) ? records.value(at: index) : nil
        } else {
            letter.reason += " (stored without key and value, which Postgres refused, too)"
        }
        batch.add(letter, kind)
    }

    private func unreadable(from: Int64, to: Int64) -> DeadLetterRecord {
        let base = machine.claim.base
        return DeadLetterRecord(
            position: LogPosition(topic: partition.topic, partition: partition.partition, offset: from),
            reason: "the records at offsets \(from - base) to \(to - base - 1) cannot be read by any client: "
                + "their batch is damaged inside",
            key: nil, value: nil, timestampMillis: 0)
    }

    private func commit(_ published: Int64) throws -> PartitionProtocol.Event {
        batch.advance.published = published
        let connection = try context.stores.postgres().connection
        do {
            try ledger.begin(batch.advance, epoch: machine.claim.epoch, horizon: stage.horizon, on: connection)
            if batch.rows > 0 { try stage.copy(on: connection) }
            try ledger.store(batch.letters, version: context.definitionHash, on: connection)
            try connection.execute("COMMIT")
        } catch {
            connection.rollback()
            throw error
        }
        noteProgress()
        return .done
    }

    private func noteProgress() {
        last = (batch.advance.lastTimestamp, batch.advance.lastCRC)
        for letter in batch.letters { context.letters.note(letter.reason) }
        let now = StageClock.millis()
        context.board.change(partition, nowMillis: now) { ($0.progressMillis, $0.reason) = (now, "") }
        context.metrics.count(
            records: batch.attempted, rows: batch.rows, duplicates: batch.advance.duplicates,
            deadLetters: batch.letterKinds)
    }

    /// Of a replay the newest record's time is known only at its end; of a batch it is the last record's.
    private func writeOnline(_ from: OnlineMark, _ to: OnlineMark) throws -> PartitionProtocol.Event {
        let newest = to.next == machine.claim.next || to.next == batch.advance.to ? last.timestampMillis : -1
        try online().writeOnline(from: from, to: to, newestMillis: newest, stores: context.stores)
        if let records = batch.records, batch.attempted > 0, to.next == batch.advance.to {
            context.metrics.freshness(
                ofTimestamps: batch.places.prefix(batch.attempted).lazy.map { records.timestampMillis(at: $0) })
        }
        return .done
    }
}
