import KafkaClient
import Testing

/// A producer with a cluster inside it, and a topic.
struct MockKafka {
    let producer: KafkaProducer
    let cluster: MockKafkaCluster

    init(topic: String, partitions: Int32 = 2, change: (inout KafkaProducerConfiguration) -> Void = { _ in }) throws {
        (producer, cluster) = try MockKafkaCluster.start(change)
        try cluster.createTopic(topic, partitions: partitions)
    }

    /// Sends `count` records, the token and value being the number, to alternating partitions.
    func send(_ numbers: Range<Int>, topic: String, partitions: Int = 2) throws {
        for number in numbers {
            let result = try producer.send(
                topic: topic, partition: Int32(number % partitions), key: Array("k\(number)".utf8),
                value: Array("\(number)".utf8), timestampMillis: 1_700_000_000_000 + Int64(number),
                token: UInt64(number))
            #expect(result == .queued)
        }
    }

    func consumer(group: String = "test", change: (inout KafkaConsumerConfiguration) -> Void = { _ in }) throws
        -> KafkaConsumer
    {
        var configuration = KafkaConsumerConfiguration(bootstrapServers: cluster.bootstrapServers, group: group)
        configuration.reportsEndOfPartition = true
        change(&configuration)
        return try KafkaConsumer(configuration)
    }
}

/// Polls until `isDone`, two hundred times at most. A poll returns with what comes, or with nothing after 100 ms.
func poll(_ consumer: KafkaConsumer, max: Int = 1_000, until isDone: (KafkaBatch) throws -> Bool) throws {
    for _ in 0..<200 where try isDone(try consumer.nextBatch(max: max, timeoutMillis: 100)) { return }
    Issue.record("what was waited for did not come in two hundred polls")
}

@Suite struct KafkaProducerTests {
    @Test func `every record is reported once, with its token, partition and offset`() throws {
        let kafka = try MockKafka(topic: "events")
        try kafka.send(1..<501, topic: "events")
        #expect(kafka.producer.flush(timeoutMillis: 20_000))
        let deliveries = kafka.producer.deliveries()
        #expect(deliveries.allSatisfy { $0.isAcknowledged && $0.error == nil })
        #expect(Set(deliveries.map(\.token)) == Set(1...500))
        #expect(deliveries.filter { $0.partition == 1 }.map(\.offset) == Array(0..<250))
        #expect(kafka.producer.deliveries().isEmpty)
    }

    @Test func `a full queue says so and takes records again after acknowledgements`() throws {
        let kafka = try MockKafka(topic: "events") { $0.queueRecords = 10 }
        try kafka.send(0..<10, topic: "events")
        let more = try kafka.producer.send(
            topic: "events", partition: 0, key: nil, value: [1], timestampMillis: 1, token: 99)
        #expect(more == .full)
        #expect(kafka.producer.flush(timeoutMillis: 20_000))
        try kafka.send(10..<11, topic: "events")
        #expect(kafka.producer.close(timeoutMillis: 20_000) == 0)
        #expect(kafka.producer.deliveries().map(\.token).sorted() == Array(0...10))
    }

    @Test func `a record above the limit is refused alone`() throws {
        let kafka = try MockKafka(topic: "events") { $0.maxRecordBytes = 2_000 }
        #expect(throws: KafkaError.self) {
            try kafka.producer.send(
                topic: "events", partition: 0, key: nil, value: Array(repeating: 120, count: 3_000),
                timestampMillis: 1, token: 7)
        }
        do {
            _ = try kafka.producer.send(
                topic: "events", partition: 0, key: nil, value: Array(repeating: 120, count: 3_000),
                timestampMillis: 1, token: 7)
        } catch {
            guard case .messageTooLarge = error else {
                Issue.record("not sorted as too large: \(error)")
                return
            }
        }
        try kafka.send(0..<4, topic: "events")
        #expect(kafka.producer.flush(timeoutMillis: 20_000))
        #expect(kafka.producer.deliveries().count == 4)
    }

    @Test func `answers that got lost or failed for a moment neither lose nor double records`() throws {
        let kafka = try MockKafka(topic: "events", partitions: 1)
        kafka.cluster.pushErrors(apiKey: 0, codes: [7, 6, -195])  // timed out, not the leader, connection lost
        try kafka.send(0..<100, topic: "events", partitions: 1)
        #expect(kafka.producer.flush(timeoutMillis: 30_000))
        #expect(kafka.producer.deliveries().filter(\.isAcknowledged).count == 100)
        let consumer = try kafka.consumer()
        try consumer.assign(KafkaPartition("events", 0), offset: 0)
        var values: [String] = []
        try poll(consumer) { batch in
            for index in 0..<batch.count { values.append(String(decoding: batch.value(at: index), as: UTF8.self)) }
            return !batch.events.isEmpty
        }
        #expect(values == (0..<100).map { "\($0)" })
    }

    @Test func `a broker that goes away is named, and its return goes unnoticed by the records`() throws {
        let kafka = try MockKafka(topic: "events")
        try kafka.send(0..<2, topic: "events")
        #expect(kafka.producer.flush(timeoutMillis: 20_000))
        kafka.cluster.goAway()
        try kafka.send(2..<10, topic: "events")
        for _ in 0..<20 where kafka.producer.connectionProblem == nil {
            #expect(!kafka.producer.flush(timeoutMillis: 500))
        }
        #expect(kafka.producer.connectionProblem?.contains("127.0.0.1") == true)
        kafka.cluster.comeBack()
        #expect(kafka.producer.flush(timeoutMillis: 30_000))
        #expect(kafka.producer.deliveries().filter(\.isAcknowledged).count == 10)
        #expect(kafka.producer.connectionProblem == nil)
    }

    @Test func `a missing broker is named with its address`() throws {
        let producer = try KafkaProducer(KafkaProducerConfiguration(bootstrapServers: "127.0.0.1:9"))
        do {
            try producer.waitUntilReachable(timeoutMillis: 1_000)
            Issue.record("somebody answers on port 9")
        } catch {
            guard case .unreachable("127.0.0.1:9", let reason) = error else {
                Issue.record("not sorted as unreachable: \(error)")
                return
            }
            #expect(reason.contains("refused"))
        }
    }

    @Test func `a wrong setting names itself`() {
        var configuration = KafkaProducerConfiguration(bootstrapServers: "127.0.0.1:9")
        configuration.more["no.such.setting"] = "1"
        #expect {
            try KafkaProducer(configuration)
        } throws: { error in
            guard case .configuration("no.such.setting", _) = error as? KafkaError else { return false }
            return true
        }
    }
}

@Suite struct KafkaConsumerTests {
    @Test func `records come in order with their key, value, time and headers, and the end is told`() throws {
        let kafka = try MockKafka(topic: "events", partitions: 1)
        try kafka.send(0..<3, topic: "events", partitions: 1)
        _ = try kafka.producer.send(
            topic: "events", partition: 0, key: nil, value: nil, timestampMillis: 5, token: 3,
            headers: [KafkaHeader("reason", "too late"), KafkaHeader("raw", [0, 255])])
        #expect(kafka.producer.flush(timeoutMillis: 20_000))
        let consumer = try kafka.consumer()
        let partition = KafkaPartition("events", 0)
        try consumer.assign(partition, offset: 1)
        var offsets: [Int64] = []
        try poll(consumer) { batch in
            for run in batch.runs {
                #expect(run.partition == partition)
                for index in run.records {
                    offsets.append(batch.offset(at: index))
                    if batch.offset(at: index) == 2 {
                        #expect(batch.withKey(at: index) { $0.count } == 2)
                        #expect(batch.withValue(at: index) { $0[0] } == UInt8(ascii: "2"))
                        #expect(batch.timestampMillis(at: index) == 1_700_000_000_002)
                        #expect(batch.headers(at: index).isEmpty)
                    }
                    if batch.offset(at: index) == 3 {
                        #expect(!batch.hasKey(at: index) && !batch.hasValue(at: index))
                        #expect(batch.headers(at: index).map(\.name) == ["reason", "raw"])
                        #expect(batch.headers(at: index).map(\.value) == [Array("too late".utf8), [0, 255]])
                    }
                }
            }
            return batch.events.contains(.endOfPartition(partition, offset: 4))
        }
        #expect(offsets == [1, 2, 3])
        #expect(try consumer.position([partition]) == [partition: 4])
        #expect(try consumer.watermarks(of: partition, timeoutMillis: 5_000) == KafkaWatermarks(low: 0, high: 4))
    }

    @Test func `an offset past the end is an error of that partition, not a jump`() throws {
        let kafka = try MockKafka(topic: "events", partitions: 1)
        try kafka.send(0..<3, topic: "events", partitions: 1)
        #expect(kafka.producer.flush(timeoutMillis: 20_000))
        let consumer = try kafka.consumer()
        let partition = KafkaPartition("events", 0)
        try consumer.assign(partition, offset: 50)
        try poll(consumer) { batch in
            #expect(batch.count == 0)
            guard case .failed(let failed, let error)? = batch.events.first else { return false }
            #expect(failed == partition)
            guard case .offsetOutOfRange = error else {
                Issue.record("not sorted as out of range: \(error)")
                return true
            }
            return true
        }
    }

    @Test func `assigning again begins anew at the offset, and unassigned partitions fall silent`() throws {
        let kafka = try MockKafka(topic: "events")
        try kafka.send(0..<20, topic: "events")
        #expect(kafka.producer.flush(timeoutMillis: 20_000))
        let consumer = try kafka.consumer()
        let (first, second) = (KafkaPartition("events", 0), KafkaPartition("events", 1))
        try consumer.assign(first, offset: 0)
        try consumer.assign(second, offset: 0)
        var seen: [KafkaPartition: [Int64]] = [:]
        func collect(_ batch: KafkaBatch) {
            for run in batch.runs { seen[run.partition, default: []] += run.records.map { batch.offset(at: $0) } }
        }
        try poll(consumer, max: 3) { batch in
            collect(batch)
            return seen.values.map(\.count).reduce(0, +) == 20
        }
        #expect(seen[first] == Array(0..<10) && seen[second] == Array(0..<10))
        seen = [:]
        try consumer.unassign(second)
        try consumer.assign(first, offset: 8)
        try poll(consumer) { batch in
            collect(batch)
            return batch.events.contains(.endOfPartition(first, offset: 10))
        }
        #expect(seen == [first: [8, 9]])
    }

    @Test func `a group member gets partitions as events, and offsets it commits come back`() throws {
        let kafka = try MockKafka(topic: "events")
        try kafka.send(0..<10, topic: "events")
        #expect(kafka.producer.flush(timeoutMillis: 20_000))
        let consumer = try kafka.consumer(group: "members")
        try consumer.subscribe(topics: ["events"])
        let partitions = [KafkaPartition("events", 0), KafkaPartition("events", 1)]
        var records = 0
        try poll(consumer) { batch in
            records += batch.count
            for case .assigned(let owned) in batch.events {
                #expect(Set(owned) == Set(partitions))
                #expect(batch.count == 0)
                for partition in owned { try consumer.assign(partition, offset: 2) }
            }
            return records == 6
        }
        try consumer.commitAndWait([partitions[0]: 5])
        #expect(try consumer.committed(partitions, timeoutMillis: 5_000) == [partitions[0]: 5])
        consumer.close()
        consumer.close()
    }

    @Test func `a second member takes over some partitions and the first is told`() throws {
        let kafka = try MockKafka(topic: "events")
        // The mock waits a session for old members to join again.
        let first = try kafka.consumer(group: "shared") { $0.sessionTimeoutMillis = 4_500 }
        try first.subscribe(topics: ["events"])
        var owned: Set<KafkaPartition> = []
        var others: Set<KafkaPartition> = []
        func take(_ batch: KafkaBatch, _ set: inout Set<KafkaPartition>, _ consumer: KafkaConsumer) throws {
            for event in batch.events {
                switch event {
                case .assigned(let partitions):
                    set.formUnion(partitions)
                    for partition in partitions { try consumer.assign(partition, offset: 0) }
                case .revoked(let partitions, _): set.subtract(partitions)
                case .endOfPartition, .failed: break
                }
            }
        }
        try poll(first) { batch in
            try take(batch, &owned, first)
            return owned.count == 2
        }
        let second = try kafka.consumer(group: "shared") { $0.sessionTimeoutMillis = 4_500 }
        try second.subscribe(topics: ["events"])
        try poll(first) { batch in
            try take(batch, &owned, first)
            try take(second.nextBatch(max: 10, timeoutMillis: 50), &others, second)
            return owned.count == 1 && others.count == 1
        }
        #expect(owned.isDisjoint(with: others))
        #expect(first.assignment == owned && second.assignment == others)
        first.close()
        try poll(second) { batch in
            try take(batch, &others, second)
            return others.count == 2
        }
        second.close()
    }

    @Test func `a member that keeps asking for batches is not held for dead, records or not`() throws {
        let kafka = try MockKafka(topic: "events")
        let consumer = try kafka.consumer(group: "patient") {
            $0.sessionTimeoutMillis = 4_000
            $0.maxPollIntervalMillis = 4_000
        }
        try consumer.subscribe(topics: ["events"])
        var owned: Set<KafkaPartition> = []
        // Nothing is sent, so thirty polls take six seconds: longer than either limit.
        for _ in 0..<30 {
            for event in try consumer.nextBatch(max: 10, timeoutMillis: 200).events {
                switch event {
                case .assigned(let partitions):
                    owned.formUnion(partitions)
                    for partition in partitions { try consumer.assign(partition, offset: 0) }
                case .revoked(let partitions, let isLost): Issue.record("lost \(partitions), \(isLost)")
                case .failed(_, let error): Issue.record("failed: \(error)")
                case .endOfPartition: break
                }
            }
        }
        #expect(owned.count == 2)
        consumer.close()
    }
}
