/// The life of one partition in the hands of one owner, as a value: told what the last step brought, it says the next one. It
/// knows no clock and does no I/O, so `transform` and a simulation drive the same machine.
///
///     claim     raise the epoch ▸ read which ids are stored, and count ▸ publish the dead letters of [P, N) again
///     restore   read the watermark ▸ (new generation, plant it) ▸ replay [w, N) out of Postgres into the blobs   (online stages)
///     log       ask for the log's ends ▸ (go on behind a lost end) ▸ seek to N − 1 ▸ compare that record with the stored one
///     batch     prepare ▸ commit ▸ publish dead letters ▸ write blobs, then the watermark
///     refused   the batch is halved until one record is found: a dead letter, whatever it contains
///     failed    retreat: forget what is only right while nobody else wrote, pause, claim again
///
/// Why this order. The epoch comes first, for everything read after it stays true until a later claim, which fences this owner.
/// Dead letters are published before the batch counts as flushed, so the next claim publishes again what may be missing. Blobs
/// are written before the watermark, so what a watermark promises is there. Whatever fails leads to the same place, the claim,
/// and what the failure taught goes along (`rebuildAbove`, `careful`, `suspects`, `refusals`): otherwise the same step fails
/// for ever. Step by step, with the reason for each place: docs/design.md, Recovery.
public struct PartitionProtocol: Sendable {
    /// What is to be done next.
    public enum Step: Hashable, Sendable {
        /// Raise the epoch and read the partition's row. Brings `claimed`.
        case claim
        /// Note the topic's partition count, under the epoch.
        case noteCount(Int)
        /// Read which ids are stored. Brings `counted`.
        case loadIDs
        /// Publish again what is stored of these positions and goes to other topics (dead letters, events by another key), and wait
        /// for the acknowledgements.
        case republish(Range<Int64>)
        /// Note P, under the epoch.
        case notePublished(Int64)
        /// Brings `mark`.
        case readMark
        /// Note a new generation, under the epoch.
        case beginGeneration(UInt64)
        /// Write the watermark, unless one of this generation or a later one is there.
        case plant(OnlineMark)
        /// Apply stored events from a position on, as many as one step takes. Brings `replayed`.
        case replay(from: Int64, to: Int64)
        /// Write what changed, then move the watermark.
        case writeOnline(from: OnlineMark, to: OnlineMark)
        /// Ask for the log's ends. Brings `log`.
        case inspectLog
        /// Say whether the log's record at this position is surely the one stored there. Brings `verdict`; what cannot be known
        /// (a repeat, of which nothing is stored) is a no: it is read once more, and is a repeat again.
        case identify(Int64)
        /// Note another base, and the record that was last identified as the one before N. Not one read anew: that could be of
        /// another log already.
        case rebase(Int64)
        /// Begin to read at a position.
        case seek(Int64)
        /// Say whether the first record in hand is the one before N. Brings `verdict`.
        case compareRecord
        /// Nothing to do: `records` or `quiet` go on.
        case wait
        /// Decode, look up, compute. Brings `prepared`.
        case prepare(BatchAttempt)
        /// One transaction: the compare-and-set of N, and everything of the batch.
        case commit(published: Int64)
        /// Publish what of the batch goes to other topics (dead letters, events by another key) and wait for the acknowledgements.
        case publish
        /// Forget, pause, then `resume`.
        case retreat(Retreat)
        /// Going on would lose or invent something.
        case stop(LogMismatch)
    }

    /// What a step brought, or what happened.
    public enum Event: Hashable, Sendable {
        /// The partition is this owner's; the topic has `partitionCount` partitions now.
        case claimed(PartitionClaim, partitionCount: Int)
        /// What the tables hold of the partition, and what was deleted from them by age, at one moment.
        case counted(rows: Int64, letters: Int64, removed: Int64)
        /// The step came to its end.
        case done
        /// The stored watermark; nil when there is none or it cannot be one.
        case mark(OnlineMark?)
        /// Events up to `next` were applied; `mark` was read with their blobs.
        case replayed(mark: OnlineMark?, next: Int64)
        /// The log holds positions [low, high).
        case log(low: Int64, high: Int64)
        /// Yes or no.
        case verdict(Bool)
        /// So many records are in hand, the first at this position.
        case records(Int, first: Int64)
        /// The log has records from N on that no client can read; from this position on it can again.
        case unreadable(to: Int64)
        /// What was computed for an attempt.
        case prepared(PreparedBatch)
        /// No record has come for a while.
        case quiet
        /// The log may be another one now: the connection was lost, or the partition reported an error.
        case disturbed
        /// The pause is over, or the owner begins.
        case resume
        /// The step failed, or what all steps rest on did.
        case failed(StepFailure)
    }

    enum Phase: Hashable, Sendable {
        case begin, claiming, notingCount, loadingIDs, republishing, notingPublished
        case readingMark, beginningGeneration, planting, replaying
        case writingReplay(OnlineMark)
        case inspecting, seeking, comparing
        case identifying(Int64), rebasing(Int64)
        case ready, preparing, committing, publishing, writing, asking, notingFlushed
        case retreating, stopped
    }

    /// The rules it keeps.
    public let rules: RecoveryRules
    /// Whether the stage has a state in Redis.
    public let isOnline: Bool
    /// What is known of the partition since the claim.
    public internal(set) var claim = PartitionClaim()
    /// Failures since the last success.
    public internal(set) var failures = 0
    var phase = Phase.begin
    var mark = OnlineMark(generation: 0, next: 0, target: 0)
    /// Everything before it is published.
    var flushed: Int64 = 0
    /// The epoch under which the filter of ids is right, N since, and N after a commit whose answer is not known.
    var filter: (epoch: Int64, next: Int64, unanswered: Int64?)?
    var isRebuild = false
    /// Where the end of what log and tables have in common is looked for.
    var common = (low: Int64(0), end: Int64(0))
    var isCommonKnown = false
    /// Whether the first record in hand must be the one before N, to be compared with what is stored of it.
    public internal(set) var comparesNext = false
    var isDisturbed = false

    // What failures taught; it outlives the claim.
    var rebuildAbove: UInt64?
    var carefulRecords = 0  // from N on: every id of theirs is looked up
    var suspects = 0  // records from N on among which is one that Postgres refuses
    var refusals: [Int64: Refusal] = [:]
    var repeatedAlone: Int64?  // this position was refused alone for its id, although it was looked up

    // The batch in hand.
    var hand = (records: 0, first: Int64(0))
    var attempted = 0
    var unreadableTo: Int64?
    var prepared = PreparedBatch(records: 0, to: 0)

    /// An owner that has done nothing yet: `resume` begins.
    public init(isOnline: Bool, rules: RecoveryRules = .all) { (self.isOnline, self.rules) = (isOnline, rules) }

    /// Whether records may be offered.
    public var isReady: Bool { phase == .ready }
    /// Whether the partition was claimed and found right, so that a batch may be under way.
    public var isAssigned: Bool {
        switch phase {
        case .ready, .comparing, .preparing, .committing, .publishing, .writing, .asking, .notingFlushed: true
        default: false
        }
    }
    /// Whether the next step is to wait for the end of a pause.
    public var isRetreating: Bool { phase == .retreating || phase == .begin }

    /// The next step, after what the last one brought.
    public mutating func next(_ event: Event) -> Step {
        switch event {
        case .failed(.refused(let isUnique, let reason)) where isInBatch && rules.contains(.halves):
            return refuse(isUnique, reason)
        case .failed(let failure): return retreat(failure)
        case .resume:
            phase = .claiming
            return .claim
        case .disturbed: return disturb()
        default: break
        }
        switch phase {
        case .claiming, .notingCount, .loadingIDs, .republishing, .notingPublished: return claimed(event)
        case .readingMark, .beginningGeneration, .planting, .replaying, .writingReplay: return restored(event)
        case .inspecting, .identifying, .rebasing, .seeking, .comparing: return located(event)
        case .ready, .asking, .notingFlushed: return offered(event)
        case .preparing, .committing, .publishing, .writing: return batched(event)
        case .begin, .retreating, .stopped: return unexpected(event)
        }
    }

    func unexpected(_ event: Event) -> Step { preconditionFailure("\(event) in \(phase)") }

    mutating func stop(_ mismatch: LogMismatch) -> Step {
        phase = .stopped
        return .stop(mismatch)
    }

    mutating func go(_ phase: Phase, _ step: Step) -> Step {
        self.phase = phase
        return step
    }
}

extension Int64 {
    /// The sum, or the nearest there is.
    func addingSaturating(_ other: Int64) -> Int64 {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? (other < 0 ? .min : .max) : sum
    }
}
