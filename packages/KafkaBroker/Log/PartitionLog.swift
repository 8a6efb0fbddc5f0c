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
final class PartitionLog {
    let folder: String
    let topic: TopicID
    let partition: Int32
    /// Grows when records that had been on the disk are gone, so that readers who saw them can tell.
    var leaderEpoch: Int32
    var limits: LogLimits
    /// Segments in order; the last one is appended to. Never empty.
    private(set) var segments: [LogSegment]
    private(set) var logStart: Int64
    private(set) var producers: ProducerTable
    /// Whether something is not in a checkpoint yet.
    private(set) var isDirty = true
    /// Set when the disk failed in a way that leaves the file's state unknown. Nothing is read or written any more.
    private(set) var failure: LogError?
    /// Files that left the log and may be removed once a checkpoint without them is on the disk.
    private var doomed: [String] = []
    /// Files whose bytes are not known to be on the disk.
    private var unsynchronized: [LogFile] = []
    /// Where the last few reads ended: consumers go on from there.
    private var continuations: [(offset: Int64, segment: Int64, position: Int)] = []

    init(
        folder: String, topic: TopicID, partition: Int32, leaderEpoch: Int32, limits: LogLimits, segments: [LogSegment],
        logStart: Int64, producers: ProducerTable
    ) {
        self.folder = folder
        self.topic = topic
        self.partition = partition
        self.leaderEpoch = leaderEpoch
        self.limits = limits
        self.segments = segments
        self.logStart = logStart
        self.producers = producers
        unsynchronized = segments.last.map { [$0.file] } ?? []
    }

    private var active: LogSegment { segments[segments.count - 1] }

    /// Offset behind the last record. Everything before it may be read: there is one replica.
    var end: Int64 { active.end }

    /// Bytes of all segments.
    var size: Int { segments.reduce(0) { $0 + $1.size } }

    func fail(_ error: LogError) { failure = failure ?? error }

    /// Takes note that a flush job did not get to its end.
    func flushFailed(_ error: LogError) {
        if error.leavesLogUnknown { fail(error) } else { isDirty = true }
    }

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
        isDirty = true
        return .stored(baseOffset: base)
    }

    /// Closes the active segment and begins another.
    func roll(nowMillis: Int64) throws(LogError) {
        let next = try LogSegment(folder: folder, base: end, create: true, nowMillis: nowMillis)
        try next.file.truncate(to: 0)
        segments.append(next)
        unsynchronized.append(next.file)
        isDirty = true
    }

    // MARK: Reading

    /// Bytes of a file: whole batches.
    struct Slice {
        var file: LogFile
        var range: Range<Int>
    }

    /// Batches from the one that holds `offset`: about `maxBytes`, but always the first one. Nil at the log's end.
    func read(from offset: Int64, maxBytes: Int) throws(LogError) -> Slice? {
        if let failure { throw failure }
        guard offset >= logStart, offset <= end else { throw .outOfRange }
        guard offset < end, let segment = segment(holding: offset) else { return nil }
        let position: Int
        if let known = continuations.firstIndex(where: { $0.offset == offset && $0.segment == segment.base }) {
            position = continuations.remove(at: known).position
        } else {
            position = try segment.position(of: offset)
        }
        let range = try segment.slice(from: position, maxBytes: maxBytes)
        try segment.check(range)
        if let next = try offsetBehind(range, in: segment) {
            continuations.append((next, segment.base, range.upperBound))
            if continuations.count > 16 { continuations.removeFirst() }
        }
        return Slice(file: segment.file, range: range)
    }

    /// Bytes from `offset` to the end, roughly: for deciding whether a fetch has waited for enough.
    func bytesAvailable(from offset: Int64) -> Int {
        guard offset < end, let segment = segment(holding: offset) else { return 0 }
        if segment !== active { return .max }
        if let known = continuations.first(where: { $0.offset == offset && $0.segment == segment.base }) {
            return segment.size - known.position
        }
        guard let position = try? segment.position(of: offset) else { return 1 }
        return segment.size - position
    }

    private func offsetBehind(_ range: Range<Int>, in segment: LogSegment) throws(LogError) -> Int64? {
        if range.upperBound == segment.size { return segment.end }
        return RecordBatch(head: try segment.file.read(RecordBatch.headSize, at: range.upperBound)[...])?.baseOffset
    }

    private func segment(holding offset: Int64) -> LogSegment? {
        var low = 0
        var high = segments.count
        while low < high {
            let middle = (low + high) / 2
            if segments[middle].base <= offset { low = middle + 1 } else { high = middle }
        }
        // An empty segment (rolled, nothing appended) ends where it begins.
        return low == 0 ? nil : segments[low - 1]
    }

    /// The first record at or after `timestamp`, with its time. In a compressed batch the batch's first record stands for
    /// it, which may be early and is never late.
    func offset(atOrAfter timestamp: Int64) throws(LogError) -> (offset: Int64, timestamp: Int64)? {
        if let failure { throw failure }
        for segment in segments where segment.maxTimestamp >= timestamp && segment.end > logStart {
            var found: (offset: Int64, timestamp: Int64)?
            try segment.walk(from: try segment.index().position(forTime: timestamp)) {
                batch, position throws(LogError) in
                guard batch.maxTimestamp >= timestamp, batch.lastOffset >= logStart else { return true }
                guard batch.codec == 0 else {
                    found = (max(batch.baseOffset, logStart), batch.maxTimestamp)
                    return false
                }
                try segment.check(position..<position + batch.size)
                let bytes = try segment.file.read(batch.size, at: position)
                guard let records = try? RecordBatch.records(of: bytes[...]) else {
                    throw LogError.corrupt(path: segment.file.path, position: position)
                }
                for record in records {
                    let time = batch.baseTimestamp &+ record.timestampDelta
                    let offset = batch.baseOffset + Int64(record.offsetDelta)
                    if time >= timestamp && offset >= logStart {
                        found = (offset, time)
                        return false
                    }
                }
                return true
            }
            if found != nil { return found }
        }
        return nil
    }

    // MARK: Deleting

    /// Makes `offset` the first that may be read (−1: the end), and gives up segments that lie before it.
    func deleteRecords(before offset: Int64) throws(LogError) {
        let target = offset == -1 ? end : offset
        guard target >= 0, target <= end else { throw .outOfRange }
        guard target > logStart else { return }
        logStart = target
        isDirty = true
        drop { $0.end <= target }
    }

    /// Gives up closed segments that are too old or too many; a new active segment is begun when this one is too old.
    func applyRetention(nowMillis: Int64) throws(LogError) {
        guard failure == nil else { return }
        if active.size > 0, nowMillis - active.createdMillis > limits.segmentMillis { try roll(nowMillis: nowMillis) }
        if limits.retentionMillis >= 0 {
            // Records without a time are as old as their segment.
            drop { nowMillis - ($0.maxTimestamp < 0 ? $0.createdMillis : $0.maxTimestamp) > limits.retentionMillis }
        }
        if limits.retentionBytes >= 0 {
            var excess = Int64(size) - limits.retentionBytes
            drop { segment in
                // As Kafka: a segment goes only when what is left is still at least the limit.
                guard excess >= Int64(segment.size) else { return false }
                excess -= Int64(segment.size)
                return true
            }
        }
        producers.forgetIdle(nowMillis: nowMillis)
        for segment in segments.dropLast() { segment.unloadIndex() }
    }

    private func drop(while condition: (LogSegment) -> Bool) {
        while segments.count > 1, condition(segments[0]) {
            let segment = segments.removeFirst()
            doomed += [segment.file.path, segment.indexPath]
            unsynchronized.removeAll { $0 === segment.file }
            isDirty = true
        }
        logStart = max(logStart, segments[0].base)
    }

    // MARK: Durability

    /// What to do on another thread, in this order, to make everything up to now durable.
    struct FlushJob: Sendable {
        var folder: String
        var files: [LogFile]
        var indexes: [(path: String, bytes: [UInt8], position: Int)]
        var checkpoint: [UInt8]
        var doomed: [String]

        func run() throws(LogError) {
            for file in files { try file.synchronize() }
            for index in indexes {
                let file = try LogFile(path: index.path, create: true)
                try file.write(index.bytes[...], at: index.position)
                try file.synchronize()
            }
            try Files.replace(folder + "/" + Checkpoint.fileName, with: checkpoint)
            for path in doomed { Files.remove(path) }
        }
    }

    /// The job that catches up with what was appended since the last one; nil when there is nothing to do.
    func flushJob() -> FlushJob? {
        guard isDirty, failure == nil else { return nil }
        isDirty = false
        var indexes: [(path: String, bytes: [UInt8], position: Int)] = []
        for segment in segments {
            if let unsaved = segment.unsavedIndex() {
                indexes.append((segment.indexPath, unsaved.bytes, unsaved.position))
            }
        }
        var checkpoint = Checkpoint()
        checkpoint.topic = topic
        checkpoint.partition = partition
        checkpoint.logStart = logStart
        checkpoint.segments = segments.map(\.manifest)
        checkpoint.producers = producers
        defer {
            unsynchronized = [active.file]
            doomed = []
        }
        return FlushJob(
            folder: folder, files: unsynchronized, indexes: indexes, checkpoint: checkpoint.encoded(), doomed: doomed)
    }

    /// Synchronises the log now, before an answer: the `always` policy.
    func synchronize() throws(LogError) {
        do {
            for file in unsynchronized { try file.synchronize() }
        } catch {
            fail(error)
            throw error
        }
        unsynchronized = [active.file]
    }
}
