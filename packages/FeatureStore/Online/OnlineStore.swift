import FeatureEngine

/// What became of a write to the online store.
public enum OnlineOutcome: Hashable, Sendable {
    /// It is stored, now or from an attempt before.
    case accepted
    /// Something else is stored, so somebody else writes this partition, or did, or the value was lost.
    case overtaken
}

/// Where the online state lies: one blob an entity and view, one watermark and one `KnownEntities` a partition. Redis is one; the
/// tests' memory is its twin, and one suite runs over both.
///
/// Every write is a compare-and-set, so that two owners of one partition cannot mix their states, and a write that is sent twice
/// changes nothing. After an error nothing is known about what was written: read the watermark again.
public protocol OnlineStore {
    /// What goes wrong with the store itself.
    associatedtype Failure: Error

    /// The watermark and some blobs, as they are at one moment; nil where there is none, or what no value of ours can be.
    func read(watermarkKey: String, blobKeys: [String]) throws(Failure) -> (Watermark?, [[UInt8]?])

    /// Writes blobs, each only over an older (generation, offset), or over what is no blob. All are stored when this returns.
    func write(_ blobs: [(key: String, blob: [UInt8])]) throws(Failure) -> OnlineOutcome

    /// Moves a watermark, only from exactly what its owner left.
    func move(_ key: String, from: Watermark, to: Watermark) throws(Failure) -> OnlineOutcome

    /// Plants a watermark of a new generation: over an older generation, or over what is no watermark.
    func plant(_ key: String, _ watermark: Watermark) throws(Failure) -> OnlineOutcome

    /// Removes blobs that do not decode, unless something else was written there since they were read.
    func discard(_ blobs: [(key: String, bytes: [UInt8])]) throws(Failure)

    /// Stores the whole filter of a partition, as long as its watermark is exactly what the owner left.
    func replace(_ known: KnownEntities, key: String, watermarkKey: String, under: Watermark) throws(Failure)
        -> OnlineOutcome

    /// Sets bits of a partition's filter; `overtaken` when it is not there in this size, and must be stored whole.
    func add(_ bits: [Int], to key: String, byteCount: Int) throws(Failure) -> OnlineOutcome

    /// What a partition's filter says of entities without a blob, in their order.
    func known(_ entities: [[UInt8]], key: String) throws(Failure) -> [KnownEntities.Answer]

    /// Notes when a partition was last seen at its log's end with everything applied, ms since 1970.
    func noteAlive(_ key: String, millis: Int64) throws(Failure)

    /// Why this store may lose state by itself at this moment, or nil.
    func evictionWarning() throws(Failure) -> String?
}

extension OnlineStore {
    /// What a partition's filter says of an entity without a blob.
    public func known(_ entity: Span<UInt8>, key: String) throws(Failure) -> KnownEntities.Answer {
        try known([ByteString(copying: entity).bytes], key: key)[0]
    }
}
