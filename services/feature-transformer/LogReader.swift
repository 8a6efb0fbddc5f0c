import KafkaClient

/// Reads single records at known places, beside the stream: to compare them, or to find out where a log can be read again.
struct LogReader {
    let bootstrapServers: String

    /// The record at an offset and its place in the batch; nil when none comes in time.
    func record(of partition: KafkaPartition, at offset: Int64, timeoutMillis: Int64) throws -> (KafkaBatch, Int)? {
        var configuration = KafkaConsumerConfiguration(
            bootstrapServers: bootstrapServers, group: "needletail-transform-reader")
        configuration.fetchBytesPartitionOnce()
        let consumer = try KafkaConsumer(configuration)
        defer { consumer.close() }
        try consumer.assign(partition, offset: offset)
        let deadline = StageClock.millis() + timeoutMillis
        while StageClock.millis() < deadline {
            let batch = try consumer.nextBatch(max: 1, timeoutMillis: 100)
            for index in 0..<batch.count where batch.offset(at: index) >= offset { return (batch, index) }
        }
        return nil
    }
}

extension KafkaConsumerConfiguration {
    /// Fetches little: one record is wanted.
    fileprivate mutating func fetchBytesPartitionOnce() {
        queueKibibytes = 2_048
        fetchBytesPerPartition = 65_536
    }
}
