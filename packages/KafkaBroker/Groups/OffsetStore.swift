import KafkaProtocol

/// A partition by name, as groups know it.
struct TopicPartition: Hashable, Sendable {
    var topic: String
    var partition: Int32
}

/// A group's position in one partition.
struct CommittedOffset: Equatable, Sendable {
    var offset: Int64
    var leaderEpoch: Int32 = -1
    var metadata: String = ""
    var committedMillis: Int64 = 0
}

/// What outlives the broker of a group without members.
struct GroupRecord: Equatable, Sendable {
    var generation: Int32 = 0
    var protocolType = ""
    var changedMillis: Int64 = 0
}

/// Committed positions and group generations: an append-only file of checked entries, read once at the start and
/// rewritten when most of it is history.
///
/// An entry is its length, its CRC-32C, then a type and the fields. The first entry that is not whole and sound ends the
/// file: it was being written when the broker died, and nobody was told that it is stored.
struct OffsetStore {
    private enum Entry: UInt8 {
        case commit = 1
        case forgetOffset = 2
        case group = 3
        case forgetGroup = 4
    }

    static let fileName = "__offsets.log"
    /// Rewriting starts at this size, when the file is four times what it would be.
    static let smallestRewrite = 1 << 20

    private let path: String
    private var file: LogFile
    private(set) var size = 0
    private(set) var offsets: [String: [TopicPartition: CommittedOffset]] = [:]
    private(set) var groups: [String: GroupRecord] = [:]
    /// Bytes cut off at the start: an entry that was not whole.
    private(set) var bytesDropped = 0

    init(folder: String) throws(LogError) {
        path = folder + "/" + Self.fileName
        file = try LogFile(path: path, create: true)
        let bytes = try file.read(try file.size(), at: 0)
        var reader = ByteReader(bytes[...])
        while let entry = Self.nextEntry(&reader) {
            guard (try? apply(entry)) != nil else { break }
            size = reader.cursor
        }
        bytesDropped = bytes.count - size
        if bytesDropped > 0 { try file.truncate(to: size) }
    }

    private static func nextEntry(_ reader: inout ByteReader) -> ArraySlice<UInt8>? {
        guard let count = try? reader.read(UInt32.self), let checksum = try? reader.read(UInt32.self),
            let entry = try? reader.take(Int(count)), CRC32C.checksum(entry) == checksum
        else { return nil }
        return entry
    }

    private mutating func apply(_ entry: ArraySlice<UInt8>) throws(ProtocolError) {
        var reader = ByteReader(entry)
        guard let type = Entry(rawValue: try reader.read()) else { throw .badLength(0) }
        var group = ""
        try reader.string(&group)
        switch type {
        case .commit:
            let partition = try Self.partition(&reader)
            var committed = CommittedOffset(offset: try reader.read(), leaderEpoch: try reader.read())
            committed.committedMillis = try reader.read()
            try reader.string(&committed.metadata)
            offsets[group, default: [:]][partition] = committed
        case .forgetOffset: offsets[group]?[try Self.partition(&reader)] = nil
        case .group:
            var record = GroupRecord(generation: try reader.read())
            record.changedMillis = try reader.read()
            try reader.string(&record.protocolType)
            groups[group] = record
        case .forgetGroup:
            offsets[group] = nil
            groups[group] = nil
        }
    }

    private static func partition(_ reader: inout ByteReader) throws(ProtocolError) -> TopicPartition {
        var topic = ""
        try reader.string(&topic)
        return TopicPartition(topic: topic, partition: try reader.read())
    }

    private static func head(_ type: Entry, _ group: String, _ partition: TopicPartition? = nil) -> ByteWriter {
        var writer = ByteWriter()
        writer.write(type.rawValue)
        var texts = [group] + (partition.map { [$0.topic] } ?? [])
        // Names came in through 16-bit lengths, so they fit into them again.
        for index in texts.indices { try? writer.string(&texts[index]) }
        if let partition { writer.write(partition.partition) }
        return writer
    }

    private static func commitEntry(_ group: String, _ partition: TopicPartition, _ committed: CommittedOffset)
        -> [UInt8]
    {
        var writer = head(.commit, group, partition)
        writer.write(committed.offset)
        writer.write(committed.leaderEpoch)
        writer.write(committed.committedMillis)
        var metadata = committed.metadata
        try? writer.string(&metadata)
        return writer.output
    }

    private static func groupEntry(_ group: String, _ record: GroupRecord) -> [UInt8] {
        var writer = head(.group, group)
        writer.write(record.generation)
        writer.write(record.changedMillis)
        var type = record.protocolType
        try? writer.string(&type)
        return writer.output
    }

    private static func framed(_ entries: [[UInt8]]) -> [UInt8] {
        var writer = ByteWriter()
        for entry in entries {
            writer.write(UInt32(entry.count))
            writer.write(CRC32C.checksum(entry[...]))
            writer.output.append(contentsOf: entry)
        }
        return writer.output
    }

    /// Appends entries and then applies them: what the file does not hold is not in memory either.
    private mutating func store(_ entries: [[UInt8]]) throws(LogError) {
        guard !entries.isEmpty else { return }
        let bytes = Self.framed(entries)
        do {
            try file.write(bytes[...], at: size)
        } catch {
            try file.truncate(to: size)
            throw error
        }
        size += bytes.count
        for entry in entries { try? apply(entry[...]) }
    }

    mutating func commit(_ group: String, _ positions: [(TopicPartition, CommittedOffset)]) throws(LogError) {
        try store(positions.map { Self.commitEntry(group, $0.0, $0.1) })
    }

    mutating func note(_ group: String, _ record: GroupRecord) throws(LogError) {
        try store([Self.groupEntry(group, record)])
    }

    mutating func forget(_ group: String, _ partitions: [TopicPartition]) throws(LogError) {
        try store(partitions.map { Self.head(.forgetOffset, group, $0).output })
    }

    mutating func forget(group: String) throws(LogError) { try store([Self.head(.forgetGroup, group).output]) }

    /// Rewrites the file without history when that is most of it.
    mutating func rewriteIfWorthwhile() throws(LogError) {
        guard size >= Self.smallestRewrite else { return }
        let live = Self.framed(
            groups.map { Self.groupEntry($0.key, $0.value) }
                + offsets.flatMap { group, positions in positions.map { Self.commitEntry(group, $0.key, $0.value) } })
        guard size > 4 * live.count else { return }
        try Files.replace(path, with: live)
        file = try LogFile(path: path, create: false)
        size = live.count
    }

    /// For synchronising on another thread.
    var currentFile: LogFile { file }
}
