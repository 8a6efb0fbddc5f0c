import FoundationEssentials
import KafkaProtocol

/// A topic and its partitions' logs. One owner: the broker's loop.
final class Topic {
    let name: String
    let id: TopicID
    var config: TopicConfig {
        didSet { for log in partitions { log.limits = config.limits } }
    }
    var partitions: [PartitionLog] = []

    init(name: String, id: TopicID, config: TopicConfig) {
        self.name = name
        self.id = id
        self.config = config
    }

    /// A partition's log; nil for a number that the topic does not have.
    func log(_ partition: Int32) -> PartitionLog? {
        partition >= 0 && Int(partition) < partitions.count ? partitions[Int(partition)] : nil
    }
}

/// Every topic, by name, and `topics.json`, which is written before anybody hears of a change.
struct TopicCatalog {
    static let fileName = "topics.json"
    /// A folder that left the catalog and waits to be removed.
    static let deletedSuffix = ".deleted"

    private struct Stored: Codable {
        var name: String
        var id: String
        /// One number a partition: it grows when records that had been stored are gone.
        var leaderEpochs: [Int32]
        var configs: [String: String]
        /// Whether the entry only remembers the leader epoch at which a topic of this name would begin.
        var isDeleted: Bool?
    }

    /// Most names of deleted topics remembered.
    static let maxRetired = 10_000

    let folder: String
    private(set) var topics: [String: Topic] = [:]
    /// Partitions of all topics.
    private(set) var partitionCount = 0
    /// Topics by what their names have in common with those that would collide.
    private var families: [String: String] = [:]
    /// At which leader epoch a topic begins whose name was another's before.
    private var retiredEpochs: [String: Int32] = [:]
    /// What was there at the last `save`, when something has changed since.
    private var before:
        (
            topics: [String: Topic], families: [String: String], retired: [String: Int32], partitionCount: Int
        )?
    private var changed: [(topic: Topic, config: TopicConfig, partitionCount: Int)] = []
    private var deleted: [Topic] = []

    /// The topic whose name differs from `name` in dots and underscores only.
    func collision(with name: String) -> String? {
        families[TopicName.family(name)].flatMap { $0 == name ? nil : $0 }
    }

    /// What was noticed while opening, for the log.
    struct Finding: Equatable {
        var folder: String
        var bytesDropped: Int
        var lostRecords: Bool
        var damage: LogError?
    }

    /// Opens every log of the folder.
    init(folder: String, nowMillis: Int64, found: (Finding) -> Void) throws {
        self.folder = folder
        let path = folder + "/" + Self.fileName
        guard let bytes = try Files.contents(path) else { return }
        let stored: [Stored]
        do {
            stored = try JSONDecoder().decode([Stored].self, from: Data(bytes))
        } catch {
            throw BrokerError.dataFolder(path: path, reason: "is not readable as JSON")
        }
        var isChanged = false
        for entry in stored {
            if entry.isDeleted == true {
                retiredEpochs[entry.name] = entry.leaderEpochs.first
                continue
            }
            guard let id = TopicID(text: entry.id) else {
                throw BrokerError.dataFolder(path: path, reason: "holds a topic id that is none: \(entry.id)")
            }
            let topic = Topic(name: entry.name, id: id, config: TopicConfig(overrides: entry.configs))
            for (partition, epoch) in entry.leaderEpochs.enumerated() {
                let place = Self.place(folder, entry.name, partition)
                let existed = Files.exists(place)
                let outcome = try LogRecovery.open(
                    folder: place, topic: id, partition: Int32(partition), leaderEpoch: epoch,
                    limits: topic.config.limits,
                    nowMillis: nowMillis)
                topic.partitions.append(outcome.log)
                let isLost = outcome.lostRecords || !existed
                if isLost {
                    outcome.log.leaderEpoch = Self.epoch(behind: epoch)
                    isChanged = true
                }
                if isLost || outcome.bytesDropped > 0 || outcome.damage != nil {
                    found(
                        Finding(
                            folder: place, bytesDropped: outcome.bytesDropped, lostRecords: isLost,
                            damage: outcome.damage))
                }
            }
            add(topic)
        }
        if isChanged { try write() }
    }

    private static func place(_ folder: String, _ name: String, _ partition: Int) -> String {
        "\(folder)/\(name)-\(partition)"
    }

    // MARK: Changes, which `save` makes durable together

    /// Makes a topic: folders now, its line in the catalog with `save`. The name is good and free.
    mutating func create(
        _ name: String, id: TopicID, partitionCount: Int, config: TopicConfig, nowMillis: Int64
    ) throws(LogError) -> Topic {
        let topic = Topic(name: name, id: id, config: config)
        // Readers of an earlier topic of this name have to notice that their positions are another log's.
        try grow(topic, to: partitionCount, leaderEpoch: retiredEpochs[name] ?? 0, nowMillis: nowMillis)
        noteBefore()
        add(topic)
        retiredEpochs[name] = nil
        return topic
    }

    private mutating func add(_ topic: Topic) {
        topics[topic.name] = topic
        families[TopicName.family(topic.name)] = topic.name
        partitionCount += topic.partitions.count
    }

    private func grow(_ topic: Topic, to count: Int, leaderEpoch: Int32, nowMillis: Int64) throws(LogError) {
        for partition in topic.partitions.count..<max(count, topic.partitions.count) {
            let place = Self.place(folder, topic.name, partition)
            // Left behind by a topic that was deleted, or half made, just before a crash.
            if Files.exists(place) { try Files.move(place, to: "\(place).\(topic.id.text)\(Self.deletedSuffix)") }
            topic.partitions.append(
                try LogRecovery.open(
                    folder: place, topic: topic.id, partition: Int32(partition), leaderEpoch: leaderEpoch,
                    limits: topic.config.limits, nowMillis: nowMillis
                ).log)
        }
    }

    /// Gives a topic more partitions.
    mutating func addPartitions(_ topic: Topic, to count: Int, nowMillis: Int64) throws(LogError) {
        let present = topic.partitions.count
        let epoch = topic.partitions.map(\.leaderEpoch).max() ?? 0
        do throws(LogError) {
            try grow(topic, to: count, leaderEpoch: epoch, nowMillis: nowMillis)
        } catch {
            topic.partitions.removeLast(topic.partitions.count - present)
            throw error
        }
        noteBefore()
        changed.append((topic, topic.config, present))
        partitionCount += topic.partitions.count - present
    }

    mutating func setConfig(_ topic: Topic, _ config: TopicConfig) {
        noteBefore()
        changed.append((topic, topic.config, topic.partitions.count))
        topic.config = config
    }

    /// Takes a topic out of the catalog; `save` takes its folders out of the way, and `removeDeleted` gives the space back.
    mutating func delete(_ name: String) {
        guard let topic = topics[name] else { return }
        noteBefore()
        topics[name] = nil
        families[TopicName.family(name)] = nil
        partitionCount -= topic.partitions.count
        deleted.append(topic)
        if retiredEpochs.count >= Self.maxRetired, let any = retiredEpochs.keys.first { retiredEpochs[any] = nil }
        retiredEpochs[name] = Self.epoch(behind: topic.partitions.map(\.leaderEpoch).max() ?? 0)
    }

    private mutating func noteBefore() {
        if before == nil { before = (topics, families, retiredEpochs, partitionCount) }
    }

    /// Writes `topics.json` if something changed since the last time. When that fails, nothing has changed.
    mutating func save() throws {
        guard let before else { return }
        defer {
            self.before = nil
            changed = []
            deleted = []
        }
        do {
            try write()
        } catch {
            (topics, families, retiredEpochs, partitionCount) = before
            for (topic, config, count) in changed.reversed() {
                topic.config = config
                topic.partitions.removeLast(max(0, topic.partitions.count - count))
            }
            throw error
        }
        for topic in deleted {
            for log in topic.partitions {
                log.access.end()
                try? Files.move(log.folder, to: "\(log.folder).\(topic.id.text)\(Self.deletedSuffix)")
            }
        }
    }

    private func write() throws {
        let stored =
            topics.values.map { topic in
                Stored(
                    name: topic.name, id: topic.id.text, leaderEpochs: topic.partitions.map(\.leaderEpoch),
                    configs: topic.config.overrides)
            }
            + retiredEpochs.map { name, epoch in
                Stored(name: name, id: "", leaderEpochs: [epoch], configs: [:], isDeleted: true)
            }
        let sorted = stored.sorted { $0.name < $1.name }
        try Files.replace(folder + "/" + Self.fileName, with: Array(try JSONFiles.encode(sorted)))
    }

    /// The next leader epoch.
    private static func epoch(behind epoch: Int32) -> Int32 { epoch < .max ? epoch + 1 : epoch }

    /// Removes what deleted topics left; on any thread.
    static func removeDeleted(folder: String) {
        for name in (try? Files.list(folder)) ?? [] where name.hasSuffix(deletedSuffix) {
            Files.removeFolder(folder + "/" + name)
        }
    }
}
