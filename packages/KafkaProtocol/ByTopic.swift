/// A topic and one entry for each of some of its partitions: the shape of most requests and answers about records.
public struct ByTopic<Partition: KafkaMessage>: KafkaMessage {
    /// The topic.
    public var name = "", partitions: [Partition] = []

    public init() {}

    /// Entries of one topic.
    public init(_ name: String, _ partitions: [Partition]) {
        self.name = name
        self.partitions = partitions
    }

    public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
        try coder.string(&name)
        try coder.array(&partitions, version: version)
        try coder.tags()
    }
}

/// What says something about one partition.
public protocol PartitionEntry: KafkaMessage {
    /// The partition's number.
    var index: Int32 { get }
}

/// A partition's number alone.
public struct PartitionIndex: PartitionEntry {
    /// The partition's number.
    public var index: Int32 = 0

    /// Partition 0.
    public init() {}

    /// A partition.
    public init(_ index: Int32) { self.index = index }

    public mutating func code<C: MessageCoder>(_ coder: inout C, version: Int16) throws(ProtocolError) {
        try coder.integer(&index)
    }
}

extension Array {
    /// An answer for each partition, in the order of the questions.
    public func answered<Question, Answer>(
        _ answer: (_ topic: String, _ question: Question) -> Answer
    ) -> [ByTopic<Answer>] where Element == ByTopic<Question> {
        map { topic in ByTopic<Answer>(topic.name, topic.partitions.map { answer(topic.name, $0) }) }
    }

    /// The same with each topic and each partition once, in the order they first came; of an entry that comes again the
    /// last one counts. What a request repeats costs the broker nothing.
    public func merged<Entry: PartitionEntry>() -> [ByTopic<Entry>] where Element == ByTopic<Entry> {
        var result: [ByTopic<Entry>] = []
        var topics: [String: Int] = [:]
        var partitions: [[Int32: Int]] = []
        for topic in self {
            let place = topics[topic.name] ?? result.count
            if place == result.count {
                topics[topic.name] = place
                result.append(ByTopic(topic.name, []))
                partitions.append([:])
            }
            for entry in topic.partitions {
                if let known = partitions[place][entry.index] {
                    result[place].partitions[known] = entry
                } else {
                    partitions[place][entry.index] = result[place].partitions.count
                    result[place].partitions.append(entry)
                }
            }
        }
        return result
    }
}

extension Sequence where Element: Hashable {
    /// Each element once, in the order they first came.
    public func distinct() -> [Element] {
        var known: Set<Element> = []
        return filter { known.insert($0).inserted }
    }
}
