import StreamRecovery

/// The service must stop: going on would lose or invent something. One sentence for the user, and what to do.
struct PipelineStop: Error, Equatable, CustomStringConvertible {
    let description: String

    init(topic: String, partition: Int32, _ reason: String) {
        description = "topic \"\(topic)\" partition \(partition): \(reason)"
    }

    init(topic: String, partition: Int32, _ mismatch: LogMismatch) {
        self.init(topic: topic, partition: partition, mismatch.sentence)
    }
}

extension LogMismatch {
    /// Why, and what to do. Deleting is offered nowhere: what is stored is right, whatever became of the log.
    var sentence: String {
        switch self {
        case .empty(let read):
            "its log is empty, but \(read) records were read: it was deleted and made again. \(Self.advice)"
        case .gone(let read, let start):
            "its log begins at position \(start), but records were read only up to \(read): the ones between are gone, "
                + "retention deleted them. \(Self.advice)"
        case .otherRecord(let position):
            "the record at position \(position) is not the one that was read there, nor is any before it: this is another "
                + "log, deleted and made again. \(Self.advice)"
        case .partitionCount(let stored, let found):
            "its topic has \(found) partitions, but had \(stored) when its first record was stored. Keys lie in other "
                + "partitions now, so their history would be cut in two: a change of the partition count is a migration. "
                + "Set the count back, or read a new topic with a new store"
        case .totals(let rows, let letters, let claim):
            "\(rows) rows, \(letters) dead letters, \(claim.duplicates) repeats, \(claim.gaps) gaps and \(claim.removed) "
                + "removed do not add up to the \(claim.next) records read: a table was changed by hand, or restored alone. "
                + "Restore the whole database to one moment"
        }
    }

    private static let advice =
        "Check that Kafka and Postgres belong together: with another Kafka goes another database (DATABASE_URL)"
}
