import KafkaProtocol

/// Opens a partition's folder after any kind of end.
///
/// A checkpoint says what was on the disk at one moment. What it says is believed where the sizes agree; everything
/// behind it is scanned batch by batch, and the log ends before the first batch that is not whole and sound.
enum LogRecovery {
    struct Outcome {
        var log: PartitionLog
        /// Bytes cut off behind the last sound batch.
        var bytesDropped = 0
        /// Whether records that had been stored are gone; readers must be able to tell (a new leader epoch).
        var lostRecords = false
        /// Why the log cannot be used, where it cannot.
        var damage: LogError?
    }

    /// Whether the folder belongs to this topic's present life; a folder without a checkpoint belongs to whoever names it.
    static func owner(of folder: String) -> TopicID? {
        guard let bytes = try? Files.contents(folder + "/" + Checkpoint.fileName) else { return nil }
        return Checkpoint(bytes)?.topic
    }

    static func open(
        folder: String, topic: TopicID, partition: Int32, leaderEpoch: Int32, limits: LogLimits, nowMillis: Int64
    ) throws(LogError) -> Outcome {
        let isNew = !Files.exists(folder)
        try Files.makeFolder(folder)
        let known = try Files.contents(folder + "/" + Checkpoint.fileName).flatMap { Checkpoint($0) } ?? Checkpoint()
        var bases = try Files.list(folder).filter { $0.hasSuffix(".log") }.compactMap { Int64($0.dropLast(4)) }.sorted()
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
        var expected = known.segments.first?.base ?? bases.first ?? 0
        var isBroken = false
        for base in bases {
            if isBroken || base != expected {
                // What follows a hole would be read as if the hole were not there.
                let size = (try? LogFile(path: path(folder, base), create: false).size()) ?? 0
                if size > 0 { lost = true }
                dropped += size
                remove(folder, base)
                isBroken = true
                continue
            }
            let segment = try LogSegment(folder: folder, base: base, create: false, nowMillis: nowMillis)
            let size = try segment.file.size()
            var isKnown = false
            if let manifest = known.segments.first(where: { $0.base == base }) {
                let isLast = base == known.segments.last?.base
                if size >= Int(manifest.size) {
                    segment.adopt(manifest)
                    isKnown = true
                } else if !isLast {
                    damage = damage ?? .corrupt(path: segment.file.path, position: size)
                    segment.adopt(manifest)
                    isKnown = true
                } else {
                    lost = true
                    producers = ProducerTable()
                }
                if isKnown && !isLast && size == Int(manifest.size) || damage != nil {
                    segments.append(segment)
                    expected = segment.end
                    continue
                }
            }
            // Appending needs the index, and scanning extends it.
            if isKnown { _ = try segment.index() }
            try scan(segment, upTo: size, &producers, nowMillis: nowMillis)
            if segment.size < size {
                dropped += size - segment.size
                // A torn tail is one batch that nobody was told about; anything else held acknowledged records.
                if try holdsWholeBatch(segment.file, from: segment.size, to: size) { lost = true }
                try segment.file.truncate(to: segment.size)
                isBroken = true
            }
            segments.append(segment)
            expected = segment.end
        }
        if let last = known.segments.last, expected < last.end, damage == nil { lost = true }
        // A segment that a checkpoint names and nobody finds, between others or at the front.
        if damage == nil, let missing = known.segments.first(where: { wanted in
            wanted.size > 0 && !segments.contains { $0.base == wanted.base }
        }) {
            if missing.base == known.segments.last?.base {
                lost = true
            } else {
                damage = .storage(operation: "open", path: path(folder, missing.base), errno: 2)
            }
        }
        if segments.isEmpty {
            segments = [try LogSegment(folder: folder, base: expected, create: true, nowMillis: nowMillis)]
        }
        let end = segments[segments.count - 1].end
        let start = min(max(known.logStart, segments[0].base), end)
        let log = PartitionLog(
            folder: folder, topic: topic, partition: partition, leaderEpoch: leaderEpoch, limits: limits,
            segments: segments, logStart: start, producers: producers)
        if let damage { log.fail(damage) }
        if isNew, let job = log.flushJob() {
            try job.run()
            try Files.synchronizeFolder(Files.parent(of: folder))
        }
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
                batch.size <= rest.count, RecordBatch.isIntact(rest.prefix(batch.size), checksum: batch.checksum)
            else { break }
            producers.note(batch, baseOffset: segment.end, nowMillis: nowMillis)
            segment.noteAppended(batch)
        }
        segment.noteChecked(from: start)
    }

    /// Whether the bytes behind the last sound batch are more than one batch cut short: then a stored batch was damaged.
    private static func holdsWholeBatch(_ file: LogFile, from position: Int, to size: Int) throws(LogError) -> Bool {
        let head = try file.read(min(RecordBatch.headSize, size - position), at: position)
        guard let batch = RecordBatch(head: head[...]), batch.magic == 2 else { return false }
        return batch.size <= size - position
    }

    private static func path(_ folder: String, _ base: Int64) -> String { folder + "/" + LogSegment.name(base) + ".log" }

    private static func remove(_ folder: String, _ base: Int64) {
        let name = folder + "/" + LogSegment.name(base)
        Files.remove(name + ".log")
        Files.remove(name + ".index")
    }
}
