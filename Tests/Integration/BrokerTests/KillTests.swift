import Foundation
import KafkaClient
import Synchronization
import TestSupport
import Testing

/// kill -9 in the middle of everything. Two rounds in `make test`; NEEDLETAIL_KILL_ROUNDS asks for more.
@Suite(.enabled(if: KafkaServer.isAvailable, "no broker to start"), .serialized, .timeLimit(.minutes(10)))
struct KillTests {
    static let rounds = Int(TestEnvironment.variable("NEEDLETAIL_KILL_ROUNDS") ?? "") ?? 2
    static let partitions: Int32 = 3

    @Test func `what was acknowledged is there exactly once and in order, however often the broker is killed`() throws {
        let server = try KafkaServer()
        try server.start()
        defer { server.stop() }
        let admin = try KafkaAdmin(bootstrapServers: server.bootstrapServers)
        _ = try admin.createTopics([KafkaTopicDefinition("t", partitions: Int(Self.partitions))])

        let servers = server.bootstrapServers
        let producer = Worker { isDone in try Load.produce(to: servers, isDone) }
        let consumers = (0..<2).map { _ in Worker { isDone in try Load.consume(from: servers, isDone) } }
        var random = SeededRandom(seed: 42)
        for round in 0..<Self.rounds {
            Thread.sleep(forTimeInterval: Double.random(in: 0.3...1.5, using: &random))
            server.kill()
            if round % 3 == 2 { Thread.sleep(forTimeInterval: 0.5) }
            try server.start()
        }
        Thread.sleep(forTimeInterval: 1)
        let acknowledged = try producer.finish()
        Thread.sleep(forTimeInterval: 1)
        var seen: [Int32: [Int64]] = [:]
        for consumer in consumers { seen.merge(try consumer.finish()) { $0 + $1 } }
        try #require(acknowledged.count > 1_000 * Self.rounds)

        // The log itself: every offset once, every acknowledged record where it was said to be, nothing twice.
        var places: [UInt64: (Int32, Int64)] = [:]
        for partition in 0..<Self.partitions {
            var (next, last) = (Int64(0), UInt64(0))
            try Self.readAll(server.bootstrapServers, partition) { offset, token in
                #expect(offset == next, "offsets are contiguous in partition \(partition)")
                #expect(token > last, "records stay in order in partition \(partition)")
                #expect(places[token] == nil, "record \(token) is there twice")
                places[token] = (partition, offset)
                (next, last) = (offset + 1, token)
            }
        }
        for (token, place) in acknowledged {
            guard let found = places[token] else {
                Issue.record("acknowledged record \(token) is gone")
                continue
            }
            #expect(found.0 == place.0 && found.1 == place.1, "record \(token)")
        }
        // The group: no record skipped between the positions it was given.
        for partition in 0..<Self.partitions {
            let offsets = seen[partition] ?? []
            let reach = offsets.max() ?? -1
            #expect(reach >= 0, "the group read partition \(partition)")
            #expect(Set(offsets).count == Int(reach + 1), "the group skipped records of partition \(partition)")
        }
    }

    static func readAll(_ servers: String, _ partition: Int32, _ body: (Int64, UInt64) -> Void) throws {
        var configuration = KafkaConsumerConfiguration(bootstrapServers: servers, group: "check")
        configuration.reportsEndOfPartition = true
        configuration.more = ["check.crcs": "true"]
        let consumer = try KafkaConsumer(configuration)
        defer { consumer.close() }
        try consumer.assign(KafkaPartition("t", partition), offset: 0)
        let deadline = Date(timeIntervalSinceNow: 60)
        while Date() < deadline {
            let batch = try consumer.nextBatch(max: 5_000, timeoutMillis: 200)
            for index in 0..<batch.count {
                body(
                    batch.offset(at: index), batch.value(at: index).prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
                )
            }
            if batch.events.contains(where: { if case .endOfPartition = $0 { true } else { false } }) { return }
        }
        throw TestServerError("the end of partition \(partition) did not come")
    }
}
