import KafkaClient
import Observability

/// What the partitions of one thread share.
struct StageContext {
    let owner: String
    let definitionHash: String
    let bootstrapServers: String
    let stores: Stores
    let publisher: DeadLetterPublisher
    let rekeyer: RekeyPublisher
    let identity: TopicIdentity
    let metrics: TransformMetrics
    let board: ProgressBoard
    let letters: LetterReport
    let log: Log
}
