package import FeatureStore

/// Where reading a log begins, given what is stored. Decided at every assignment.
package enum LogStart: Equatable {
    /// Read from here; `isBefore` when the first record is N − 1, which must be the one that was stored.
    case begin(at: Int64, isBefore: Bool)
    /// The log is not the one that was read: never skip in silence.
    case refuse(String)

    /// `next` is N; the log holds [low, high).
    package static func plan(next: Int64, low: Int64, high: Int64) -> LogStart {
        if next > high {
            return .refuse(
                "its log ends at offset \(high), but \(next) records were read: it was deleted and made again, or has lost records"
            )
        }
        if next == 0 { return .begin(at: low, isBefore: false) }
        if next < low {
            return .refuse(
                "its log begins at offset \(low), but records were read only up to \(next): the ones between are gone")
        }
        return next > low ? .begin(at: next - 1, isBefore: true) : .begin(at: next, isBefore: false)
    }
}

/// What the online state needs, given its watermark.
package enum OnlineStart: Equatable {
    /// Apply what Postgres holds of [from, N): nothing when it is complete.
    case replay(from: Int64)
    /// Begin again under a new generation.
    case rebuild

    /// `generation` and `next` are what Postgres says.
    package static func plan(watermark: Watermark?, generation: Int64, next: Int64) -> OnlineStart {
        guard let watermark, generation > 0, watermark.generation == UInt64(generation), watermark.nextOffset >= 0,
            watermark.nextOffset <= next, watermark.target <= next
        else { return .rebuild }
        return .replay(from: watermark.nextOffset)
    }
}

/// Whether a stored blob can be gone on from.
package enum BlobStanding: Equatable {
    case usable
    /// Of a generation before: as if it were not there.
    case outdated
    /// Of a later generation, or at or past N: Postgres went back, or somebody else writes.
    case ahead

    package static func of(generation: UInt64, offset: Int64, under current: UInt64, next: Int64) -> BlobStanding {
        if generation < current { return .outdated }
        return generation > current || offset >= next ? .ahead : .usable
    }
}

/// Back to the assignment: what is in hand is dropped, nothing is lost.
struct Reassign: Error, Equatable {
    let reason: String
    /// Set when the online state must begin again, under a generation above this one.
    var rebuildAbove: UInt64?

    init(_ reason: String, rebuildAbove: UInt64? = nil) {
        self.reason = reason
        self.rebuildAbove = rebuildAbove
    }
}

/// The service must stop: going on would lose or invent something. One sentence for the user.
struct PipelineStop: Error, Equatable, CustomStringConvertible {
    let description: String

    init(topic: String, partition: Int32, _ reason: String) {
        description =
            "topic \"\(topic)\" partition \(partition): \(reason). Check that Kafka and Postgres belong together; "
            + "to begin again with this log, clear the tables (`make clean-data`)"
    }
}
