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
    /// Most bytes of positions that are kept; above it a commit that brings new ones is refused.
    static let maxLiveSize = 256 << 20

    private let path: String
    private var file: LogFile
    private(set) var size = 0
    /// What the file would be without its history.
    private(set) var liveSize = 0
    /// Entries stored since a rewriting began; nil while there is none.
    private var behindRewrite: [UInt8]?
    private(set) var offsets: [String: [TopicPartition: CommittedOffset]] = [:]
    private(set) var groups: [String: GroupRecord] = [:]
    /// Bytes cut off at the start: an entry that was not whole.
    private(set) var bytesDropped = 0

    init(folder: String) throws(LogError) {
        path = folder + "/" + Self.fileName
        Files.remove(path + Self.rewriteSuffix)  // Left by a broker that died while it was rewriting.
        file = try LogFile(path: path, create: true)
        Files.makePrivate(path)
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
            let before = offsets[group, default: [:]].updateValue(committed, forKey: partition)
            liveSize += Self.size(group, partition, committed) - (before.map { Self.size(group, partition, $0) } ?? 0)
        case .forgetOffset:
            let partition = try Self.partition(&reader)
            if let before = offsets[group]?.removeValue(forKey: partition) {
                liveSize -= Self.size(group, partition, before)
            }
        case .group:
            var record = GroupRecord(generation: try reader.read())
            record.changedMillis = try reader.read()
            try reader.string(&record.protocolType)
            let before = groups.updateValue(record, forKey: group)
            liveSize += Self.size(group, record) - (before.map { Self.size(group, $0) } ?? 0)
        case .forgetGroup:
            for (partition, before) in offsets.removeValue(forKey: group) ?? [:] {
                liveSize -= Self.size(group, partition, before)
            }
            if let before = groups.removeValue(forKey: group) { liveSize -= Self.size(group, before) }
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

    /// Bytes of the entries in the file, with their frames.
    private static func size(_ group: String, _ partition: TopicPartition, _ committed: CommittedOffset) -> Int {
        39 + group.utf8.count + partition.topic.utf8.count + committed.metadata.utf8.count
    }

    private static func size(_ group: String, _ record: GroupRecord) -> Int {
        25 + group.utf8.count + record.protocolType.utf8.count
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
        behindRewrite?.append(contentsOf: bytes)
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

    private static let rewriteSuffix = ".new"

    /// Writes what is live into a file of its own; on any thread.
    struct RewriteJob: Sendable {
        fileprivate let path: String
        fileprivate let offsets: [String: [TopicPartition: CommittedOffset]]
        fileprivate let groups: [String: GroupRecord]
        fileprivate let size: Int

        func run() throws(LogError) {
            let live = OffsetStore.encoded(groups, offsets)
            let file = try LogFile(path: path, create: true)
            try file.truncate(to: 0)
            try file.write(live[...], at: 0)
            try file.synchronize()
        }
    }

    /// What the file would hold without its history.
    var rewritten: [UInt8] { Self.encoded(groups, offsets) }

    private static func encoded(
        _ groups: [String: GroupRecord], _ offsets: [String: [TopicPartition: CommittedOffset]]
    ) -> [UInt8] {
        framed(
            groups.map { groupEntry($0.key, $0.value) }
                + offsets.flatMap { group, positions in positions.map { commitEntry(group, $0.key, $0.value) } })
    }

    /// The job that rewrites the file without history, when that is most of it.
    mutating func beginRewrite() -> RewriteJob? {
        guard size >= Self.smallestRewrite, size > 4 * liveSize, behindRewrite == nil else { return nil }
        behindRewrite = []
        return RewriteJob(path: path + Self.rewriteSuffix, offsets: offsets, groups: groups, size: liveSize)
    }

    /// Puts what was stored meanwhile behind what the job wrote, and the new file in the old one's place. When that is not
    /// possible the old file stays in use.
    mutating func endRewrite(_ job: RewriteJob, isWritten: Bool) {
        let rest = behindRewrite ?? []
        behindRewrite = nil
        do {
            guard isWritten else { return Files.remove(job.path) }
            let rewritten = try LogFile(path: job.path, create: false)
            try rewritten.write(rest[...], at: job.size)
            try Files.move(job.path, to: path)
            file = rewritten
            size = job.size + rest.count
        } catch { Files.remove(job.path) }
    }

    /// For synchronising on another thread.
    var currentFile: LogFile { file }
}
