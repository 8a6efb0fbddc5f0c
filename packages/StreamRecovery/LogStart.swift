/// Where reading a log begins, given what is stored. Decided whenever the log may have changed.
public enum LogStart: Equatable, Sendable {
    /// Read from here; `isBefore` when the first record is N − 1, which must be the one that was stored.
    case begin(at: Int64, isBefore: Bool)
    /// The log lost its end: whether this last record is the stored one decides.
    case shortened(last: Int64)
    /// The log is not the one that was read: never skip in silence.
    case refuse(LogMismatch)

    /// `next` is N; the log holds [low, high).
    public static func plan(next: Int64, low: Int64, high: Int64, knowsRecordBefore: Bool = true) -> LogStart {
        if next > high { return high > low ? .shortened(last: high - 1) : .refuse(.empty(read: next)) }
        if next == 0 { return .begin(at: low, isBefore: false) }
        if next < low { return .refuse(.gone(read: next, start: low)) }
        return next > low && knowsRecordBefore
            ? .begin(at: next - 1, isBefore: true) : .begin(at: next, isBefore: false)
    }
}

/// Why a log and the tables do not belong together.
public enum LogMismatch: Hashable, Sendable {
    /// The log is empty, but records were read.
    case empty(read: Int64)
    /// Records between N and the log's start are gone.
    case gone(read: Int64, start: Int64)
    /// The record at this position is another one than was stored, and so are those before it.
    case otherRecord(position: Int64)
    /// The topic has another number of partitions than when its first record was stored.
    case partitionCount(stored: Int, found: Int)
    /// What is stored and what was counted do not add up to N.
    case totals(rows: Int64, letters: Int64, PartitionClaim)
}

/// What an entity's stored blob is worth when its state is needed at a position of this owner's.
public enum BlobUse: Equatable, Sendable {
    /// Go on from it.
    case usable
    /// There is none, and none is missing: the entity has no event yet.
    case fresh
    /// There should be one: compute the state from Postgres.
    case lost
    /// Of a later generation, or at or past N: Postgres went back, or somebody else writes. Rebuild above this generation.
    case ahead(UInt64)

    /// `blob` is the stored position, nil when there is none that can be read. The owner works under `generation`, N is
    /// `next`, and `from` is the first position it has to apply; `firstEvent` is the entity's first stored event.
    public static func plan(
        blob: (generation: UInt64, offset: Int64)?, under generation: UInt64, from: Int64, next: Int64,
        firstEvent: Int64?
    ) -> BlobUse {
        if let blob, blob.generation >= generation {
            return blob.generation > generation || blob.offset >= next ? .ahead(blob.generation) : .usable
        }
        // A blob of an older generation is as good as none: every entity before `from` was written under this one.
        guard let firstEvent, firstEvent < from else { return .fresh }
        return .lost
    }
}
