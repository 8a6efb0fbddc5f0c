import FeatureEngine
import FeatureStore
import KafkaClient
import Pipeline
import PostgresOfflineStore

/// What a `transform` process does, once its settings and definitions are read.
struct TransformPlan: Sendable {
    let repository: FeatureRepository
    let bootstrapServers: String
    let redisURL: String
    let databaseURL: String
    let group: String
    let processName: String
    let batchEvents: Int
    let lagBatchEvents: Int
    /// Of every consumed topic.
    var partitionCounts: [String: Int]

    /// The threads to run: several for events by each key, one for what is light. A stage whose topic is of several sources is one.
    func threads(eventThreads: Int) -> [(kind: StageKind, number: Int, topics: [String])] {
        let labels = Set(repository.sources.compactMap { $0.label?.topic }).sorted()
        var threads: [(kind: StageKind, number: Int, topics: [String])] = []
        for (kind, isRekeyed) in [(StageKind.events, false), (.rekeyed, true)] {
            let topics = Set(repository.feeds.filter { $0.isRekeyed == isRekeyed }.map(\.topic)).sorted()
            let partitions = topics.reduce(0) { $0 + (partitionCounts[$1] ?? 0) }
            guard !topics.isEmpty else { continue }
            threads += (0..<max(1, min(eventThreads, partitions))).map { (kind, $0, topics) }
        }
        if !labels.isEmpty { threads.append((.labels, 0, labels)) }
        threads.append((.predictions, 0, [PipelineTopics.predictions]))
        return threads
    }

    /// Every partition of some topics, in an order all processes agree on.
    func partitions(of topics: [String]) -> [KafkaPartition] {
        topics.sorted().flatMap { topic in
            (0..<(partitionCounts[topic] ?? 0)).map { KafkaPartition(topic, Int32($0)) }
        }
    }

    /// `askPartitionCount` asks Kafka for a topic's partitions.
    func stage(
        _ kind: StageKind, _ partition: KafkaPartition, _ metrics: TransformMetrics,
        askPartitionCount: @escaping () throws -> Int?
    ) throws -> any Stage {
        switch kind {
        case .labels: return TableStage<LabelRecord>(partition)
        case .predictions: return TableStage<PredictionRow>(partition)
        case .events, .rekeyed:
            guard let feed = repository.feeds.first(where: { $0.topic == partition.topic }),
                let count = partitionCounts[partition.topic]
            else {
                throw PipelineStop(topic: partition.topic, partition: partition.partition, "no source has this topic")
            }
            return EventStage(
                feed, repository: repository, partition: partition, partitionCount: count, metrics: metrics,
                askPartitionCount: askPartitionCount)
        }
    }
}
