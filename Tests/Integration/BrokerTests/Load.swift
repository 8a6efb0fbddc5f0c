import Foundation
import KafkaClient
import Synchronization
import TestSupport

/// Work on a thread of its own that ends when it is told to.
final class Worker<Output: Sendable>: Sendable {
    /// Whether to come to an end.
    final class Flag: Sendable {
        private let value = Atomic<Bool>(false)
        var isSet: Bool { value.load(ordering: .relaxed) }
        func set() { value.store(true, ordering: .relaxed) }
    }

    private final class Box: Sendable {
        let output = Mutex<Result<Output, any Error>?>(nil)
    }

    private let flag = Flag()
    private let box = Box()

    init(_ body: @escaping @Sendable (Flag) throws -> Output) {
        let thread = Thread { [flag, box] in
            let result = Result { try body(flag) }
            box.output.withLock { $0 = result }
        }
        thread.start()
    }

    /// Tells it to end, and waits for what it has.
    func finish() throws -> Output {
        flag.set()
        var result: Result<Output, any Error>?
        _ = TestEnvironment.waits(seconds: 120) {
            result = box.output.withLock { $0 }
            return result != nil
        }
        guard let result else { throw TestServerError("a worker did not end") }
        return try result.get()
    }
}

/// Clients that go on whatever happens to the broker.
enum Load {
    /// Sends numbered records from 1 on until told to end; where each acknowledged one is.
    static func produce(to servers: String, _ isDone: Worker<[UInt64: (Int32, Int64)]>.Flag) throws -> [UInt64: (
        Int32, Int64
    )] {
        var configuration = KafkaProducerConfiguration(bootstrapServers: servers)
        configuration.more = ["reconnect.backoff.max.ms": "200"]
        let producer = try KafkaProducer(configuration)
        let topic = try producer.topic("t")
        var acknowledged: [UInt64: (Int32, Int64)] = [:]
        var next: UInt64 = 1
        let padding = [UInt8](repeating: 7, count: 300)
        func collect(_ millis: Int32) throws {
            for delivery in producer.deliveries(waitingMillis: millis) {
                if let error = delivery.error { throw error }
                acknowledged[delivery.token] = (delivery.partition, delivery.offset)
            }
        }
        while !isDone.isSet {
            if producer.outstanding < 20_000 {
                for _ in 0..<200 {
                    let value = (0..<8).map { UInt8(truncatingIfNeeded: next >> UInt64(56 - 8 * $0)) } + padding
                    _ = try producer.send(
                        topic: topic, partition: Int32(next % UInt64(KillTests.partitions)), key: nil,
                        value: value.span,
                        timestampMillis: Int64(Date().timeIntervalSince1970 * 1_000), token: next)
                    next += 1
                }
            }
            try collect(1)
        }
        guard producer.flush(timeoutMillis: 60_000) else { throw TestServerError("records are left in the queue") }
        try collect(0)
        producer.close(timeoutMillis: 1_000)
        return acknowledged
    }

    /// Reads as a member of a group, committing as it goes; the offsets it saw.
    static func consume(from servers: String, _ isDone: Worker<[Int32: [Int64]]>.Flag) throws -> [Int32: [Int64]] {
        var configuration = KafkaConsumerConfiguration(bootstrapServers: servers, group: "load")
        configuration.sessionTimeoutMillis = 6_000
        configuration.more = ["reconnect.backoff.max.ms": "200"]
        let consumer = try KafkaConsumer(configuration)
        defer { consumer.close() }
        try consumer.subscribe(topics: ["t"])
        var seen: [Int32: [Int64]] = [:]
        while !isDone.isSet {
            let batch = try consumer.nextBatch(max: 2_000, timeoutMillis: 50)
            for event in batch.events {
                guard case .assigned(let partitions) = event else { continue }
                for partition in partitions {
                    // The broker may be gone just now: ask until it answers.
                    var committed: [KafkaPartition: Int64]?
                    while committed == nil && !isDone.isSet {
                        committed = try? consumer.committed([partition], timeoutMillis: 2_000)
                    }
                    try consumer.assign(partition, offset: max(0, committed?[partition] ?? 0))
                }
            }
            var next: [KafkaPartition: Int64] = [:]
            for run in batch.runs {
                for index in run.records { seen[run.partition.partition, default: []].append(batch.offset(at: index)) }
                next[run.partition] = batch.offset(at: run.records.upperBound - 1) + 1
            }
            if !next.isEmpty { try? consumer.commit(next) }
        }
        return seen
    }
}
