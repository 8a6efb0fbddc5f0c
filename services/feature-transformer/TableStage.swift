import FeatureEngine
import KafkaClient
import Pipeline
import PostgresClient
import PostgresOfflineStore
import StreamRecovery

/// A record that becomes one row of one table, once.
protocol LogRecord {
    /// What makes two records the same.
    associatedtype ID: Hashable
    /// What two records of the same id must agree on.
    associatedtype Fact: Equatable
    /// What its rows refer to in other rows.
    associatedtype Shared: SharedFacts where Shared.Record == Self

    /// The table's name.
    static var table: String { get }
    /// The table's columns, in the order of `add`.
    static var columns: [String] { get }
    /// The columns of the id.
    static var idColumns: [String] { get }

    /// Reads a record; the key is empty when there is none.
    init(key: [UInt8], value: Span<UInt8>, _ reader: RecordReader) throws(RecordError)

    var id: ID { get }
    var fact: Fact { get }

    /// The time by which its row is deleted.
    var historyMillis: Int64 { get }

    /// Whether a record that comes when such rows are deleted is dropped as a repeat; else it is refused, for its sender to hear of.
    static var dropsOld: Bool { get }

    /// A hash of the id, the same for a record and for its row.
    var idHash: UInt64 { get }
    static func idHash(of row: PostgresCopyRow) -> UInt64

    /// Of these records' ids, those that are stored, with what is stored of them.
    static func stored(_ records: [Self], in store: PostgresOfflineStore) throws -> [ID: Fact]
    /// Why a record cannot follow one of the same id.
    static func contradiction(of fact: Fact, to stored: Fact) -> String
    /// Appends the row.
    func add(at position: LogPosition, sharing shared: Shared, to rows: PostgresCopyBuffer)
}

/// What many rows have in common and refer to: learned before rows are made, forgotten with the ids.
protocol SharedFacts {
    associatedtype Record
    init()
    /// Makes sure of what this record's row refers to.
    mutating func learn(_ record: Record, stores: Stores) throws
}

/// Of records whose rows say everything themselves.
struct NothingShared<Record>: SharedFacts {
    func learn(_: Record, stores _: Stores) {}
}

/// Keeps the records of a topic in a table, each once: labels, predictions, and whatever else is no more than that.
final class TableStage<Record: LogRecord>: Stage {
    private let partition: KafkaPartition
    private let reader = RecordReader()
    private let copyRows = PostgresCopyBuffer()
    var horizon = HistoryHorizon()
    private var deduper = Deduper()
    private var shared = Record.Shared()
    private var records: [(record: Record, position: Int64, isOld: Bool)] = []

    init(_ partition: KafkaPartition) { self.partition = partition }

    func forget() {
        deduper.forget()
        shared = Record.Shared()
    }

    func dropState() {}

    func release() {}

    func loadIDs(_ ledger: PartitionLedger, from store: PostgresOfflineStore) throws -> Int64 {
        forget()
        var count: Int64 = 0
        try store.scanPartition(
            table: Record.table, columns: Record.idColumns, topic: ledger.topic, partition: ledger.partition
        ) { row in
            deduper.note(Record.idHash(of: row))
            count += 1
        }
        return count
    }

    func begin(isCareful: Bool) {
        deduper.begin(isCareful: isCareful)
        records.removeAll(keepingCapacity: true)
    }

    func accept(_ index: Int, of batch: KafkaBatch, at position: Int64) -> RecordRefusal? {
        guard batch.hasValue(at: index) else { return .noValue }
        let key = batch.key(at: index)
        do throws(RecordError) {
            let record = try batch.withValue(at: index) { (bytes) throws(RecordError) in
                try Record(key: key, value: bytes, reader)
            }
            return take(record, position)
        } catch {
            return RecordRefusal(.malformed, error.reason)
        }
    }

    /// Takes a record that was read; says why when it is refused for its age.
    @discardableResult func take(_ record: Record, _ position: Int64) -> RecordRefusal? {
        let reason = horizon.refusal(ofMillis: record.historyMillis, field: "event_timestamp")
        if let reason, !Record.dropsOld { return RecordRefusal(.beforeHistory, reason) }
        if reason == nil { deduper.take(record.idHash, at: records.count) }
        records.append((record, position, reason != nil))
        return nil
    }

    func prepare(_ claim: PartitionClaim, stores: Stores) throws -> Prepared {
        let suspects = deduper.suspects.map { records[$0].record }
        for (record, _, isOld) in records where !isOld { try shared.learn(record, stores: stores) }
        return sort(knowing: suspects.isEmpty ? [:] : try Record.stored(suspects, in: stores.postgres()))
    }

    /// Sorts the records taken, given what is stored of those the filter has seen.
    func sort(knowing stored: [Record.ID: Record.Fact]) -> Prepared {
        var prepared = Prepared()
        var known = stored
        let suspected = Set(deduper.suspects.map { records[$0].record.id })
        copyRows.removeAll()
        for (place, (record, position, isOld)) in records.enumerated() {
            if isOld {
                prepared.duplicates += 1
                continue
            }
            if let fact = known[record.id] {
                if fact == record.fact {
                    prepared.duplicates += 1
                } else {
                    prepared.refused.append(
                        (place, RecordRefusal(.contradiction, Record.contradiction(of: record.fact, to: fact))))
                }
                continue
            }
            if suspected.contains(record.id) { known[record.id] = record.fact }
            prepared.rows += 1
            record.add(
                at: LogPosition(topic: partition.topic, partition: partition.partition, offset: position),
                sharing: shared, to: copyRows)
        }
        return prepared
    }

    func copy(on connection: PostgresConnection) throws {
        try connection.copyIn(table: Record.table, columns: Record.columns, rows: copyRows)
    }

    func isStored(_ index: Int, of batch: KafkaBatch, at position: Int64, in store: PostgresOfflineStore) throws -> Bool
    {
        let key = batch.key(at: index)
        let read = batch.withValue(at: index) { try? Record(key: key, value: $0, reader) }
        guard let record = read else { return false }
        var isSame: Bool?
        try store.scanPartition(
            table: Record.table, columns: Record.idColumns, topic: partition.topic, partition: partition.partition,
            offset: position
        ) { row in isSame = Record.idHash(of: row) == record.idHash }
        // Deleted by age: nothing says any more that it was another one.
        return isSame ?? (record.historyMillis < horizon.removedBefore)
    }
}
