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
    }

    let folder: String
    private(set) var topics: [String: Topic] = [:]

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
            guard let id = TopicID(text: entry.id) else {
                throw BrokerError.dataFolder(path: path, reason: "holds a topic id that is none: \(entry.id)")
            }
            let topic = Topic(name: entry.name, id: id, config: TopicConfig(overrides: entry.configs))
            for (partition, epoch) in entry.leaderEpochs.enumerated() {
                let place = Self.place(folder, entry.name, partition)
                let existed = Files.exists(place + "/" + Checkpoint.fileName)
                let outcome = try LogRecovery.open(
                    folder: place, topic: id, partition: Int32(partition), leaderEpoch: epoch,
                    limits: topic.config.limits,
                    nowMillis: nowMillis)
                topic.partitions.append(outcome.log)
                let isLost = outcome.lostRecords || !existed
                if isLost {
                    outcome.log.leaderEpoch += 1
                    isChanged = true
                }
                if isLost || outcome.bytesDropped > 0 || outcome.damage != nil {
                    found(
                        Finding(
                            folder: place, bytesDropped: outcome.bytesDropped, lostRecords: isLost,
                            damage: outcome.damage))
                }
            }
            topics[entry.name] = topic
        }
        if isChanged { try save() }
    }

    private static func place(_ folder: String, _ name: String, _ partition: Int) -> String {
        "\(folder)/\(name)-\(partition)"
    }

    private func save() throws {
        let stored = topics.values.sorted { $0.name < $1.name }.map { topic in
            Stored(
                name: topic.name, id: topic.id.text, leaderEpochs: topic.partitions.map(\.leaderEpoch),
                configs: topic.config.overrides)
        }
        try Files.replace(folder + "/" + Self.fileName, with: Array(try JSONFiles.encode(stored)))
    }

    /// Makes a topic: folders first, then its line in the catalog. The name is good and free.
    mutating func create(
        _ name: String, id: TopicID, partitionCount: Int, config: TopicConfig, nowMillis: Int64
    ) throws -> Topic {
        let topic = Topic(name: name, id: id, config: config)
        try grow(topic, to: partitionCount, nowMillis: nowMillis)
        topics[name] = topic
        do {
            try save()
        } catch {
            topics[name] = nil
            throw error
        }
        return topic
    }

    private func grow(_ topic: Topic, to count: Int, nowMillis: Int64) throws {
        for partition in topic.partitions.count..<count {
            let place = Self.place(folder, topic.name, partition)
            // Left behind by a topic that was deleted, or half made, just before a crash.
            if Files.exists(place) { try Files.move(place, to: "\(place).\(topic.id.text)\(Self.deletedSuffix)") }
            topic.partitions.append(
                try LogRecovery.open(
                    folder: place, topic: topic.id, partition: Int32(partition), leaderEpoch: 0,
                    limits: topic.config.limits, nowMillis: nowMillis
                ).log)
        }
    }

    /// Gives a topic more partitions.
    func addPartitions(_ topic: Topic, to count: Int, nowMillis: Int64) throws {
        let before = topic.partitions.count
        do {
            try grow(topic, to: count, nowMillis: nowMillis)
            try save()
        } catch {
            topic.partitions.removeLast(topic.partitions.count - before)
            throw error
        }
    }

    func setConfig(_ topic: Topic, _ config: TopicConfig) throws {
        let before = topic.config
        topic.config = config
        do {
            try save()
        } catch {
            topic.config = before
            throw error
        }
    }

    /// Takes a topic out of the catalog and its folders out of the way; `removeDeleted` gives the space back.
    mutating func delete(_ name: String) throws {
        guard let topic = topics.removeValue(forKey: name) else { return }
        do {
            try save()
        } catch {
            topics[name] = topic
            throw error
        }
        for log in topic.partitions {
            try? Files.move(log.folder, to: "\(log.folder).\(topic.id.text)\(Self.deletedSuffix)")
        }
    }

    /// Removes what deleted topics left; on any thread.
    static func removeDeleted(folder: String) {
        for name in (try? Files.list(folder)) ?? [] where name.hasSuffix(deletedSuffix) {
            Files.removeFolder(folder + "/" + name)
        }
    }
}
