extension PartitionLog {
    /// Makes `offset` the first that may be read (−1: the end), and gives up segments that lie before it.
    func deleteRecords(before offset: Int64) throws(LogError) {
        let target = offset == -1 ? highWatermark : offset
        guard target >= 0, target <= highWatermark else { throw .outOfRange }
        guard target > logStart else { return }
        logStart = target
        isDirty = true
        drop { $0.end <= target }
    }

    /// Gives up closed segments that are too old or too many; a new active segment is begun when this one is too old.
    func applyRetention(nowMillis: Int64) throws(LogError) {
        guard failure == nil else { return }
        if active.size > 0, nowMillis &- active.createdMillis > limits.segmentMillis { try roll(nowMillis: nowMillis) }
        if limits.retentionMillis >= 0 {
            // Records without a time are as old as their segment.
            drop { nowMillis &- ($0.maxTimestamp < 0 ? $0.createdMillis : $0.maxTimestamp) > limits.retentionMillis }
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
        forgetIdleProducers(nowMillis: nowMillis)
        for segment in segments.dropLast() { segment.unloadIndex() }
    }

    private func drop(while condition: (LogSegment) -> Bool) {
        while segments.count > 1, condition(segments[0]) {
            let segment = segments.removeFirst()
            doomed.append(segment.stem)
            unsynchronized.removeAll { $0 === segment.file }
            isDirty = true
        }
        logStart = max(logStart, segments[0].base)
        // What is gone needs no flushing: the log is on the disk as far as it now begins, at least.
        if flushed.segment < segments[0].base {
            flushed = Flushed(end: segments[0].base, segment: segments[0].base, size: 0)
        }
    }
}
