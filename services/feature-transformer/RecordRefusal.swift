/// Why one record becomes a dead letter: a kind to count by, and the sentence that is stored with it.
struct RecordRefusal: Hashable {
    /// What may be wrong with a record: a closed set, so that a metric can have it as a label.
    enum Kind: String, CaseIterable {
        /// It does not decode, or breaks a rule of its fields.
        case malformed
        /// It lies in a partition that is not its key's.
        case foreignPartition = "foreign_partition"
        /// Its event is later than the moment it was produced.
        case future
        /// It is older than the history that is kept.
        case beforeHistory = "before_history"
        /// It says something else than what was stored under its id.
        case contradiction
        /// It lies on a topic that only `transform` writes to, and its event is not stored.
        case unknownEvent = "unknown_event"
        /// Postgres refuses its content.
        case notStorable = "not_storable"
        /// No client can read it.
        case unreadable
    }

    let kind: Kind
    /// May hold text of the record.
    let reason: String

    init(_ kind: Kind, _ reason: String) { (self.kind, self.reason) = (kind, reason) }

    static let noValue = RecordRefusal(.malformed, "the record has no value")
}
