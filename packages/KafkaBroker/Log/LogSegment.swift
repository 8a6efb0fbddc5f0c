import KafkaProtocol
import Text

/// One file of batches, exactly as they are served, with its index.
final class LogSegment {
    let base: Int64
    let file: LogFile
    /// The path of its files without their extension.
    let stem: String
    var indexPath: String { stem + ".index" }
    /// Offset behind the last record, bytes of whole batches, and the latest time in them (−1: none).
    private(set) var end: Int64
    private(set) var size = 0
    private(set) var maxTimestamp: Int64 = -1
    var createdMillis: Int64
    /// Nil while a closed segment's index rests on the disk.
    private var loadedIndex: SparseIndex?
    /// How much of the index is on the disk, and its checksum.
    private(set) var savedIndexCount = 0
    private(set) var savedIndexChecksum: UInt32 = 0
    /// Bytes whose checksums this process has seen: appended by it, or read and checked.
    private var checked = 0..<0
    /// Whether recovery found batches in it that no checkpoint counts.
    private(set) var hasScanned = false

    init(folder: String, base: Int64, create: Bool, nowMillis: Int64) throws(LogError) {
        stem = folder + "/" + Self.name(base)
        self.base = base
        file = try LogFile(path: stem + ".log", create: create)
        end = base
        createdMillis = nowMillis
        loadedIndex = SparseIndex()
    }

    /// The twenty digits that name a segment's files.
    static func name(_ base: Int64) -> String {
        Padding.zeros(base, 20)
    }

    /// Takes what a checkpoint says instead of scanning; the index stays on the disk.
    func adopt(_ known: Checkpoint.Segment) {
        end = known.end
        size = Int(known.size)
        maxTimestamp = known.maxTimestamp
        createdMillis = known.createdMillis
        savedIndexCount = Int(known.indexCount)
        savedIndexChecksum = known.indexChecksum
        loadedIndex = nil
        checked = size..<size
    }

    var manifest: Checkpoint.Segment {
        Checkpoint.Segment(
            base: base, end: end, size: Int64(size), maxTimestamp: maxTimestamp, createdMillis: createdMillis,
            indexCount: UInt32(savedIndexCount), indexChecksum: savedIndexChecksum)
    }

    /// Whether a batch of `count` more bytes and offsets up to `lastOffset` can be named by the index.
    func hasRoom(bytes count: Int, lastOffset: Int64) -> Bool {
        let (distance, isOverflow) = lastOffset.subtractingReportingOverflow(base)
        return size + count <= Int(UInt32.max) && !isOverflow && (0...Int64(UInt32.max)).contains(distance)
    }

    /// Writes one batch at the end. The file is as before when this throws.
    func append(_ bytes: ArraySlice<UInt8>, _ batch: RecordBatch, leaderEpoch: Int32) throws(LogError) {
        _ = try index()
        do {
            try file.write(bytes, prefix: batch.storedPrefix(baseOffset: end, leaderEpoch: leaderEpoch), at: size)
        } catch {
            try file.truncate(to: size)
            throw error
        }
        if checked.upperBound != size { checked = size..<size }
        checked = checked.lowerBound..<size + batch.size
        noteAppended(batch)
    }

    /// Counts a batch that is in the file behind the others.
    func noteAppended(_ batch: RecordBatch) {
        loadedIndex?.note(
            offset: UInt32(truncatingIfNeeded: end - base), position: size, earlierMaxTimestamp: maxTimestamp)
        end += Int64(batch.lastOffsetDelta) + 1
        size += batch.size
        maxTimestamp = max(maxTimestamp, batch.maxTimestamp)
    }

    /// Remembers that recovery has just checked everything from `start`.
    func noteChecked(from start: Int) {
        checked = start..<size
        hasScanned = start < size
    }

    /// The index, from the disk if need be, and made again from the log if what is there is not what was written.
    func index() throws(LogError) -> SparseIndex {
        if let loadedIndex { return loadedIndex }
        let stored =
            (try? LogFile(path: indexPath, create: false).read(savedIndexCount * SparseIndex.entrySize, at: 0)) ?? []
        if stored.count == savedIndexCount * SparseIndex.entrySize, CRC32C.checksum(stored[...]) == savedIndexChecksum,
            let index = SparseIndex.decode(stored)
        {
            loadedIndex = index
            return index
        }
        var index = SparseIndex()
        var latest: Int64 = -1
        try walk(from: 0) { batch, position in
            index.note(
                offset: UInt32(truncatingIfNeeded: batch.baseOffset - base), position: position,
                earlierMaxTimestamp: latest)
            latest = max(latest, batch.maxTimestamp)
            return true
        }
        savedIndexCount = 0
        savedIndexChecksum = 0
        loadedIndex = index
        return index
    }

    /// What is to be written to the index file so that it is whole; counts it as written.
    func unsavedIndex() -> (bytes: [UInt8], position: Int)? {
        guard let index = loadedIndex, index.entries.count > savedIndexCount else { return nil }
        let bytes = index.encoded(from: savedIndexCount)
        defer {
            savedIndexChecksum = CRC32C.checksum(bytes[...], seed: savedIndexChecksum)
            savedIndexCount = index.entries.count
        }
        return (bytes, savedIndexCount * SparseIndex.entrySize)
    }

    /// The index file may not hold what was counted as written: the next checkpoint writes all of it again.
    func forgetSavedIndex() {
        guard loadedIndex != nil else { return }
        savedIndexCount = 0
        savedIndexChecksum = 0
    }

    /// Gives the index's memory back; only for closed segments whose index is on the disk.
    func unloadIndex() {
        if let index = loadedIndex, index.entries.count == savedIndexCount { loadedIndex = nil }
    }

    /// Visits batch heads from `position`, which begins one, while `visit` returns true.
    func walk(from position: Int, _ visit: (RecordBatch, Int) throws(LogError) -> Bool) throws(LogError) {
        var position = position
        var window: [UInt8] = []
        var windowStart = position
        while position < size {
            if position + RecordBatch.headSize > windowStart + window.count {
                windowStart = position
                window = try file.read(min(SparseIndex.interval * 4, size - position), at: position)
            }
            guard let batch = RecordBatch(head: window.dropFirst(position - windowStart)), batch.size <= size - position
            else {
                throw .corrupt(path: file.path, position: position)
            }
            guard try visit(batch, position) else { return }
            position += batch.size
            if position > windowStart + window.count { window = [] }
        }
    }

    /// Where the batch that holds `offset` begins.
    func position(of offset: Int64) throws(LogError) -> Int {
        let start = try index().position(forOffset: UInt32(truncatingIfNeeded: offset - base))
        var found = size
        try walk(from: start) { batch, position in
            guard batch.lastOffset >= offset else { return true }
            found = position
            return false
        }
        return found
    }

    /// Whole batches from `position` up to `limit`, which ends one: about `maxBytes` of them, but always the first.
    func slice(from position: Int, upTo limit: Int, maxBytes: Int) throws(LogError) -> Range<Int> {
        if limit - position <= maxBytes { return position..<limit }
        if let boundary = try index().boundary(atMost: position + maxBytes), boundary > position {
            return position..<boundary
        }
        var end = position
        try walk(from: position) { batch, start in
            guard end == position || start + batch.size <= position + maxBytes else { return false }
            end = start + batch.size
            return end < position + maxBytes
        }
        return position..<end
    }

    /// Checks the batches of `range` once per process, so that bytes that rotted on the disk are never served as records.
    func check(_ range: Range<Int>) throws(LogError) {
        if checked.lowerBound <= range.lowerBound && range.upperBound <= checked.upperBound { return }
        let start = checked.contains(range.lowerBound) ? checked.upperBound : range.lowerBound
        let bytes = try file.read(range.upperBound - start, at: start)
        var rest = bytes[...]
        while !rest.isEmpty {
            guard let batch = RecordBatch(head: rest), batch.size <= rest.count,
                RecordBatch.isIntact(rest.prefix(batch.size), checksum: batch.checksum)
            else { throw .corrupt(path: file.path, position: range.upperBound - rest.count) }
            rest = rest.dropFirst(batch.size)
        }
        // One interval is remembered: the one being read on from. Reading elsewhere starts another.
        if range.lowerBound <= checked.upperBound && range.upperBound >= checked.lowerBound {
            checked = min(checked.lowerBound, range.lowerBound)..<max(checked.upperBound, range.upperBound)
        } else {
            checked = range
        }
    }
}
