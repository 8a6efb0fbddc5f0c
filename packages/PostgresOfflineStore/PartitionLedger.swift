public import Pipeline
public import PostgresClient

/// What one batch adds to a partition.
public struct PartitionAdvance: Hashable, Sendable {
    /// N before the batch.
    public var from: Int64
    /// N after it.
    public var to: Int64
    /// P to note: the end of the last batch that was flushed.
    public var published: Int64
    /// Kafka timestamp of the batch's last record.
    public var lastTimestamp: Int64
    /// CRC-32 of the batch's last record.
    public var lastCRC: UInt32
    /// Repeats in the batch.
    public var duplicates: Int
    /// Offsets missing in the batch.
    public var gaps: Int

    /// Describes a step.
    public init(
        from: Int64, to: Int64, published: Int64, lastTimestamp: Int64, lastCRC: UInt32, duplicates: Int, gaps: Int
    ) {
        self.from = from
        self.to = to
        self.published = published
        self.lastTimestamp = lastTimestamp
        self.lastCRC = lastCRC
        self.duplicates = duplicates
        self.gaps = gaps
    }
}

/// Somebody else took the partition over: this owner's epoch is not the newest any more.
public struct Fenced: Error, Hashable, Sendable, CustomStringConvertible {
    /// The partition.
    public let topic: String
    /// Its number.
    public let partition: Int32
    public var description: String { "partition \(partition) of topic \"\(topic)\" has another owner now" }
}

/// The rows of one partition in `partition_state` and `dead_letters`, under the epoch of one owner.
public struct PartitionLedger: Sendable {
    /// The topic.
    public let topic: String
    /// The partition.
    public let partition: Int32
    private var place: String { "topic = \(PostgresQuoting.literal(topic)) AND partition = \(partition)" }

    /// Names a partition.
    public init(topic: String, partition: Int32) { (self.topic, self.partition) = (topic, partition) }

    /// Takes the partition over: from here on every older owner's write is refused.
    public func claim(_ owner: String, on connection: PostgresConnection) throws -> PartitionState {
        let result = try connection.query(
            """
            INSERT INTO partition_state (topic, partition, epoch, owner) VALUES ($1, $2::int, 1, $3)
            ON CONFLICT (topic, partition) DO UPDATE
            SET epoch = partition_state.epoch + 1, owner = excluded.owner, updated_at = now()
            RETURNING epoch, next_offset, published, generation, last_timestamp, last_crc, duplicates, gaps,
            removed, base, (SELECT coalesce(max(partition_count), 0) FROM partition_state WHERE topic = $1),
            removed_before, complete_from
            """, [.text(topic), .integer(Int64(partition)), .text(owner)])
        guard result.count == 1 else { throw PostgresError.unexpectedResult("no row of partition_state") }
        var state = PartitionState()
        state.epoch = result.integer(0, 0) ?? 0
        state.nextOffset = result.integer(0, 1) ?? 0
        state.published = result.integer(0, 2) ?? 0
        state.generation = result.integer(0, 3) ?? 0
        state.lastTimestamp = result.integer(0, 4) ?? 0
        state.lastCRC = UInt32(truncatingIfNeeded: result.integer(0, 5) ?? 0)
        state.duplicates = result.integer(0, 6) ?? 0
        state.gaps = result.integer(0, 7) ?? 0
        state.removed = result.integer(0, 8) ?? 0
        state.base = result.integer(0, 9) ?? 0
        state.partitionCount = Int(result.integer(0, 10) ?? 0)
        state.horizon = HistoryHorizon(
            removedBefore: result.integer(0, 11) ?? 0, completeFrom: result.integer(0, 12) ?? 0)
        return state
    }

    /// Begins the transaction of one batch with its compare-and-set of N; everything else of the batch goes between this and
    /// COMMIT. Under another horizon than the owner knows it is refused, too: what it looked up may be deleted since. See
    /// docs/design.md, A batch.
    public func begin(
        _ advance: PartitionAdvance, epoch: Int64, horizon: HistoryHorizon = HistoryHorizon(),
        on connection: PostgresConnection
    ) throws {
        let result = try connection.execute(
            """
            BEGIN; UPDATE partition_state SET next_offset = \(advance.to), published = \(advance.published), \
            last_timestamp = \(advance.lastTimestamp), last_crc = \(advance.lastCRC), \
            duplicates = duplicates + \(advance.duplicates), gaps = gaps + \(advance.gaps), updated_at = now() \
            WHERE \(place) AND epoch = \(epoch) AND next_offset = \(advance.from) \
            AND removed_before = \(horizon.removedBefore) AND complete_from = \(horizon.completeFrom)
            """)
        guard result.affected == 1 else { throw Fenced(topic: topic, partition: partition) }
    }

    /// Notes P, a new generation, the base of a log made again with the record before N, or the number of partitions, under the
    /// owner's epoch.
    public func set(
        published: Int64? = nil, generation: Int64? = nil, base: Int64? = nil,
        last: (timestampMillis: Int64, crc: UInt32)? = nil, partitionCount: Int? = nil, epoch: Int64,
        on connection: PostgresConnection
    ) throws {
        var assignments: [String] = []
        if let published { assignments.append("published = \(published)") }
        if let generation { assignments.append("generation = \(generation)") }
        if let base { assignments.append("base = \(base)") }
        if let last { assignments.append("last_timestamp = \(last.timestampMillis), last_crc = \(last.crc)") }
        if let partitionCount { assignments.append("partition_count = \(partitionCount)") }
        let result = try connection.execute(
            "UPDATE partition_state SET \(assignments.joined(separator: ", ")) WHERE \(place) AND epoch = \(epoch)")
        guard result.affected == 1 else { throw Fenced(topic: topic, partition: partition) }
    }

    /// The Kafka offset after the last that is stored, and the base that makes a position of it, whoever owns the partition.
    public static func nextOffsets(
        on connection: PostgresConnection
    ) throws -> [(stored: LogPosition, base: Int64)] {
        let result = try connection.execute(
            "SELECT topic, partition, next_offset - base, base FROM partition_state ORDER BY 1, 2")
        return (0..<result.count).map { row in
            let stored = LogPosition(
                topic: result.text(row, 0) ?? "", partition: Int32(truncatingIfNeeded: result.integer(row, 1) ?? 0),
                offset: result.integer(row, 2) ?? 0)
            return (stored, result.integer(row, 3) ?? 0)
        }
    }

    /// P of every partition of a topic.
    public static func published(ofTopic topic: String, on connection: PostgresConnection) throws -> [LogPosition] {
        let result = try connection.query(
            "SELECT partition, published FROM partition_state WHERE topic = $1 ORDER BY 1", [.text(topic)])
        return (0..<result.count).map { row in
            LogPosition(
                topic: topic, partition: Int32(truncatingIfNeeded: result.integer(row, 0) ?? 0),
                offset: result.integer(row, 1) ?? 0)
        }
    }

    /// How many rows retention has removed. Read again after rows were counted: the same number as before means that none went
    /// in between.
    public func removed(on connection: PostgresConnection) throws -> Int64 {
        let result = try connection.execute("SELECT removed FROM partition_state WHERE \(place)")
        return result.count == 1 ? result.integer(0, 0) ?? 0 : 0
    }

    // MARK: Dead letters

    /// Stores refused records; part of the batch's transaction.
    public func store(_ letters: [DeadLetterRecord], version: String, on connection: PostgresConnection) throws {
        guard !letters.isEmpty else { return }
        let rows = PostgresCopyBuffer()
        for letter in letters {
            rows.beginRow(columns: 8)
            rows.add(letter.position.topic)
            rows.add(letter.position.partition)
            rows.add(letter.position.offset)
            // By bytes: a NUL with a combining mark behind it is no NUL to Swift, but the server refuses it all the same.
            rows.add(bytes: letter.reason.utf8.flatMap { $0 == 0 ? Array("␀".utf8) : [$0] })
            if let key = letter.key { rows.add(bytes: key) } else { rows.addNull() }
            if let value = letter.value { rows.add(bytes: value) } else { rows.addNull() }
            rows.add(millis: letter.timestampMillis)
            rows.add(version)
        }
        try connection.copyIn(
            table: "dead_letters",
            columns: ["_topic", "_partition", "_offset", "reason", "key", "value", "record_timestamp", "version"],
            rows: rows)
    }

    /// The dead letters with offsets in the range, in order.
    public func deadLetters(
        in offsets: Range<Int64>, on connection: PostgresConnection, _ body: (DeadLetterRecord) throws -> Void
    ) throws {
        guard !offsets.isEmpty else { return }
        try connection.copyOut(
            """
            SELECT _offset, reason, key, value, record_timestamp FROM dead_letters
            WHERE _topic = \(PostgresQuoting.literal(topic)) AND _partition = \(partition)
            AND _offset >= \(offsets.lowerBound) AND _offset < \(offsets.upperBound) ORDER BY _offset
            """
        ) { row in
            try body(
                DeadLetterRecord(
                    position: LogPosition(topic: topic, partition: partition, offset: row.integer(0)),
                    reason: row.text(1) ?? "", key: row.isNull(2) ? nil : Array(row.bytes(2)),
                    value: row.isNull(3) ? nil : Array(row.bytes(3)), timestampMillis: row.millis(4)))
        }
    }

    /// How many dead letters are stored.
    public func deadLetterCount(on connection: PostgresConnection) throws -> Int64 {
        let result = try connection.query(
            "SELECT count(*) FROM dead_letters WHERE _topic = $1 AND _partition = $2::int",
            [.text(topic), .integer(Int64(partition))])
        return result.integer(0, 0) ?? 0
    }
}
