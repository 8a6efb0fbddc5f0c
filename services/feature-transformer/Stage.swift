import KafkaClient
import PostgresClient
import PostgresOfflineStore

/// What one kind of record needs beside what all kinds do: `PartitionTask` decides the order of these calls, and after any
/// error begins again with `assign`.
protocol Stage: AnyObject {
    /// Forgets everything it knows of the partition.
    func forget()

    /// Reads which ids are stored; returns how many rows the partition has.
    func loadIDs(_ ledger: PartitionLedger, stores: Stores) throws -> Int64

    /// Brings the online state up to N. Most stages have none.
    func restoreOnline(_ state: inout PartitionState, rebuildAbove: UInt64?, ledger: PartitionLedger, stores: Stores)
        throws

    /// Begins a batch whose records have offsets from N on.
    func begin(isCareful: Bool)

    /// Takes one record in; a reason when it is refused.
    func take(_ index: Int, of batch: KafkaBatch) -> String?

    /// Sorts the records taken into rows, repeats and refused ones; computes the rows.
    func prepare(_ state: PartitionState, ledger: PartitionLedger, stores: Stores) throws -> Prepared

    /// Copies the rows in, within the batch's transaction.
    func copy(on connection: PostgresConnection) throws

    /// After the commit: brings the online state to where the batch ends.
    func writeOnline(_ advance: PartitionAdvance, stores: Stores) throws

    /// In a quiet moment: whether the online state is as it was left.
    func check(_ state: PartitionState, ledger: PartitionLedger, stores: Stores) throws
}

/// What became of the records a stage took.
struct Prepared {
    var rows = 0
    var duplicates = 0
    /// Places among the records taken, with reasons.
    var refused: [(taken: Int, reason: String)] = []
}

extension Stage {
    func restoreOnline(_ state: inout PartitionState, rebuildAbove: UInt64?, ledger: PartitionLedger, stores: Stores)
        throws
    {}
    func writeOnline(_ advance: PartitionAdvance, stores: Stores) throws {}
    func check(_ state: PartitionState, ledger: PartitionLedger, stores: Stores) throws {}
}
