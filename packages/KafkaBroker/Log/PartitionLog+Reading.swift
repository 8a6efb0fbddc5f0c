import KafkaProtocol

extension PartitionLog {
    /// Bytes of a file: whole batches.
    struct Slice {
        var file: LogFile
        var range: Range<Int>
    }

    /// Batches from the one that holds `offset`: about `maxBytes`, but always the first one. Nil where nothing more is on
    /// the disk yet.
    func read(from offset: Int64, maxBytes: Int) throws(LogError) -> Slice? {
        if let failure { throw failure }
        guard offset >= logStart, offset <= end else { throw .outOfRange }
        guard offset < highWatermark, let segment = segment(holding: offset) else { return nil }
        let position: Int
        if let known = continuations.firstIndex(where: { $0.offset == offset && $0.segment == segment.base }) {
            position = continuations.remove(at: known).position
        } else {
            position = try segment.position(of: offset)
        }
        let range = try segment.slice(from: position, upTo: readableSize(of: segment), maxBytes: maxBytes)
        try segment.check(range)
        if let next = try offsetBehind(range, in: segment) {
            continuations.append((next, segment.base, range.upperBound))
            if continuations.count > 16 { continuations.removeFirst() }
        }
        return Slice(file: segment.file, range: range)
    }

    /// Bytes of a segment that may be read.
    private func readableSize(of segment: LogSegment) -> Int {
        segment.base == flushed.segment ? flushed.size : segment.base < flushed.segment ? segment.size : 0
    }

    /// Bytes that may be read from `offset` on, roughly: for deciding whether a fetch has waited for enough. More than
    /// a segment's are as good as any number.
    func bytesAvailable(from offset: Int64) -> Int {
        guard offset < highWatermark, let segment = segment(holding: offset) else { return 0 }
        if segment.base < flushed.segment { return .max }
        if let known = continuations.first(where: { $0.offset == offset && $0.segment == segment.base }) {
            return flushed.size - known.position
        }
        guard let position = try? segment.position(of: offset) else { return 1 }
        return flushed.size - position
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

    /// The first record at or after `timestamp`, with its time. Of a batch that may not be opened (too much was) the first
    /// record stands for it, which may be early and is never late.
    func offset(
        atOrAfter timestamp: Int64, _ opening: inout BatchOpening
    ) throws(LogError) -> (offset: Int64, timestamp: Int64)? {
        if let failure { throw failure }
        for segment in segments where segment.maxTimestamp >= timestamp && segment.end > logStart {
            guard segment.base < highWatermark else { return nil }
            var found: (offset: Int64, timestamp: Int64)?
            let index = try segment.index()
            var start = index.position(forTime: timestamp)
            if logStart > segment.base {
                start = max(start, index.position(forOffset: UInt32(truncatingIfNeeded: logStart - segment.base)))
            }
            try segment.walk(from: start) {
                batch, position throws(LogError) in
                guard batch.baseOffset < highWatermark else { return false }
                guard batch.maxTimestamp >= timestamp, batch.lastOffset >= logStart else { return true }
                found = (max(batch.baseOffset, logStart), batch.maxTimestamp)
                guard opening.mayLookInto(batch.size) else { return false }
                try segment.check(position..<position + batch.size)
                let bytes = try segment.file.read(batch.size, at: position)
                guard case .success(let records) = opening.records(of: batch, bytes.dropFirst(RecordBatch.headSize))
                else {
                    opening.endLookups()
                    return false
                }
                found = nil
                let isSound = batch.walkRecords(inBlock: records) { index, time in
                    let offset = batch.baseOffset &+ Int64(index)
                    guard time >= timestamp, offset >= logStart else { return true }
                    found = (offset, time)
                    return false
                }
                guard isSound else { throw LogError.corrupt(path: segment.file.path, position: position) }
                return found == nil
            }
            if found != nil { return found }
        }
        return nil
    }
}
