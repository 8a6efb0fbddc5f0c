import KafkaProtocol

/// Opens a partition's folder after any kind of end.
///
/// A checkpoint says what was on the disk at one moment. What it says is believed where the sizes agree; everything
/// behind it is scanned batch by batch, and the log ends before the first batch that is not whole and sound.
enum LogRecovery {
    /// What a segment leaves behind that was removed although the checkpoint names it.
    static let goneSuffix = ".gone"

    struct Outcome {
        var log: PartitionLog
        /// Bytes cut off behind the last sound batch.
        var bytesDropped = 0
        /// Whether records that had been stored are gone; readers must be able to tell (a new leader epoch).
        var lostRecords = false
        /// Why the log cannot be used, where it cannot.
        var damage: LogError?
    }

    static func open(
        folder: String, topic: TopicID, partition: Int32, leaderEpoch: Int32, limits: LogLimits, nowMillis: Int64
    ) throws(LogError) -> Outcome {
        let isNew = !Files.exists(folder)
        try Files.makeFolder(folder)
        if !isNew { Files.makePrivate(folder, isFolder: true) }
        var known = try Files.contents(folder + "/" + Checkpoint.fileName).flatMap { Checkpoint($0) } ?? Checkpoint()
        if known.topic != topic { known = Checkpoint() }
        let names = try Files.list(folder)
        var bases = Self.bases(of: names, ".log")
        // Given up on a full disk before a checkpoint could say so; only at the log's start does that make sense.
        let gone = Self.bases(of: names, goneSuffix)
        let knownEnd = known.segments.last?.end
        while let first = known.segments.first, gone.contains(first.base) { known.segments.removeFirst() }
        if let last = gone.last {
            for base in bases where base <= last { remove(folder, base) }
            bases.removeAll { $0 <= last }
        }
        // Retention writes the checkpoint first and removes the files after it.
        if let first = known.segments.first {
            for base in bases where base < first.base { remove(folder, base) }
            bases.removeAll { $0 < first.base }
        }

        var segments: [LogSegment] = []
        var producers = known.producers
        var dropped = 0
        var lost = false
        var damage: LogError?
        // A file that the checkpoint names and nobody finds: what follows must not be read as if the hole were not there.
        for wanted in known.segments where wanted.size > 0 && !bases.contains(wanted.base) {
            damage = damage ?? .storage(operation: "open", path: path(folder, wanted.base), errno: 2)
        }
        var expected = known.segments.first?.base ?? bases.first ?? knownEnd ?? 0
        var isCut = false
        for base in bases {
            let manifest = known.segments.first { $0.base == base }
            if manifest == nil, damage == nil, isCut || base != expected {
                // Written after the checkpoint, behind bytes that did not reach the disk: kept aside, not served.
                let file = path(folder, base)
                let size = try LogFile(path: file, create: false).size()
                if size > 0 { try Files.move(file, to: file + ".lost") } else { remove(folder, base) }
                lost = lost || size > 0
                dropped += size
                continue
            }
            let segment = try LogSegment(folder: folder, base: base, create: false, nowMillis: nowMillis)
            let size = try segment.file.size()
            segments.append(segment)
            if let manifest {
                let isLast = base == known.segments.last?.base
                if size < Int(manifest.size), !isLast {
                    damage = damage ?? .corrupt(path: segment.file.path, position: size)
                }
                if size >= Int(manifest.size) || damage != nil {
                    segment.adopt(manifest)
                } else {
                    // Bytes that had been synchronised are gone; what is left is counted from the beginning.
                    lost = true
                    producers = ProducerTable()
                }
                if !isLast || damage != nil {
                    expected = segment.end
                    continue
                }
                // Appending needs the index, and scanning extends it.
                _ = try segment.index()
            }
            guard damage == nil else { continue }
            try scan(segment, upTo: size, &producers, nowMillis: nowMillis)
            if segment.size < size {
                dropped += size - segment.size
                // A torn tail is one batch that nobody was told about; anything else held acknowledged records.
                if try holdsWholeBatch(segment, to: size) { lost = true }
                try segment.file.truncate(to: segment.size)
                isCut = true
            }
            expected = segment.end
        }
        if segments.isEmpty {
            segments = [try LogSegment(folder: folder, base: expected, create: true, nowMillis: nowMillis)]
        }
        // Found behind the checkpoint: in the system's hands perhaps, and readable once it is on the disk.
        if !isNew, damage == nil, segments.contains(where: { $0.hasScanned }) {
            for segment in segments where segment.hasScanned { try segment.file.synchronize() }
            try Files.synchronizeFolder(folder)
        }
        let end = segments[segments.count - 1].end
        let start = min(max(known.logStart, segments[0].base), end)
        let log = PartitionLog(
            folder: folder, topic: topic, partition: partition, leaderEpoch: leaderEpoch, limits: limits,
            segments: segments, logStart: start, producers: producers, isNew: isNew,
            doomed: gone.map { folder + "/" + LogSegment.name($0) })
        if let damage { log.fail(damage) }
        return Outcome(log: log, bytesDropped: dropped, lostRecords: lost, damage: damage)
    }

    /// Counts sound batches behind what the segment already counts.
    private static func scan(
        _ segment: LogSegment, upTo size: Int, _ producers: inout ProducerTable, nowMillis: Int64
    ) throws(LogError) {
        let start = segment.size
        let window = 8 << 20
        var bytes: [UInt8] = []
        var windowStart = start
        while segment.size < size {
            var rest = bytes.dropFirst(segment.size - windowStart)
            var head = RecordBatch(head: rest)
            if head.map({ $0.size > rest.count }) ?? true {
                let wanted = max(window, min(head?.size ?? 0, size))
                windowStart = segment.size
                bytes = try segment.file.read(min(wanted, size - segment.size), at: segment.size)
                rest = bytes[...]
                head = RecordBatch(head: rest)
            }
            guard let batch = head, batch.magic == 2, batch.baseOffset == segment.end, batch.lastOffsetDelta >= 0,
                segment.hasRoom(bytes: batch.size, lastOffset: batch.lastOffset),
                batch.size <= rest.count, RecordBatch.isIntact(rest.prefix(batch.size), checksum: batch.checksum)
            else { break }
            producers.note(batch, baseOffset: segment.end, nowMillis: nowMillis)
            segment.noteAppended(batch)
        }
        segment.noteChecked(from: start)
    }

    /// Whether the bytes behind the last sound batch are more than one batch cut short: then a stored batch was damaged. Its
    /// own length may be what is damaged, so a sound batch anywhere behind it says so as well.
    private static func holdsWholeBatch(_ segment: LogSegment, to size: Int) throws(LogError) -> Bool {
        let position = segment.size
        let bytes = try segment.file.read(min(largestSearch, size - position), at: position)
        if let batch = RecordBatch(head: bytes[...]), batch.magic == 2, batch.size <= size - position { return true }
        for start in bytes.indices.dropLast(RecordBatch.headSize) where bytes[start + magicAt] == 2 {
            let rest = bytes[start...]
            guard let batch = RecordBatch(head: rest), batch.baseOffset > segment.end, batch.size <= rest.count,
                RecordBatch.isIntact(rest.prefix(batch.size), checksum: batch.checksum)
            else { continue }
            return true
        }
        return false
    }

    /// Most bytes looked through for a sound batch behind a damaged one, and where a batch says its format.
    private static let largestSearch = 64 << 20, magicAt = 16

    /// The numbers in the names of files with `suffix`, in order.
    private static func bases(of names: [String], _ suffix: String) -> [Int64] {
        names.filter { $0.hasSuffix(suffix) }.compactMap { Int64($0.dropLast(suffix.count)) }.sorted()
    }

    private static func path(_ folder: String, _ base: Int64) -> String {
        folder + "/" + LogSegment.name(base) + ".log"
    }

    private static func remove(_ folder: String, _ base: Int64) {
        let name = folder + "/" + LogSegment.name(base)
        Files.remove(name + ".log")
        Files.remove(name + ".index")
    }
}
