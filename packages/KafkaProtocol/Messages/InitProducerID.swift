/// InitProducerId 0–1: an id for an idempotent producer. Left out: transactions, epoch bumps (a client takes a new id instead).
public struct InitProducerIDRequest: KafkaMessage {
    /// The transaction, which is not offered.
    public var transactionalID: String?
    /// Its timeout.
    var transactionTimeoutMillis: Int32 = 0

    /// A request without transactions.
    public init() {}
    public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
        try coder.nullableString(&transactionalID)
        try coder.integer(&transactionTimeoutMillis)
        try coder.tags()
    }
}

/// A producer's id.
public struct InitProducerIDResponse: KafkaMessage {
    /// Always zero.
    var throttleMillis: Int32 = 0
    /// What went wrong, if anything did.
    public var error = ErrorCode.none
    /// An id that was never given before, and its epoch.
    public var producerID: Int64 = -1, producerEpoch: Int16 = -1

    /// No id.
    public init() {}
    public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
        try coder.integer(&throttleMillis)
        try coder.error(&error)
        try coder.integer(&producerID)
        try coder.integer(&producerEpoch)
        try coder.tags()
    }
}
