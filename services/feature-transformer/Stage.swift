import KafkaClient
import Pipeline
import PostgresClient
import PostgresOfflineStore
import StreamRecovery

/// What one kind of record needs beside what all kinds do. `PartitionTask` calls these as the protocol's steps say.
protocol Stage: AnyObject {
    /// How far back the partition's history reaches, as the claim said. What is older is refused.
    var horizon: HistoryHorizon { get set }

    /// Forgets everything it knows of the partition, the ids too.
    func forget()

    /// Forgets what was computed for a batch and was not stored. The ids stay: a filter that knows too many is still right.
    func dropState()

    /// Forgets what is only right while nobody else writes: everything but the ids.
    func release()

    /// Reads which ids are stored; returns how many rows the partition has.
    func loadIDs(_ ledger: PartitionLedger, from store: PostgresOfflineStore) throws -> Int64

    /// Begins a batch of records with positions from N on.
    func begin(isCareful: Bool)

    /// Takes one record in; says why when it is refused.
    func accept(_ index: Int, of batch: KafkaBatch, at position: Int64) throws -> RecordRefusal?

    /// Sorts the records taken into rows, repeats and refused ones; computes the rows.
    func prepare(_ claim: PartitionClaim, stores: Stores) throws -> Prepared

    /// Copies the rows in, within the batch's transaction.
    func copy(on connection: PostgresConnection) throws

    /// Whether the row stored at this position is of this record.
    func isStored(_ index: Int, of batch: KafkaBatch, at position: Int64, in store: PostgresOfflineStore) throws -> Bool
}

/// A stage whose rows go on to other topics.
protocol RekeyingStage: Stage {
    /// How many rows of the batch in hand go there.
    var outgoing: Int { get }

    /// Queues those rows, once they are committed.
    func publish(by publisher: RekeyPublisher) throws

    /// Queues the stored rows of these positions.
    func republish(_ positions: Range<Int64>, from store: PostgresOfflineStore, by publisher: RekeyPublisher) throws
}

/// A stage with a state in the online store.
protocol OnlineStage: Stage {
    /// The watermark as it is stored now.
    func readMark(_ stores: Stores) throws -> OnlineMark?

    /// Writes the watermark of a new generation.
    func plant(_ mark: OnlineMark, stores: Stores) throws

    /// Applies stored events from a position on, as many as one step takes: the watermark read with their blobs, the position
    /// after the last one, and which of them were passed over.
    func replay(
        from: Int64, _ claim: PartitionClaim, stores: Stores
    ) throws -> (mark: OnlineMark?, next: Int64, unusable: UnusableEvents)

    /// Writes what changed, then moves the watermark. `newestMillis` is the Kafka timestamp of the last record before `to`.
    func writeOnline(from: OnlineMark, to: OnlineMark, newestMillis: Int64, stores: Stores) throws

    /// Notes that the partition stands at its log's end, for readers that ask how old the state is.
    func noteAlive(_ stores: Stores) throws
}

/// What became of the records a stage took.
struct Prepared {
    var rows = 0
    var duplicates = 0
    /// Places among the records taken, and why they are refused.
    var refused: [(taken: Int, refusal: RecordRefusal)] = []
    /// The watermark that was read with the blobs.
    var mark: OnlineMark?
}
