import Foundation
import KafkaClient
import TestSupport
import Testing

/// What librdkafka sees: the same on the embedded broker and, with NEEDLETAIL_TEST_BROKER=apache, on Apache Kafka.
@Suite(.enabled(if: KafkaServer.isAvailable, "no broker to start"), .serialized, .timeLimit(.minutes(5)))
struct LibrdkafkaTests {
    static func fresh(_ name: String) -> String { "\(name)-\(UUID().uuidString.prefix(8))" }

    static func make(_ servers: String, partitions: Int = 1, _ configuration: [String: String] = [:]) throws -> String {
        let topic = fresh("t")
        let admin = try KafkaAdmin(bootstrapServers: servers)
        _ = try admin.createTopics(
            [KafkaTopicDefinition(topic, partitions: partitions, configuration: configuration)])
        return topic
    }

    static func producer(_ servers: String, _ more: [String: String] = [:]) throws -> KafkaProducer {
        var configuration = KafkaProducerConfiguration(bootstrapServers: servers)
        configuration.more = more
        return try KafkaProducer(configuration)
    }

    /// Sends values and waits; the offsets in the order sent.
    static func send(
        _ values: [[UInt8]], to topic: String, with producer: KafkaProducer, timestamps: [Int64]? = nil
    ) throws -> [Int64] {
        let handle = try producer.topic(topic)
        for (index, value) in values.enumerated() {
            _ = try producer.send(
                topic: handle, partition: 0, key: nil, value: value.span,
                timestampMillis: timestamps?[index] ?? Int64(Date().timeIntervalSince1970 * 1_000),
                token: UInt64(index + 1))
        }
        guard producer.flush(timeoutMillis: 30_000) else { throw TestServerError("records are left in the queue") }
        var offsets = [Int64](repeating: -1, count: values.count)
        for delivery in producer.deliveries() {
            if let error = delivery.error { throw error }
            offsets[Int(delivery.token) - 1] = delivery.offset
        }
        return offsets
    }

    static func read(
        _ topic: String, _ servers: String, count: Int, from offset: Int64 = 0, _ more: [String: String] = [:]
    ) throws -> [(offset: Int64, value: [UInt8])] {
        var configuration = KafkaConsumerConfiguration(bootstrapServers: servers, group: fresh("g"))
        configuration.more = more
        let consumer = try KafkaConsumer(configuration)
        defer { consumer.close() }
        try consumer.assign(KafkaPartition(topic, 0), offset: offset)
        var found: [(offset: Int64, value: [UInt8])] = []
        _ = try TestEnvironment.waits(seconds: 20) {
            let batch = try consumer.nextBatch(max: 1_000, timeoutMillis: 100)
            for index in 0..<batch.count { found.append((batch.offset(at: index), batch.value(at: index))) }
            return found.count >= count
        }
        return found
    }

    @Test(arguments: ["none", "gzip", "snappy", "lz4", "zstd"])
    func `records come back as they were sent, whatever compresses them`(codec: String) throws {
        let servers = try TestServers.kafka().bootstrapServers
        let topic = try Self.make(servers)
        let values = (0..<500).map { Array("value \($0) \(String(repeating: "x", count: 50))".utf8) }
        let offsets = try Self.send(
            values, to: topic, with: Self.producer(servers, ["compression.type": codec, "linger.ms": "50"]))
        #expect(offsets == Array(0..<500))
        #expect(try Self.read(topic, servers, count: 500).map(\.value) == values)
        #expect(try Self.read(topic, servers, count: 123, from: 377).map(\.offset) == Array(377..<500))
    }

    @Test func `a record above the fetch limit and those behind it all arrive`() throws {
        let servers = try TestServers.kafka().bootstrapServers
        let topic = try Self.make(servers)
        let values = [[UInt8](repeating: 7, count: 900_000)] + (0..<10).map { [UInt8($0)] }
        _ = try Self.send(values, to: topic, with: Self.producer(servers))
        let limits = ["fetch.message.max.bytes": "1000", "max.partition.fetch.bytes": "1000"]
        #expect(try Self.read(topic, servers, count: 11, limits).map(\.value) == values)
    }

    @Test(arguments: ["none", "gzip", "snappy", "lz4", "zstd"])
    func `a lookup by time finds the first record, with times that go backwards and in a compressed batch`(
        codec: String
    ) throws {
        let servers = try TestServers.kafka().bootstrapServers
        let topic = try Self.make(servers)
        let producer = try Self.producer(servers, ["compression.type": codec, "linger.ms": "100"])
        let base: Int64 = 1_600_000_000_000
        // Large values, so that a compressed batch is kept compressed by every client.
        let value = [UInt8](repeating: 7, count: 2_000)
        _ = try Self.send(
            [value, value, value], to: topic, with: producer, timestamps: [100, 300, 200].map { base + $0 })
        _ = try Self.send([value], to: topic, with: producer, timestamps: [base + 150])
        let admin = try KafkaAdmin(bootstrapServers: servers)
        let partition = KafkaPartition(topic, 0)
        let found = try [Int64(50), 150, 250, 301].map { time in
            try admin.offsetsForTimes([partition: base + time])[partition] ?? -1
        }
        #expect(found == [0, 1, 1, -1])
    }

    @Test func `an idempotent producer goes on after its records were deleted and the broker was killed`() throws {
        let server = try KafkaServer()
        try server.start()
        defer { server.stop() }
        let servers = server.bootstrapServers
        let topic = try Self.make(servers)
        let producer = try Self.producer(servers, ["reconnect.backoff.max.ms": "200"])
        let values = (0..<100).map { [UInt8($0)] }
        #expect(try Self.send(values, to: topic, with: producer) == Array(0..<100))
        let admin = try KafkaAdmin(bootstrapServers: servers)
        _ = try admin.deleteRecords(before: [KafkaPartition(topic, 0): 100])
        server.kill()
        try server.start()
        #expect(try Self.send(values, to: topic, with: producer) == Array(100..<200))
        #expect(producer.fatalError == nil)
        // Apache Kafka writes the log's start down once a minute only, and forgets it with a kill.
        if TestEnvironment.variable("NEEDLETAIL_TEST_BROKER") != "apache" {
            #expect(try admin.watermarks(of: KafkaPartition(topic, 0)).low == 100)
        }
    }

    @Test func `a topic made again is empty, and its group begins anew`() throws {
        let servers = try TestServers.kafka().bootstrapServers
        let topic = try Self.make(servers)
        let admin = try KafkaAdmin(bootstrapServers: servers)
        let partition = KafkaPartition(topic, 0)
        _ = try Self.send((0..<10).map { [$0] }, to: topic, with: Self.producer(servers))
        let group = Self.fresh("g")
        let consumer = try KafkaConsumer(KafkaConsumerConfiguration(bootstrapServers: servers, group: group))
        try consumer.commitAndWait([partition: 10])
        #expect(try admin.committedOffsets(group: group)[partition] == 10)
        consumer.close()
        _ = try admin.deleteTopics([topic])
        let isMade = try TestEnvironment.waits(seconds: 20) {
            // Apache Kafka takes a moment to let go of the name.
            _ = try? admin.createTopics([KafkaTopicDefinition(topic, partitions: 1)])
            return try admin.watermarks(of: partition).high == 0
        }
        #expect(isMade)
        #expect(try Self.send((0..<5).map { [$0] }, to: topic, with: Self.producer(servers)) == Array(0..<5))
        let position = try admin.committedOffsets(group: group)[partition]
        #expect(position == nil || position == -1)
    }

    @Test func `two members share a group's partitions, and one takes over from the other`() throws {
        let servers = try TestServers.kafka().bootstrapServers
        let topic = try Self.make(servers, partitions: 4)
        let group = Self.fresh("g")
        func member() throws -> KafkaConsumer {
            let consumer = try KafkaConsumer(KafkaConsumerConfiguration(bootstrapServers: servers, group: group))
            try consumer.subscribe(topics: [topic])
            return consumer
        }
        func turn(_ consumers: [KafkaConsumer]) throws {
            for consumer in consumers {
                for event in try consumer.nextBatch(max: 100, timeoutMillis: 50).events {
                    guard case .assigned(let partitions) = event else { continue }
                    for partition in partitions { try consumer.assign(partition, offset: 0) }
                }
            }
        }
        let (one, two) = (try member(), try member())
        let isShared = try TestEnvironment.waits(seconds: 30) {
            try turn([one, two])
            return one.assignment.count == 2 && two.assignment.count == 2
        }
        #expect(isShared)
        #expect(one.assignment.isDisjoint(with: two.assignment))
        one.close()
        let isTaken = try TestEnvironment.waits(seconds: 30) {
            try turn([two])
            return two.assignment.count == 4
        }
        #expect(isTaken)
        two.close()
    }

    @Test func `a full disk is an error to the producer and never an acknowledgement`() throws {
        guard let needletail = TestEnvironment.needletail, TestEnvironment.variable("NEEDLETAIL_TEST_BROKER") == nil
        else { return }
        let folder = try TestEnvironment.temporaryFolder("full")
        let port = try TestEnvironment.freePort()
        // No file may grow past 400 KiB: to a broker this is a disk that is full.
        let broker = try TestProcess(
            [
                "bash", "-c", "ulimit -S -f 400; exec \"$0\" \"$@\"", needletail, "broker", "--data", folder + "/data",
                "--port", "\(port)",
            ],
            logPath: folder + "/log")
        defer { broker.killNow() }
        #expect(TestEnvironment.waits(seconds: 20) { TestEnvironment.accepts(port: port) })
        let servers = "127.0.0.1:\(port)"
        let topic = try Self.make(servers)
        let producer = try Self.producer(servers, ["enable.idempotence": "false", "retries": "0", "linger.ms": "0"])
        let handle = try producer.topic(topic)
        let value = [UInt8](repeating: 7, count: 10_000)
        for token in UInt64(1)...100 {
            _ = try producer.send(
                topic: handle, partition: 0, key: nil, value: value.span, timestampMillis: 1, token: token)
            _ = producer.flush(timeoutMillis: 10_000)
        }
        let deliveries = producer.deliveries()
        let acknowledged = deliveries.filter(\.isAcknowledged)
        #expect(deliveries.count == 100)
        #expect(acknowledged.count > 20 && acknowledged.count < 50)
        #expect(deliveries.filter { !$0.isAcknowledged }.allSatisfy { $0.errorCode == 56 }, "KAFKA_STORAGE_ERROR")
        #expect(
            try Self.read(topic, servers, count: acknowledged.count).map(\.offset)
                == acknowledged.map(\.offset).sorted())
        // Room again: the partition goes on where it was.
        let grown = try TestCommand.run(["/usr/bin/prlimit", "--pid", "\(broker.pid)", "--fsize=unlimited:"])
        try #require(grown.exitCode == 0, "\(grown.output)")
        #expect(try Self.send([value], to: topic, with: Self.producer(servers)) == [Int64(acknowledged.count)])
    }

    @Test func `a folder that cannot be written to is said so`() throws {
        guard let needletail = TestEnvironment.needletail else { return }
        let folder = try TestEnvironment.temporaryFolder("file")
        try Data("not a folder".utf8).write(to: URL(fileURLWithPath: folder + "/data"))
        let done = try TestCommand.run([needletail, "broker", "--data", folder + "/data", "--port", "0"], seconds: 20)
        #expect(done.exitCode == 74)
        #expect(done.output.contains(folder + "/data"))
    }
}
