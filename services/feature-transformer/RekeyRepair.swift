import FeatureEngine
import FeatureStore
import KafkaClient
import Observability
import Pipeline
import PostgresClient
import PostgresOfflineStore
import ServiceRuntime
import StreamRecovery
import TransactionData

/// Brings events to the topics that hold them by another key and lack them: those stored before a view of that entity was declared,
/// and those that a broker lost after it had acknowledged them. By event time, as the live stream brought them.
///
/// A pass notes P of the source's partitions, sees that the topic is read to its end, and only then looks for events before the
/// noted P without a place: what was acknowledged before the first step has one by then. Everything up to P is done with after a
/// pass that finds nothing new, for a place in Postgres is not lost again.
///
/// Unchecked: one thread at a time, each waits for the one before.
final class RekeyRepair: @unchecked Sendable {
    private static let passEvents = 50_000
    private static let pauseMillis = 60_000

    private let plan: TransformPlan
    private let publisher: RekeyPublisher
    private let log: Log
    private var store: PostgresOfflineStore?
    private var admin: KafkaAdmin?
    /// Of each topic: up to where every partition of its source is done with.
    private var done: [String: [Int32: Int64]] = [:]
    /// What was sent once and got no place (its record is a dead letter) is not sent for ever.
    private var sent: [String: IDFilter] = [:]

    init(_ plan: TransformPlan, log: Log) {
        (self.plan, self.log) = (plan, log)
        publisher = RekeyPublisher(
            bootstrapServers: plan.bootstrapServers, partitionCounts: plan.partitionCounts, log: log)
    }

    private var feeds: [ViewFeed] { plan.repository.feeds.filter(\.isRekeyed) }

    /// Repairs until the program stops, in one process of the group.
    func run(_ runtime: ServiceRuntime, _ group: TransformGroup) {
        defer { close() }
        guard !feeds.isEmpty else { return }
        var pauseMillis = 1_000
        while runtime.pause(millis: pauseMillis) {
            pauseMillis = 1_000
            guard let current = group.current, current.number == current.members.min() else {
                done = [:]
                continue
            }
            do { if try pass() == 0 { pauseMillis = Self.pauseMillis } } catch {
                log.debug("re-keyed topics cannot be looked after", ["error": "\(error)"])
            }
        }
    }

    /// Fills topics that are empty, before new events come to them: these are to find the history of their entity.
    func begin() throws {
        defer { close() }
        for feed in feeds {
            let store = try open()
            let isEmpty = try plan.partitions(of: [feed.topic]).allSatisfy { try ends(of: $0) == 0 }
            guard isEmpty else { continue }
            let ranges = try PartitionLedger.published(ofTopic: feed.source.topic, on: store.connection).map {
                ($0, Int64(0))
            }
            _ = try send(feed, ranges, limit: .max, store)
        }
    }

    /// How many events were sent; nil where a topic is not read to its end yet. After a failure the next one begins anew.
    func pass() throws -> Int? {
        do {
            var total = 0
            for feed in feeds {
                guard let count = try pass(feed) else { return nil }
                total += count
            }
            return total
        } catch {
            close()
            throw error
        }
    }

    private func pass(_ feed: ViewFeed) throws -> Int? {
        let store = try open()
        let published = try PartitionLedger.published(ofTopic: feed.source.topic, on: store.connection)
        guard try isRead(feed.topic, store) else { return nil }
        // P goes back with a Postgres that was set back.
        let ranges = published.map { position in
            let from = done[feed.topic]?[position.partition] ?? 0
            return (position, from <= position.offset ? from : 0)
        }
        let (found, new) = try send(feed, ranges, limit: Self.passEvents, store)
        if new == 0, found < Self.passEvents {
            done[feed.topic] = Dictionary(uniqueKeysWithValues: published.map { ($0.partition, $0.offset) })
        }
        return new
    }

    private func send(
        _ feed: ViewFeed, _ ranges: [(before: LogPosition, from: Int64)], limit: Int, _ store: PostgresOfflineStore
    ) throws -> (found: Int, new: Int) {
        let encoder = EventEncoder(feed.source)
        var (found, new) = (0, 0)
        try store.scanMissing(on: feed, in: ranges, limit: limit) { row, _ in
            found += 1
            guard sent[feed.topic, default: IDFilter()].insert(row.hash(feed.source.eventIDIndex)) else { return }
            new += 1
            try publisher.send(row, to: [feed], encoder, timestampMillis: WallClock.nowMillis())
        }
        try publisher.flush()
        if new > 0 { log.info("events were brought to a re-keyed topic", ["topic": feed.topic, "events": new]) }
        return (found, new)
    }

    /// Whether everything on a topic is stored.
    private func isRead(_ topic: String, _ store: PostgresOfflineStore) throws -> Bool {
        var next: [Int32: Int64] = [:]
        for (stored, _) in try PartitionLedger.nextOffsets(on: store.connection) where stored.topic == topic {
            next[stored.partition] = stored.offset
        }
        return try plan.partitions(of: [topic]).allSatisfy { try ends(of: $0) <= next[$0.partition] ?? -1 }
    }

    private func ends(of partition: KafkaPartition) throws -> Int64 {
        let admin = try admin ?? KafkaAdmin(bootstrapServers: plan.bootstrapServers)
        self.admin = admin
        return try admin.watermarks(of: partition).high
    }

    private func open() throws -> PostgresOfflineStore {
        let store = try store ?? PostgresOfflineStore(url: plan.databaseURL, limits: .bulk)
        self.store = store
        return store
    }

    func close() {
        publisher.close()
        store?.connection.close()
        (store, admin) = (nil, nil)
        (done, sent) = ([:], [:])  // After an outage nobody knows what was kept of what was sent.
    }
}
