/// How far the online state of a partition is, and how far it must come: what the watermark says, for the protocol.
public struct OnlineMark: Hashable, Sendable {
    /// Raised by every rebuild; 0 is none.
    public var generation: UInt64
    /// The next position to apply: everything before it is in the blobs of this generation.
    public var next: Int64
    /// The position a rebuild must reach before the state is whole.
    public var target: Int64

    /// Names a place.
    public init(generation: UInt64, next: Int64, target: Int64) {
        (self.generation, self.next, self.target) = (generation, next, target)
    }

    /// A state that lacks nothing before `next`.
    public static func whole(_ generation: UInt64, _ next: Int64) -> OnlineMark {
        OnlineMark(generation: generation, next: next, target: next)
    }

    /// Whether the state lacks nothing before `next`. Below the target, blobs may be missing that must exist.
    public var isWhole: Bool { next >= target }

    /// Generations from here on cannot have come from rebuilds: such a value is damage, and is written over.
    public static let generationLimit: UInt64 = 1 << 61

    /// A generation as Postgres has it; 0, which is none, for a number that cannot have come from rebuilds.
    public static func generation(stored: Int64) -> UInt64 {
        UInt64(exactly: stored).flatMap { $0 < generationLimit ? $0 : nil } ?? 0
    }
}

/// What Postgres says of a partition when it is claimed. All positions are base + Kafka offset.
public struct PartitionClaim: Hashable, Sendable {
    /// Raised by every claim: a write under an older one is refused.
    public var epoch: Int64 = 0
    /// N: everything before it is in the tables.
    public var next: Int64 = 0
    /// P: dead letters before it are acknowledged by Kafka.
    public var published: Int64 = 0
    /// The generation of the online state.
    public var generation: UInt64 = 0
    /// A record's position is this plus its Kafka offset.
    public var base: Int64 = 0
    /// Repeats that were dropped.
    public var duplicates: Int64 = 0
    /// Positions without a record.
    public var gaps: Int64 = 0
    /// Rows and dead letters that were deleted by age.
    public var removed: Int64 = 0
    /// How many partitions the topic had when the first record was stored; 0 is not noted yet.
    public var partitionCount: Int = 0
    /// Whether the record before N is known and can be read again.
    public var knowsRecordBefore = true

    /// A partition nothing was read of.
    public init() {}
}

/// A server the stream depends on.
public enum StreamServer: Hashable, Sendable, CaseIterable {
    /// Holds what is true.
    case postgres
    /// Holds what is served.
    case redis
    /// Holds the log.
    case kafka
}

/// Why a step did not come to its end.
public enum StepFailure: Hashable, Sendable {
    /// A server is away or in need: what was asked may have happened or not.
    case lost(StreamServer)
    /// Another owner has claimed the partition since.
    case fenced
    /// The online state is not as this owner left it: somebody wrote, or it was emptied or set back.
    case overtaken
    /// Something stored online cannot be gone on from: it must be made again above this generation.
    case unusable(generation: UInt64)
    /// Postgres refused the statement for what it contains. `isUnique`: an id or position is there already.
    case refused(isUnique: Bool, reason: String)
    /// The log was cut off, or may be another one now.
    case disturbed
    /// Anything else: tried again after a pause.
    case other(String)
}

/// How a record that Postgres refused becomes a dead letter.
public enum Refusal: Hashable, Sendable {
    /// With all it brought.
    case whole(String)
    /// Without key and value, because even the letter was refused.
    case bare(String)

    /// Why the record was refused, as Postgres said.
    public var reason: String {
        switch self {
        case .whole(let reason), .bare(let reason): reason
        }
    }
}

/// How the next records in hand are to be taken.
public struct BatchAttempt: Hashable, Sendable {
    /// At most so many records, from the first in hand.
    public var limit: Int
    /// Every id is looked up, whatever the filter says.
    public var isCareful = false
    /// What was computed in memory for these records before did not happen: read it anew.
    public var isRepeat = false
    /// Records that are dead letters whatever they contain, by position.
    public var refusals: [Int64: Refusal] = [:]

    /// No record, but positions from N to here that cannot be read: one dead letter for all of them.
    public var unreadableTo: Int64?

    /// An attempt at so many records.
    public init(limit: Int) { self.limit = limit }
}

/// What was computed for the records of an attempt.
public struct PreparedBatch: Hashable, Sendable {
    /// Records in it, repeats and refused ones included.
    public var records: Int
    /// N after it.
    public var to: Int64
    /// The watermark that was read together with the blobs; nil when there is none that can be read.
    public var mark: OnlineMark?
    /// Records to be published once the batch is committed: refused ones, and those that go on to other topics.
    public var outgoing: Int

    /// Describes a batch.
    public init(records: Int, to: Int64, mark: OnlineMark? = nil, outgoing: Int = 0) {
        (self.records, self.to, self.mark, self.outgoing) = (records, to, mark, outgoing)
    }
}

/// How an owner goes back to the claim.
public struct Retreat: Hashable, Sendable {
    /// Why.
    public var failure: StepFailure
    /// How many failures there were since the last success, this one included.
    public var failures: Int
    /// Not before this pause may the partition be claimed again, ms.
    public var pauseMillis: Int64
    /// Connections that are not to be used any more.
    public var closes: Set<StreamServer>
}
