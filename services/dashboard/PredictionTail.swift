package import KafkaClient
import Pipeline

/// Follows the predictions topic from a little before its end. Confined to one thread; leaves no group on the broker, since it
/// assigns its partitions itself and commits nothing. Reads a bounded number a round: watching must not become the work.
package final class PredictionTail {
    private static let topic = PipelineTopics.predictions
    /// How far before the end it begins, records per partition: so that a new dashboard is not empty.
    private static let history: Int64 = 2_000
    /// Most records that are decoded in a round, which is a second.
    private static let roundRecords = 2_000
    /// Rounds between two looks for partitions that were added.
    private static let roundsBetweenLooks = 30

    private let consumer: KafkaConsumer
    private let columns: PredictionColumns
    private let reader = RecordReader()
    private var nextOffsets: [KafkaPartition: Int64] = [:]
    private var round = 0

    package init(bootstrapServers: String, columns: PredictionColumns) throws {
        var configuration = KafkaConsumerConfiguration(
            bootstrapServers: bootstrapServers, group: "needletail-dashboard")
        configuration.offsetReset = .latest
        configuration.fetchWaitMillis = 20
        configuration.queueKibibytes = 8_192
        consumer = try KafkaConsumer(configuration)
        self.columns = columns
    }

    deinit { consumer.close() }

    /// The predictions that have arrived since the call before, oldest first by event time, and how many were passed over because
    /// there were too many to read.
    package func next() throws -> (predictions: [Prediction], skipped: Int64) {
        if nextOffsets.isEmpty || round % Self.roundsBetweenLooks == 0 { try assignNewPartitions() }
        round &+= 1
        guard !nextOffsets.isEmpty else { return ([], 0) }
        var predictions: [Prediction] = []
        var left = Self.roundRecords
        // A batch ends with what has arrived: a few more calls take what came meanwhile.
        for index in 0..<8 where left > 0 {
            let batch = try consumer.nextBatch(max: left, timeoutMillis: index == 0 ? 50 : 0)
            if batch.count == 0 { break }
            take(batch, &predictions)
            left -= batch.count
        }
        predictions.sort { ($0.eventTimeMillis ?? .min) < ($1.eventTimeMillis ?? .min) }
        return (predictions, left > 0 ? 0 : try catchUp())
    }

    /// The end of a partition's log, or nil when the broker does not say.
    package func end(of partition: KafkaPartition) -> Int64? {
        (try? consumer.watermarks(of: partition, timeoutMillis: 1_000))?.high
    }

    private func take(_ batch: KafkaBatch, _ predictions: inout [Prediction]) {
        for run in batch.runs {
            guard let last = run.records.last else { continue }
            nextOffsets[run.partition] = batch.offset(at: last) &+ 1
        }
        for index in 0..<batch.count {
            let key = batch.key(at: index)
            // What is no prediction is a dead letter of `transform`, and nothing to show.
            let record = batch.withValue(at: index) { try? PredictionRecord(key: key, value: $0, reader) }
            if let new = record.flatMap(columns.prediction) { predictions.append(new) }
        }
    }

    /// Goes near the end where it is too far away to read everything up to it.
    private func catchUp() throws -> Int64 {
        var skipped: Int64 = 0
        for (partition, next) in nextOffsets {
            guard let end = end(of: partition) else { continue }
            let target = end - Self.history  // An offset is not negative, so this cannot overflow.
            guard target > next, target - next > Self.history else { continue }
            try consumer.assign(partition, offset: target)
            nextOffsets[partition] = target
            skipped += target - next
        }
        return skipped
    }

    private func assignNewPartitions() throws {
        if nextOffsets.isEmpty { try consumer.waitUntilReachable(timeoutMillis: 1_000) }
        // The topic may come later than the dashboard, and more partitions later still.
        var partition = Int32(nextOffsets.count)
        while let ends = try? consumer.watermarks(of: KafkaPartition(Self.topic, partition), timeoutMillis: 1_000) {
            let start = max(ends.low, ends.high - Self.history)
            let new = KafkaPartition(Self.topic, partition)
            try consumer.assign(new, offset: max(0, start))
            nextOffsets[new] = max(0, start)
            partition += 1
        }
    }
}
