import AdminServer
import KafkaClient
import Synchronization

/// How far every partition of this process is, shared by its threads: progress is health. A partition whose records wait while
/// nothing of them is stored makes the process not ready, and says why; it becomes ready by itself.
final class ProgressBoard: Sendable {
    /// Without progress for so long a partition with waiting records counts as stalled.
    static let patienceMillis: Int64 = 30_000

    struct Entry: Equatable {
        var isAssigned = false
        /// Records wait, or nobody can say whether some do.
        var isWaiting = true
        /// When something was stored last, or nothing was left to store; monotonic, ms.
        var progressMillis: Int64
        /// What went wrong last.
        var reason = ""
    }

    private let entries = Mutex<[KafkaPartition: Entry]>([:])
    private let pause = Mutex<String?>(nil)

    /// Why no events are read for now, in any partition; nil while they are.
    var pauseReason: String? {
        get { pause.withLock { $0 } }
        set { pause.withLock { $0 = newValue } }
    }

    func change(_ partition: KafkaPartition, nowMillis: Int64, _ body: (inout Entry) -> Void) {
        entries.withLock { body(&$0[partition, default: Entry(progressMillis: nowMillis)]) }
    }

    func remove(_ partition: KafkaPartition) { entries.withLock { _ = $0.removeValue(forKey: partition) } }

    func isAssigned(_ partition: KafkaPartition) -> Bool { entries.withLock { $0[partition]?.isAssigned ?? false } }

    /// The partitions that stand still, the longest first, with how long and why.
    func stalled(nowMillis: Int64) -> [(partition: KafkaPartition, seconds: Int64, reason: String)] {
        entries.withLock { entries in
            entries.compactMap { partition, entry in
                let still = nowMillis - entry.progressMillis
                guard entry.isWaiting, still >= Self.patienceMillis else { return nil }
                return (partition, still / 1_000, entry.reason.isEmpty ? "it is being taken over" : entry.reason)
            }
        }.sorted { ($1.seconds, $0.partition.description) < ($0.seconds, $1.partition.description) }
    }

    /// `absence` says how long the process has owned nothing, and why.
    func readiness(nowMillis: Int64, absence: (seconds: Int64, reason: String)? = nil) -> Readiness {
        if let absence, absence.seconds * 1_000 >= Self.patienceMillis {
            return .notReady("this process has owned no partition for \(absence.seconds) s: \(absence.reason)")
        }
        if let reason = pauseReason { return .notReady("events wait in the log: \(reason)") }
        let stalled = stalled(nowMillis: nowMillis)
        guard let first = stalled.first else { return .ready }
        let more = stalled.count > 1 ? " (and \(stalled.count - 1) more)" : ""
        return .notReady(
            "topic \"\(first.partition.topic)\" partition \(first.partition.partition) has waiting records and made no "
                + "progress for \(first.seconds) s: \(first.reason)\(more)")
    }
}
