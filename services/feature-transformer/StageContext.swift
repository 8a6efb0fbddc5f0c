import KafkaClient
import Observability
import Synchronization

/// What the partitions of one thread share.
struct StageContext {
    let owner: String
    let definitionHash: String
    let stores: Stores
    let publisher: DeadLetterPublisher
    let metrics: TransformMetrics
    let board: AssignmentBoard
    let log: Log
}

/// Which partitions this process has in hand, checked and restored. Shared by its threads.
final class AssignmentBoard: Sendable {
    private let assigned = Mutex<Set<KafkaPartition>>([])

    func set(_ partition: KafkaPartition, isAssigned: Bool) {
        assigned.withLock { set in
            if isAssigned { set.insert(partition) } else { set.remove(partition) }
        }
    }

    func isAssigned(_ partition: KafkaPartition) -> Bool { assigned.withLock { $0.contains(partition) } }
}
