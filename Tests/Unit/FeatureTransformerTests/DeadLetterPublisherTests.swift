import KafkaClient
import Observability
import Pipeline
import StreamRecovery
import Testing

@testable import FeatureTransformer

@Suite struct DeadLetterPublisherTests {
    private func letter(_ topic: String, bytes: Int = 3, timestamp: Int64 = 1) -> DeadLetterRecord {
        DeadLetterRecord(
            position: LogPosition(topic: topic, partition: 0, offset: 7), reason: "why", key: nil,
            value: Array(repeating: 65, count: bytes), timestampMillis: timestamp)
    }

    @Test func `a letter that no topic takes is kept, and the next one goes on`() throws {
        let publisher = DeadLetterPublisher(
            bootstrapServers: "", more: ["test.mock.num.brokers": "1"], log: Log(level: .error) { _ in })
        defer { publisher.close() }
        try publisher.send(letter("t", bytes: 4_000_001))
        try publisher.flush()
        #expect(publisher.kept == 1)
        for timestamp in [Int64.min, -1, .max] { try publisher.send(letter("t", timestamp: timestamp)) }
        try publisher.flush()
        #expect(publisher.kept == 1)
    }
}
