import FeatureEngine
import Foundation
import FeatureStore
import KafkaClient
import Pipeline
import TestSupport
import Testing

/// The power goes under load: of every file of broker, Redis and Postgres only what was synchronised is sure to be there. What
/// was acknowledged is in the log, what is in the log is in both stores once, and `transform` goes on by itself.
///
/// NEEDLETAIL_PIPELINE_POWER_CUTS=200 cuts as often (about 20 minutes); one stack lives through up to twenty cuts.
@Suite(
    .enabled(if: PipelineHarness.isPossible, Comment(rawValue: PipelineHarness.absence)),
    .disabled(if: TestEnvironment.variable("NEEDLETAIL_TEST_BROKER") == "apache", "the disk is that of our own broker"),
    .serialized)
struct PowerCutTests {
    private static let cuts = Int(TestEnvironment.variable("NEEDLETAIL_PIPELINE_POWER_CUTS") ?? "") ?? 3
    private static let cutsOfALife = 20
    private static let first = UInt64(TestEnvironment.variable("NEEDLETAIL_PIPELINE_POWER_SEED") ?? "") ?? 0

    @Test(.timeLimit(.minutes(120))) func `a power cut of all servers at once loses nothing that was acknowledged`()
        throws
    {
        for life in stride(from: 0, to: Self.cuts, by: Self.cutsOfALife) {
            let disk = try UnsureDisk()
            // Half of them keep Redis as `make up` does, half in an append-only file.
            let hasSnapshots = life / Self.cutsOfALife % 2 == 0
            let harness = try PipelineHarness(
                "power", ownBroker: true, on: disk,
                redisOptions: hasSnapshots
                    ? ["--appendonly", "no", "--save", "1 1"] : ["--appendfsync", "everysec"])
            var acknowledged: [LogPosition: [UInt8]] = [:]
            for seed in life..<min(life + Self.cutsOfALife, Self.cuts) {
                try Self.cut(harness, disk, seed: Self.first + UInt64(seed), &acknowledged)
            }
            #expect(!acknowledged.isEmpty)
        }
    }

    private static func cut(
        _ harness: PipelineHarness, _ disk: UnsureDisk, seed: UInt64, _ acknowledged: inout [LogPosition: [UInt8]]
    ) throws {
        var random = SeededRandom(seed: seed)
        let transform = try harness.startTransform()
        // From before the first claim to the middle of the stream.
        let life = Double.random(in: 0.05..<1.5, using: &random)
        try load(harness, try harness.troubledRecords(rows: 1_500, seed: seed), seconds: life, &acknowledged)
        transform.killNow()
        try disk.cut(seed: seed)
        for server in [harness.kafka, harness.redis, harness.postgres] { try server.start() }

        let run = try harness.transformToEnd()
        #expect(run.exitCode == 0, "seed \(seed): \(run.output.suffix(3_000))")
        #expect(!run.output.contains("clean-data"), "seed \(seed)")
        var left: [LogPosition: [UInt8]] = [:]
        for (position, batch, index) in try LogOracle.records(harness.topic, harness) {
            left[position] = batch.value(at: index)
        }
        let lost = acknowledged.filter { left[$0.key] != $0.value }
        #expect(lost.isEmpty, "seed \(seed): of \(acknowledged.count) acknowledged records")
        try LogOracle(harness).check(harness)
    }

    /// Sends two records a millisecond until the time is up, and notes the acknowledged ones.
    private static func load(
        _ harness: PipelineHarness, _ records: [PipelineHarness.Record], seconds: Double,
        _ acknowledged: inout [LogPosition: [UInt8]]
    ) throws {
        let producer = try KafkaProducer(
            KafkaProducerConfiguration(bootstrapServers: harness.kafka.bootstrapServers))
        defer { producer.purge() }
        let end = ContinuousClock.now + .seconds(seconds)
        for (number, record) in records.enumerated() where ContinuousClock.now < end {
            let home =
                record.partition
                ?? EntityPlacement.partition(of: record.key ?? [], among: harness.partitionCount, by: .murmur2)
            _ = try producer.send(
                topic: harness.topic, partition: home, key: record.key, value: record.value,
                timestampMillis: Int64(Date().timeIntervalSince1970 * 1_000), token: UInt64(number))
            usleep(500)
            for delivery in producer.deliveries() where delivery.isAcknowledged {
                let position = LogPosition(
                    topic: harness.topic, partition: delivery.partition, offset: delivery.offset)
                acknowledged[position] = records[Int(delivery.token)].value ?? []
            }
        }
    }
}
