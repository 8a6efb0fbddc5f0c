import KafkaProtocol

/// What a topic's configuration says about its logs.
struct LogLimits: Equatable, Sendable {
    var segmentBytes = 128 << 20
    var segmentMillis: Int64 = 604_800_000
    /// −1 keeps records for ever.
    var retentionMillis: Int64 = 604_800_000
    /// −1 keeps any amount.
    var retentionBytes: Int64 = -1
}

/// One partition's records. One owner: the broker's loop.
///
///     logStart                                            end
///        ├── segment (closed) ──┼── segment (closed) ──┼── active ──▶ appended to, rolled by size and age
///        └ retention and DeleteRecords move it: whole segments in front of it are doomed
///
/// Batches are stored as they came, but for base offset and leader epoch. A segment's index finds the batch that holds an offset;
/// consumers that read on do without it, for the log remembers where the last reads ended.
///
/// Readers see what is flushed and nothing behind it: a consumer that was ahead of the disk would have records that a power cut
/// takes back. How it becomes durable is in `PartitionLog+Flushing`. A disk that fails in the middle leaves the log failed: after
/// fsync has failed once, the kernel may have dropped the pages, and asking again would say that all is well.
final class PartitionLog {
    let folder: String
    /// Keeps a checkpoint from being written into a folder that is being moved away.
    let access = FolderAccess()
    let topic: TopicID
    let partition: Int32
    /// Grows when records that had been on the disk are gone, so that readers who saw them can tell.
    var leaderEpoch: Int32
    var limits: LogLimits
    /// Segments in order; the last one is appended to. Never empty.
    var segments: [LogSegment]
    var logStart: Int64
    private(set) var producers: ProducerTable
    /// Whether something is not in a checkpoint yet.
    var isDirty: Bool
    /// Whether the last checkpoint could not be written.
    var isCheckpointLate = false
    /// Set when the disk failed in a way that leaves the file's state unknown. Nothing is read or written any more.
    private(set) var failure: LogError?
    /// How far the log is on the disk: readers see nothing behind it.
    var flushed: Flushed
    /// Bytes appended since the log was opened.
    private(set) var appendedBytes = 0
    /// Those of them that may be read, and those that waiting readers were told of.
    var readableBytes = 0, reportedBytes = 0
    /// Segments that left the log, by their paths without extension: removed once a checkpoint does not name them.
    var doomed: [String]
    /// Files whose bytes are not known to be on the disk.
    var unsynchronized: [LogFile] = []
    /// Counts new files: their names must be on the disk before what they hold counts as being there.
    var newNames = 0, flushedNames = 0
    /// Where the last few reads ended: consumers go on from there.
    var continuations: [(offset: Int64, segment: Int64, position: Int)] = []

    /// A place in the log: the offset behind the last record before it, its segment, and its byte in that segment.
    struct Flushed: Equatable, Sendable {
        var end: Int64
        var segment: Int64
        var size: Int
    }

    init(
        folder: String, topic: TopicID, partition: Int32, leaderEpoch: Int32, limits: LogLimits, segments: [LogSegment],
        logStart: Int64, producers: ProducerTable, isNew: Bool = false, doomed: [String] = []
    ) {
        self.folder = folder
        self.topic = topic
        self.partition = partition
        self.leaderEpoch = leaderEpoch
        self.limits = limits
        self.segments = segments
        self.logStart = logStart
        self.producers = producers
        self.doomed = doomed
        // A new log has nothing to keep: its first records bring the first checkpoint.
        isDirty = !isNew
        newNames = isNew ? 1 : 0
        let last = segments[segments.count - 1]
        flushed = Flushed(end: last.end, segment: last.base, size: last.size)
        unsynchronized = [last.file]
    }

    var active: LogSegment { segments[segments.count - 1] }

    /// Offset behind the last record written.
    var end: Int64 { active.end }

    /// Offset behind the last record that may be read: the last one on the disk. What a consumer has seen, and may have
    /// acted upon, is then there after a power cut as well.
    var highWatermark: Int64 { flushed.end }

    /// Bytes of all segments.
    var size: Int { segments.reduce(0) { $0 + $1.size } }

    func fail(_ error: LogError) { failure = failure ?? error }

    enum Appended: Equatable {
        case stored(baseOffset: Int64)
        case duplicate(baseOffset: Int64)
        case refused(ErrorCode)
    }

    /// Appends one validated batch, unless its producer sent it before.
    func append(_ bytes: ArraySlice<UInt8>, _ batch: RecordBatch, nowMillis: Int64) throws(LogError) -> Appended {
        if let failure { throw failure }
        switch producers.check(batch) {
        case .append: break
        case .duplicate(let baseOffset): return .duplicate(baseOffset: baseOffset)
        case .refuse(let code): return .refused(code)
        }
        let base = end
        if active.size > 0,
            active.size + batch.size > limits.segmentBytes
                || !active.hasRoom(bytes: batch.size, lastOffset: base + Int64(batch.lastOffsetDelta))
        {
            try roll(nowMillis: nowMillis)
        }
        do {
            try active.append(bytes, batch, leaderEpoch: leaderEpoch)
        } catch {
            // The segment could not even be cut back: what it holds is unknown until recovery looks at it.
            if case .storage("truncate", _, _) = error { failure = error }
            throw error
        }
        producers.note(batch, baseOffset: base, nowMillis: nowMillis)
        appendedBytes += batch.size
        isDirty = true
        return .stored(baseOffset: base)
    }

    /// Closes the active segment and begins another.
    func roll(nowMillis: Int64) throws(LogError) {
        let next = try LogSegment(folder: folder, base: end, create: true, nowMillis: nowMillis)
        try next.file.truncate(to: 0)
        segments.append(next)
        unsynchronized.append(next.file)
        newNames += 1
        isDirty = true
    }

    /// Gives up what producers sent long ago.
    func forgetIdleProducers(nowMillis: Int64) { producers.forgetIdle(nowMillis: nowMillis) }
}
