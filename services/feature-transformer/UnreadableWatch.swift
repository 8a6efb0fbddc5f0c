import KafkaClient
import Observability

/// Finds partitions whose next batch no client can read: its checksum is right and its inside is not, so librdkafka fetches it
/// again and again and hands out nothing. A partition that stands still while records wait is looked at by a reader of its own:
/// where that reads at a later offset and not at N, what lies between is given up as one dead letter.
struct UnreadableWatch {
    /// Without a record for so long while the log goes on.
    private static let patienceMillis: Int64 = 5_000
    private static let probeMillis: Int64 = 1_500
    private static let pauseMillis: Int64 = 30_000

    private struct Standing {
        var offset: Int64
        var sinceMillis: Int64
    }
    private let bootstrapServers: String
    private var standing: [KafkaPartition: Standing] = [:]
    private var suspected: Set<KafkaPartition> = []

    init(bootstrapServers: String) { self.bootstrapServers = bootstrapServers }

    /// The client reported an error of this partition.
    mutating func note(_ partition: KafkaPartition) { suspected.insert(partition) }

    /// The first offset after N that can be read again; nil when nothing is wrong, or it cannot be told.
    mutating func end(of task: PartitionTask, _ consumer: KafkaConsumer, nowMillis: Int64) throws -> Int64? {
        let next = task.nextOffset
        guard let high = consumer.fetchedWatermarks(of: task.partition)?.high, high > next else {
            standing[task.partition] = nil
            return nil
        }
        guard let before = standing[task.partition], before.offset == next else {
            standing[task.partition] = Standing(offset: next, sinceMillis: nowMillis)
            return nil
        }
        guard nowMillis - before.sinceMillis >= Self.patienceMillis else { return nil }
        standing[task.partition]?.sinceMillis = nowMillis + Self.pauseMillis
        let reader = LogReader(bootstrapServers: bootstrapServers)
        func reads(_ offset: Int64) throws -> Bool {
            try reader.record(of: task.partition, at: offset, timeoutMillis: Self.probeMillis) != nil
        }
        guard try !reads(next) else { return nil }
        return try Self.end(from: next, to: high, reads: reads)
    }

    /// The smallest offset in (from, to] where reading works; `to`, the log's end, counts as one. Every offset of an unreadable
    /// batch fails and the one after it works, so doubling finds a place behind it and halving its end.
    static func end(from: Int64, to: Int64, reads: (Int64) throws -> Bool) rethrows -> Int64 {
        var bad = from
        var step: Int64 = 1
        var good = to
        while from + step < to {
            if try reads(from + step) {
                good = from + step
                break
            }
            bad = from + step
            step *= 2
        }
        while good - bad > 1 {
            let middle = bad + (good - bad) / 2
            if try reads(middle) { good = middle } else { bad = middle }
        }
        return good
    }
}
