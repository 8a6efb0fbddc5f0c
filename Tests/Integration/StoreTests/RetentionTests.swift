import FeatureEngine
import Pipeline
import PostgresClient
import PostgresOfflineStore
import TestSupport
import Testing

@Suite struct RetentionTests {
    private let store: PostgresOfflineStore
    private static let day: Int64 = 86_400_000
    private static let now: Int64 = 1_700_000_000_000

    init() throws {
        store = try PostgresOfflineStore(url: TestServers.postgres().makeDatabase("retention"))
        try store.migrate()
    }

    /// 30 records a partition, one a day, the newest of now: predictions with even offsets, dead letters with odd ones.
    private func fill(partitions: Int) throws {
        for partition in 0..<Int32(partitions) {
            let ledger = PartitionLedger(topic: "predictions", partition: partition)
            let state = try ledger.claim("me", on: store.connection)
            let rows = PostgresCopyBuffer()
            var letters: [DeadLetterRecord] = []
            for offset in Int64(0)..<30 {
                let position = LogPosition(topic: "predictions", partition: partition, offset: offset)
                if offset % 2 == 0 {
                    var record = PredictionRecord()
                    record.predictionID = ByteString("p-\(partition)-\(offset)")
                    record.createdMillis = Self.now - (29 - offset) * Self.day
                    PredictionTable.add(record, nil, PredictionKinds(), at: position, to: rows)
                } else {
                    letters.append(
                        DeadLetterRecord(position: position, reason: "r", key: nil, value: [1], timestampMillis: .max))
                }
            }
            try ledger.begin(
                PartitionAdvance(from: 0, to: 30, published: 20, lastTimestamp: 0, lastCRC: 0, duplicates: 0, gaps: 0),
                epoch: state.epoch, on: store.connection)
            try store.connection.copyIn(table: PredictionTable.name, columns: PredictionTable.columns, rows: rows)
            try ledger.store(letters, version: "v", on: store.connection)
            try store.connection.execute("COMMIT")
        }
        try store.connection.execute(
            "UPDATE dead_letters SET created = to_timestamp(\(Self.now) / 1000.0) - (29 - _offset) * interval '1 day'")
    }

    /// rows + dead letters + removed of each partition.
    private func totals() throws -> [Int64?] {
        let result = try store.connection.execute(
            """
            SELECT removed + (SELECT count(*) FROM predictions p WHERE p._partition = s.partition)
            + (SELECT count(*) FROM dead_letters d WHERE d._partition = s.partition) FROM partition_state s ORDER BY partition
            """)
        return (0..<result.count).map { result.integer($0, 0) }
    }

    @Test func `what is old goes in bounded steps, and every record stays accounted for`() throws {
        try fill(partitions: 3)
        #expect(try totals() == [30, 30, 30])
        let moment = Self.now - 10 * Self.day  // offsets below 19
        var steps: [Int] = []
        repeat {
            steps.append(try store.prune(.predictions, olderThanMillis: moment, limit: 12))
            #expect(try totals() == [30, 30, 30])
        } while steps.last == 12
        #expect(steps == [12, 12, 6])
        #expect(try store.connection.execute("SELECT min(_offset) FROM predictions").integer(0, 0) == 20)
        #expect(try store.prune(.deadLetters, olderThanMillis: moment, limit: 100) == 27)
        #expect(try totals() == [30, 30, 30])
        #expect(try store.connection.execute("SELECT min(_offset) FROM dead_letters").integer(0, 0) == 19)
        let ledger = PartitionLedger(topic: "predictions", partition: 1)
        #expect(try ledger.removed(on: store.connection) == 19)
        #expect(try ledger.claim("other", on: store.connection).removed == 19)
        // Whoever would store one of them again is told.
        #expect(
            try store.horizon(ofTopic: "predictions") == HistoryHorizon(removedBefore: moment, completeFrom: moment))
        #expect(try store.prune(.predictions, olderThanMillis: moment, limit: 12) == 0)
    }

    @Test func `a dead letter that is not on its topic yet is kept, however old`() throws {
        try fill(partitions: 1)
        #expect(try store.prune(.deadLetters, olderThanMillis: Self.now + Self.day, limit: 100) == 10)
        let left = try store.connection.execute("SELECT min(_offset), count(*) FROM dead_letters")
        #expect(left.integer(0, 0) == 21 && left.integer(0, 1) == 5)
        #expect(try totals() == [30])
    }

    @Test func `an owner that does not know the horizon is refused, and the horizon is never lowered`() throws {
        let ledger = PartitionLedger(topic: "t", partition: 0)
        let state = try ledger.claim("me", on: store.connection)
        #expect(state.horizon == HistoryHorizon())
        let horizon = HistoryHorizon(removedBefore: 1_000, completeFrom: 5_000)
        try store.raise(horizon, ofTopic: "t")
        try store.raise(HistoryHorizon(removedBefore: 900, completeFrom: 4_000), ofTopic: "t")
        #expect(try store.horizon(ofTopic: "t") == horizon)
        #expect(try store.horizon(ofTopic: "other") == HistoryHorizon())
        func advance(_ from: Int64) -> PartitionAdvance {
            PartitionAdvance(
                from: from, to: from + 1, published: 0, lastTimestamp: 0, lastCRC: 0, duplicates: 1, gaps: 0)
        }
        #expect(throws: Fenced.self) {
            try ledger.begin(advance(0), epoch: state.epoch, horizon: state.horizon, on: store.connection)
        }
        store.connection.rollback()
        let again = try ledger.claim("me", on: store.connection)
        #expect(again.horizon == horizon)
        try ledger.begin(advance(0), epoch: again.epoch, horizon: again.horizon, on: store.connection)
        try store.connection.execute("COMMIT")
        #expect(horizon.refusal(ofMillis: 4_999, field: "time")?.contains("EVENT_RETENTION_DAYS") == true)
        #expect(horizon.refusal(ofMillis: 5_000, field: "time") == nil)
        #expect(HistoryHorizon().refusal(ofMillis: 0, field: "time") == nil)
    }

    @Test(arguments: [Int64.min, .max])
    func `any moment can be asked for`(moment: Int64) throws {
        try fill(partitions: 1)
        #expect(try store.prune(.predictions, olderThanMillis: moment, limit: 100) == (moment < 0 ? 0 : 15))
        #expect(try totals() == [30])
    }
}
