public import KafkaClient
import Pipeline
public import ServiceRuntime

extension SettingProtocol where Self == Setting<Int> {
    /// Partitions of topics that a command makes.
    public static var topicPartitions: Setting<Int> {
        Setting(
            "partitions", default: 4, in: 1...1_000, help: "Partitions of topics that are made.",
            environment: "TOPIC_PARTITIONS")
    }
    /// How long topics that a command makes keep records.
    public static var topicRetentionDays: Setting<Int> {
        Setting(
            "retention-days", default: 30, in: 1...3_650, help: "How long topics that are made keep records.",
            environment: "TOPIC_RETENTION_DAYS")
    }
}

/// How the topics of a pipeline are made, whichever command comes first.
public enum TopicProvisioning {
    /// The largest batch of an ordinary topic, bytes: Kafka's own default, said so that it is the same on every broker.
    static let messageBytes = 1_048_588
    /// That of a dead-letter topic. A dead letter is its record and a reason: where the record fitted it must fit too.
    static let deadLetterBytes = 4_194_304

    /// The topics of these names and those of their dead letters.
    public static func definitions(_ consumed: [String], partitions: Int, retentionDays: Int) -> [KafkaTopicDefinition]
    {
        func definition(_ name: String, _ bytes: Int) -> KafkaTopicDefinition {
            KafkaTopicDefinition(
                name, partitions: partitions,
                configuration: [
                    "retention.ms": "\(Int64(retentionDays) * 86_400_000)", "max.message.bytes": "\(bytes)",
                ])
        }
        return Set(consumed).sorted().flatMap {
            [definition($0, messageBytes), definition(PipelineTopics.deadLetters(of: $0), deadLetterBytes)]
        }
    }

    /// Makes what is missing; what is there stays as it is. Returns the names that were made. Waits for an answer of the broker.
    @discardableResult public static func ensure(
        _ consumed: [String], partitions: Int, retentionDays: Int, on admin: KafkaAdmin
    ) throws -> [String] {
        let existing = try admin.topics(timeoutMillis: 10_000)
        let missing = definitions(consumed, partitions: partitions, retentionDays: retentionDays).filter {
            existing[$0.name] == nil
        }
        return missing.isEmpty ? [] : try admin.createTopics(missing, timeoutMillis: 10_000)
    }
}
