import Compression
import FeatureEngine
import FeatureStore
import Foundation
import KafkaClient
import TestSupport
import TransactionData

/// The transformer and backfill, each beside the same input merely read and decoded.
enum StreamCases {
    static func transform(_ pipeline: Pipeline, rounds: Int) throws -> [ReportLine] {
        let repository = try FeatureRepository.load(
            directory: TestEnvironment.packageRoot + "/feature_repo", environment: pipeline.environment)
        var full: [Double] = []
        var bare: [Double] = []
        var peak = 0.0
        for round in 0...rounds {  // Round 0 warms up.
            let fresh = try pipeline.emptyStores()
            let cost = try pipeline.command(["transform", "--exit-at-end"], fresh)
            let decode = try decodeOnly(pipeline, repository.sources[0])
            guard round > 0 else { continue }
            full.append(Double(pipeline.rows) / cost.cpuSeconds)
            bare.append(Double(pipeline.rows) / decode.cpuSeconds)
            peak = max(peak, cost.peakMebibytes)
        }
        return [
            ReportLine(
                "transform, Kafka to both stores", "events/CPU-s", Rounds(values: full),
                baseline: "consume and decode only",
                Rounds(values: bare), note: "peak \(Int(peak)) MiB")
        ]
    }

    private static func decodeOnly(_ pipeline: Pipeline, _ schema: SourceSchema) throws -> Cost {
        let consumer = try KafkaConsumer(
            KafkaConsumerConfiguration(bootstrapServers: pipeline.kafka.bootstrapServers, group: "bench"))
        defer { consumer.close() }
        let partitions =
            try KafkaAdmin(bootstrapServers: pipeline.kafka.bootstrapServers)
            .partitionCount(topic: schema.topic) ?? 0
        for partition in 0..<partitions {
            try consumer.assign(KafkaPartition(schema.topic, Int32(partition)), offset: 0)
        }
        let decoder = EventDecoder(schema)
        var row = SourceRow(schema)
        var count = 0
        return try Measurement.here {
            while count < pipeline.rows {
                let batch = try consumer.nextBatch(max: 5_000, timeoutMillis: 1_000)
                for index in 0..<batch.count {
                    try batch.withValue(at: index) { value in try decoder.decode(value, into: &row) }
                }
                count += batch.count
            }
        }
    }

    static func backfill(_ pipeline: Pipeline, rounds: Int) throws -> [ReportLine] {
        let repository = try FeatureRepository.load(
            directory: TestEnvironment.packageRoot + "/feature_repo", environment: pipeline.environment)
        var full: [Double] = []
        var bare: [Double] = []
        for round in 0...rounds {
            let cost = try pipeline.command(["backfill", "--input", pipeline.csv, "--output", "/dev/null"])
            let read = try Measurement.here {
                let rows = try TransactionCSV(try ByteSource.open(pipeline.csv), schema: repository.sources[0])
                var row = SourceRow(repository.sources[0])
                while try rows.next(into: &row) != .end {}
            }
            guard round > 0 else { continue }
            full.append(Double(pipeline.rows) / cost.wallSeconds)
            bare.append(Double(pipeline.rows) / read.wallSeconds)
        }
        return [
            ReportLine(
                "backfill, CSV to features", "rows/s", Rounds(values: full), baseline: "read the CSV only, one thread",
                Rounds(values: bare))
        ]
    }
}
