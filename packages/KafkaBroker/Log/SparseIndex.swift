import KafkaProtocol

/// Where some batches of a segment begin: one entry for about every 4 KiB of log, for lookups by offset, by position
/// and by time.
struct SparseIndex: Equatable, Sendable {
    /// Bytes of log between entries, as Kafka's `index.interval.bytes`.
    static let interval = 4096
    static let entrySize = 16

    struct Entry: Equatable, Sendable {
        /// First offset of the batch, relative to the segment's base.
        var offset: UInt32
        /// Where the batch begins in the file.
        var position: UInt32
        /// The latest time in the batches before this one, so that times that go backwards are found as well.
        var earlierMaxTimestamp: Int64
    }

    private(set) var entries: [Entry] = []

    /// Notes a batch about to be appended; keeps it when the last entry is far enough away.
    mutating func note(offset: UInt32, position: Int, earlierMaxTimestamp: Int64) {
        if let last = entries.last, position - Int(last.position) < Self.interval { return }
        entries.append(Entry(offset: offset, position: UInt32(position), earlierMaxTimestamp: earlierMaxTimestamp))
    }

    mutating func append(_ entry: Entry) { entries.append(entry) }

    /// Where to begin looking for `offset`: the last batch known to begin at or before it.
    func position(forOffset offset: UInt32) -> Int { floor { $0.offset <= offset }.map { Int($0.position) } ?? 0 }

    /// Where to begin looking for a time: every batch before that place is older.
    func position(forTime timestamp: Int64) -> Int {
        floor { $0.earlierMaxTimestamp < timestamp }.map { Int($0.position) } ?? 0
    }

    /// The last known beginning of a batch that is at most `position`.
    func boundary(atMost position: Int) -> Int? { floor { Int($0.position) <= position }.map { Int($0.position) } }

    /// The last entry that satisfies a condition which entries satisfy up to some place and not behind it.
    private func floor(_ holds: (Entry) -> Bool) -> Entry? {
        var low = 0
        var high = entries.count
        while low < high {
            let middle = (low + high) / 2
            if holds(entries[middle]) { low = middle + 1 } else { high = middle }
        }
        return low == 0 ? nil : entries[low - 1]
    }

    /// Entries from `first` on, as stored.
    func encoded(from first: Int = 0) -> [UInt8] {
        var writer = ByteWriter()
        for entry in entries[first...] {
            writer.write(entry.offset)
            writer.write(entry.position)
            writer.write(entry.earlierMaxTimestamp)
        }
        return writer.output
    }

    /// Reads what `encoded` wrote.
    static func decode(_ bytes: [UInt8]) -> SparseIndex? {
        var reader = ByteReader(bytes[...])
        var index = SparseIndex()
        while reader.remaining >= entrySize {
            guard let offset = try? reader.read(UInt32.self), let position = try? reader.read(UInt32.self),
                let time = try? reader.read(Int64.self)
            else { return nil }
            index.entries.append(Entry(offset: offset, position: position, earlierMaxTimestamp: time))
        }
        return reader.remaining == 0 ? index : nil
    }
}
