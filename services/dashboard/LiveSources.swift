import FeatureStore
import KafkaClient
import Observability

/// The servers themselves. Confined to the sampler's thread; a source that failed is left alone for a while.
final class LiveSources: DashboardSources {
    private let fetcher = PageFetcher()
    private let tables: TableSource
    private let onlineStore: OnlineSource
    private let topic: TopicSource

    init(columns: PredictionColumns, kafka: String, database: String, redis: String) {
        tables = TableSource(url: database)
        onlineStore = OnlineSource(url: redis)
        topic = TopicSource(bootstrapServers: kafka, columns: columns)
    }

    func pages(_ urls: [String]) -> [PageAnswer?] { fetcher.pages(urls) }

    func pingOnlineStore() throws { try onlineStore.ping() }

    func newPredictions() throws -> (predictions: [Prediction], skipped: Int64) { try topic.next() }

    func logEnd(topic name: String, partition: Int32) -> Int64? { topic.end(KafkaPartition(name, partition)) }

    func stored(service: String?) throws -> (positions: [StoredPosition], champion: Champion?) {
        try tables.stored(service: service)
    }
}

/// The source of predictions: the topic's tail.
private final class TopicSource {
    private let bootstrapServers: String
    private let columns: PredictionColumns
    private var tail: PredictionTail?
    private var retry = Retry()

    init(bootstrapServers: String, columns: PredictionColumns) {
        self.bootstrapServers = bootstrapServers
        self.columns = columns
    }

    func next() throws -> (predictions: [Prediction], skipped: Int64) {
        do {
            return try retry.run(nowNanos: WallClock.monotonicNanos) {
                let tail = try tail ?? PredictionTail(bootstrapServers: bootstrapServers, columns: columns)
                self.tail = tail
                return try tail.next()
            }
        } catch {
            tail = nil
            throw error
        }
    }

    func end(_ partition: KafkaPartition) -> Int64? { tail?.end(of: partition) }
}
