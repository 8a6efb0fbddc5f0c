import FeatureEngine
import FeatureStore
import Foundation
import KafkaClient
import Pipeline
import PostgresClient
import PostgresOfflineStore
import RedisOnlineStore
import TestSupport
import Testing
import TransactionData

/// What must be in the stores, computed from the log alone, the obvious slow way.
struct LogOracle {
    struct Accepted {
        let position: LogPosition
        let row: SourceRow
        let features: FeatureVector
    }

    private(set) var accepted: [LogPosition: Accepted] = [:]
    private(set) var refused: Set<LogPosition> = []
    private(set) var duplicates = 0
    private(set) var ends: [Int32: Int64] = [:]
    private(set) var naive: NaiveFeatures
    private var newest: [ByteString: Accepted] = [:]
    private let feed: ViewFeed
    private let view: StreamView
    private let topic: String

    /// Reads the whole topic.
    init(_ harness: PipelineHarness) throws {
        let feed = try #require(harness.repository.feeds.first { $0.topic == harness.topic })
        try self.init(harness, feed) { row, batch, index in
            PlausibleTime.isAhead(row.eventTimeMillis, ofRecordAt: batch.timestampMillis(at: index)) ? nil : row
        }
    }

    /// Reads a topic that holds the events of `own` by another key. What an event is says its source's log.
    init(_ harness: PipelineHarness, _ feed: ViewFeed, own: LogOracle) throws {
        let rows = Dictionary(uniqueKeysWithValues: own.accepted.values.map { ($0.row.eventIDBytes, $0.row) })
        try self.init(harness, feed) { row, _, _ in rows[row.eventIDBytes] }
    }

    private init(
        _ harness: PipelineHarness, _ feed: ViewFeed, event: (SourceRow, KafkaBatch, Int) -> SourceRow?
    ) throws {
        (self.feed, topic) = (feed, feed.topic)
        view = try #require(feed.views.first)
        naive = NaiveFeatures(view)
        let decoder = EventDecoder(harness.source)
        var read = SourceRow(harness.source)
        for (position, batch, index) in try Self.records(topic, harness) {
            ends[position.partition] = position.offset + 1
            guard batch.hasValue(at: index),
                (try? batch.withValue(
                    at: index, { (bytes) throws(EventError) in try decoder.decode(bytes, into: &read) })) != nil,
                let row = event(read, batch, index), let key = row.canonicalText(feed.keyIndex),
                EntityPlacement.partition(of: key, among: harness.partitionCount, by: .murmur2) == position.partition
            else {
                refused.insert(position)
                continue
            }
            let vector = naive.evaluate(
                entity: key, atMillis: row.eventTimeMillis, upTo: position.offset - 1, current: row)
            guard naive.insert(row, position: position.offset) else {
                duplicates += 1
                continue
            }
            let event = Accepted(position: position, row: row, features: vector)
            accepted[position] = event
            newest[ByteString(key)] = event
        }
    }

    /// Every record of a topic, partition after partition.
    static func records(_ topic: String, _ harness: PipelineHarness) throws -> [(LogPosition, KafkaBatch, Int)] {
        let consumer = try KafkaConsumer(
            KafkaConsumerConfiguration(bootstrapServers: harness.kafka.bootstrapServers, group: "oracle"))
        defer { consumer.close() }
        var records: [(LogPosition, KafkaBatch, Int)] = []
        for number in 0..<Int32(harness.partitionCount) {
            let partition = KafkaPartition(topic, number)
            let marks = try consumer.watermarks(of: partition, timeoutMillis: 20_000)
            guard marks.high > marks.low else { continue }
            try consumer.assign(partition, offset: marks.low)
            var next = marks.low
            let deadline = Date(timeIntervalSinceNow: 60)
            while next < marks.high {
                guard Date() < deadline else { throw TestServerError("\(partition) does not answer") }
                let batch = try consumer.nextBatch(max: 5_000, timeoutMillis: 200)
                for index in 0..<batch.count {
                    let offset = batch.offset(at: index)
                    records.append((LogPosition(topic: topic, partition: number, offset: offset), batch, index))
                    next = offset + 1
                }
            }
            try consumer.unassign(partition)
        }
        return records
    }

    /// Holds both stores against the log: every row and every bit.
    func check(_ harness: PipelineHarness, sourceLocation: Testing.SourceLocation = #_sourceLocation) throws {
        let store = try harness.store()
        try checkEvents(store, harness, sourceLocation)
        try checkFeatures(store, harness, sourceLocation)
        try checkCounts(store, harness, sourceLocation)
        try checkOnline(harness, sourceLocation)
        let published = Set(
            try Self.records(PipelineTopics.deadLetters(of: topic), harness).map { _, batch, index in
                try DeadLetterRecord(
                    headers: batch.headers(at: index).map { ($0.name, $0.value) }, key: nil, value: nil,
                    timestampMillis: 0
                ).position
            })
        #expect(published == refused, "every refused record is published, and no other", sourceLocation: sourceLocation)
    }

    private func checkEvents(
        _ store: PostgresOfflineStore, _ harness: PipelineHarness, _ place: Testing.SourceLocation
    ) throws {
        var (rows, wrong) = (0, 0)
        var bytes: [UInt8] = []
        var expected: [UInt8] = []
        let encoder = EventEncoder(harness.source)
        try store.scanEvents(feed) { row, place in
            guard let position = place else {
                wrong += 1
                return
            }
            rows += 1
            bytes.removeAll()
            expected.removeAll()
            encoder.encode(row, into: &bytes)
            if let event = accepted[position] { encoder.encode(event.row, into: &expected) }
            if bytes != expected { wrong += 1 }
        }
        #expect(rows == accepted.count, "one stored event for each accepted one", sourceLocation: place)
        #expect(wrong == 0, "stored events are what was sent", sourceLocation: place)
    }

    private func checkFeatures(
        _ store: PostgresOfflineStore, _ harness: PipelineHarness, _ place: Testing.SourceLocation
    ) throws {
        var (rows, wrong) = (0, 0)
        try store.scanFeatures(view) { eventID, before, vector in
            rows += 1
            let position = LogPosition(topic: before.topic, partition: before.partition, offset: before.offset + 1)
            guard let event = accepted[position], event.row.eventIDBytes == ByteString(eventID) else {
                wrong += 1
                return
            }
            if !vector.isIdentical(to: event.features) { wrong += 1 }
        }
        #expect(rows == accepted.count, "one feature row for each accepted event", sourceLocation: place)
        #expect(wrong == 0, "feature rows equal the naive features, bit for bit", sourceLocation: place)
    }

    private func checkCounts(
        _ store: PostgresOfflineStore, _ harness: PipelineHarness, _ place: Testing.SourceLocation
    ) throws {
        let letters = try store.connection.query(
            "SELECT _partition, _offset FROM dead_letters WHERE _topic = $1", [.text(topic)])
        let stored = Set(
            (0..<letters.count).map { row in
                LogPosition(
                    topic: topic, partition: Int32(letters.integer(row, 0) ?? -1),
                    offset: letters.integer(row, 1) ?? -1)
            })
        #expect(stored == refused, "dead letters are the refused records", sourceLocation: place)
        let states = try store.connection.query(
            "SELECT partition, next_offset, duplicates, gaps FROM partition_state WHERE topic = $1",
            [.text(topic)])
        var (counted, gaps) = (0, 0)
        for row in 0..<states.count {
            let partition = Int32(states.integer(row, 0) ?? -1)
            #expect(states.integer(row, 1) == ends[partition] ?? 0, "everything was read", sourceLocation: place)
            counted += Int(states.integer(row, 2) ?? 0)
            gaps += Int(states.integer(row, 3) ?? 0)
        }
        #expect(counted == duplicates, sourceLocation: place)
        let total = Int(ends.values.reduce(0, +))
        #expect(
            accepted.count + stored.count + counted + gaps == total, "rows, dead letters and repeats add up to the log",
            sourceLocation: place)
    }

    private func checkOnline(_ harness: PipelineHarness, _ place: Testing.SourceLocation) throws {
        let redis = try RedisOnlineStore(url: harness.redis.url)
        let repository = harness.repository
        var wrong = 0
        for (entity, event) in newest.map({ ($0.key.description, $0.value) }) {
            let key = OnlineKeys.blob(
                project: repository.project, view: view.name, hash8: repository.hash8, entity: entity)
            let mark = OnlineKeys.watermark(
                hash8: repository.hash8, topic: topic, partition: Int(event.position.partition))
            let (watermark, blobs) = try redis.read(watermarkKey: mark, blobKeys: [key])
            guard let watermark, let blob = blobs[0], let state = try? EntityState(view, blob: blob.span),
                watermark.nextOffset == ends[event.position.partition], state.generation == watermark.generation,
                state.offset == event.position.offset
            else {
                wrong += 1
                continue
            }
            for later in [Int64(0), 1, 60_000, 86_400_000] {
                var vector = FeatureVector(count: view.features.count)
                state.evaluate(atMillis: event.row.eventTimeMillis + later, into: &vector)
                let expected = naive.evaluate(entity: entity, atMillis: event.row.eventTimeMillis + later)
                if !vector.isIdentical(to: expected) { wrong += 1 }
            }
        }
        #expect(wrong == 0, "the online state of every card equals the naive features", sourceLocation: place)
    }
}
