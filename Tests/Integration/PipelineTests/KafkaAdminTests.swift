import Foundation
import KafkaClient
import TestSupport
import Testing

@Suite(.enabled(if: KafkaServer.isAvailable, "\(KafkaServer.absence)"), .timeLimit(.minutes(2)))
struct KafkaAdminTests {
    private let servers: String
    private let admin: KafkaAdmin
    private let topic = "admin-\(UUID().uuidString.prefix(8).lowercased())"

    init() throws {
        servers = try TestServers.kafka().bootstrapServers
        admin = try KafkaAdmin(bootstrapServers: servers)
        try admin.createTopics([KafkaTopicDefinition(topic, partitions: 3)])
    }

    /// Sends records with these times to partition 0.
    private func send(_ times: [Int64]) throws {
        let producer = try KafkaProducer(KafkaProducerConfiguration(bootstrapServers: servers))
        for (index, time) in times.enumerated() {
            _ = try producer.send(
                topic: topic, partition: 0, key: nil, value: [1], timestampMillis: time, token: UInt64(index))
        }
        #expect(producer.close(timeoutMillis: 20_000) == 0)
        #expect(producer.deliveries().filter(\.isAcknowledged).count == times.count)
    }

    @Test func `making a topic again leaves it as it is`() throws {
        let again = try admin.createTopics([KafkaTopicDefinition(topic, partitions: 9)])
        #expect(again.isEmpty)
        #expect(try admin.partitionCount(topic: topic) == 3)
        let other = topic + "-other"
        #expect(try admin.partitionCount(topic: other) == nil)
        let made = try admin.createTopics(
            [
                KafkaTopicDefinition(topic, partitions: 1),
                KafkaTopicDefinition(other, partitions: 2, configuration: ["retention.ms": "3600000"]),
            ])
        #expect(made == [other])
        #expect(try admin.topics()[other] == 2)
    }

    @Test func `deleting a topic twice is fine`() throws {
        #expect(try admin.deleteTopics([topic]) == [topic])
        #expect(
            TestEnvironment.waits(seconds: 20) {
                (try? admin.partitionCount(topic: topic)) == .some(nil)
            })
        #expect(try admin.deleteTopics([topic]) == [])
    }

    @Test func `a name no broker takes is refused with the name`() {
        do throws(KafkaError) {
            try admin.createTopics([KafkaTopicDefinition("no spaces", partitions: 1)])
            Issue.record("the broker took it")
        } catch {
            guard case .refused(_, let reason) = error else {
                Issue.record("not sorted as refused: \(error)")
                return
            }
            #expect(reason.contains("no spaces"))
        }
    }

    @Test func `watermarks and offsets by time are those of the log`() throws {
        let now = Int64(Date().timeIntervalSince1970 * 1_000)
        try send([now - 3_000, now - 2_000, now - 1_000])
        let partition = KafkaPartition(topic, 0)
        #expect(try admin.watermarks(of: partition) == KafkaWatermarks(low: 0, high: 3))
        #expect(
            try admin.watermarks(of: KafkaPartition(topic, 2))
                == KafkaWatermarks(low: 0, high: 0))
        #expect(try admin.offsetsForTimes([partition: now + 60_000]) == [partition: -1])
        #expect(try admin.offsetsForTimes([partition: now - 3_000]) == [partition: 0])
    }

    @Test func `offsets a group committed are listed`() throws {
        try send([1, 2, 3].map { Int64(Date().timeIntervalSince1970 * 1_000) + $0 })
        let group = topic + "-group"
        let partition = KafkaPartition(topic, 0)
        let consumer = try KafkaConsumer(KafkaConsumerConfiguration(bootstrapServers: servers, group: group))
        try consumer.assign(partition, offset: 0)
        try consumer.commitAndWait([partition: 2])
        consumer.close()
        #expect(try admin.committedOffsets(group: group) == [partition: 2])
        #expect(try admin.committedOffsets(group: topic + "-nobody").isEmpty)
    }
}
