import FeatureEngine
import FeatureStore
import KafkaClient
import Observability
import Pipeline
import PostgresClient
import PostgresOfflineStore
import StreamRecovery
import TransactionData

/// The events of one feed: stored, and turned into feature rows and online state. Those of a source's own topic are stored whole
/// and, where views have another key, go on to the topic of that key. There the event's place is stored: what the event is, says
/// the row that its source has.
final class EventStage: OnlineStage {
    /// Events of one step of a replay, and about how many bytes of them.
    static let replayStep = 5_000
    static let replayBytes = 32 << 20

    let feed: ViewFeed
    let source: SourceSchema
    private let views: [StreamView]
    /// Where its events go on to.
    private let onward: [ViewFeed]
    let partition: KafkaPartition
    private let partitionCount: Int
    private let definitionHash: [UInt8]
    private let topicBytes: [UInt8]
    let watermarkKey: String
    private let askPartitionCount: () throws -> Int?
    let metrics: TransformMetrics

    private let decoder: EventDecoder
    private let encoder: EventEncoder
    private let events: EventTable
    private let features: [FeatureTable]
    private let table: String
    private let eventColumns: [String]
    private let featureColumns: [[String]]
    private let eventRows = PostgresCopyBuffer(capacity: 1 << 20)
    private let featureRows: [PostgresCopyBuffer]
    private var vectors: [FeatureVector]

    private var deduper = Deduper()
    var entities: OnlineEntities
    /// The watermark exactly as it is stored, as far as this owner knows.
    var left: Watermark?
    var known = KnownEntities()
    var isKnownStored = false
    var horizon = HistoryHorizon()
    var rows: [SourceRow] = []  // reused; the first `taken` are of this batch
    var positions: [Int64] = []
    private var stamps: [Int64] = []
    var places: [Int] = []  // below 0: a repeat, or refused
    var taken: Int { positions.count }

    init(
        _ feed: ViewFeed, repository: FeatureRepository, partition: KafkaPartition, partitionCount: Int,
        metrics: TransformMetrics, askPartitionCount: @escaping () throws -> Int?
    ) {
        self.askPartitionCount = askPartitionCount
        self.feed = feed
        source = feed.source
        self.partition = partition
        self.partitionCount = partitionCount
        self.metrics = metrics
        views = feed.views
        onward = feed.isRekeyed ? [] : repository.rekeyedFeeds(of: feed.source)
        definitionHash = Array(repository.streamHash.utf8)
        topicBytes = Array(partition.topic.utf8)
        watermarkKey = OnlineKeys.watermark(
            hash8: repository.hash8, topic: partition.topic, partition: Int(partition.partition))
        decoder = EventDecoder(source)
        encoder = EventEncoder(source)
        events = EventTable(source)
        features = views.map { FeatureTable($0) }
        table = feed.isRekeyed ? RekeyedTable.name : source.name
        eventColumns = feed.isRekeyed ? RekeyedTable.columns : events.columns
        featureColumns = features.map(\.columns)
        featureRows = views.map { _ in PostgresCopyBuffer(capacity: 1 << 20) }
        vectors = views.map { FeatureVector(count: $0.features.count) }
        entities = OnlineEntities(feed, project: repository.project, hash8: repository.hash8)
    }

    func forget() {
        deduper.forget()
        entities.forget()
        known = KnownEntities()
        release()
    }

    func dropState() { entities.removeAll() }

    func release() {
        dropState()
        left = nil
        isKnownStored = false
        positions.removeAll(keepingCapacity: true)
    }

    func loadIDs(_ ledger: PartitionLedger, from store: PostgresOfflineStore) throws -> Int64 {
        forget()
        var count: Int64 = 0
        var keys = ByteTable()
        try store.scanIDs(feed, partition: ledger.partition) { id, key, position in
            deduper.note(FNV1a64.hash(id))
            entities.note(key: FNV1a64.hash(key), at: position)
            _ = key.withUnsafeBufferPointer { keys.insert($0.span) }
            count += 1
        }
        known = KnownEntities(room: keys.count * 2)
        for number in 0..<keys.count {
            let key = keys[number]
            try check(key)
            _ = known.insert(key)
        }
        return count
    }

    /// What is stored lies where it was read. Under another partitioner its keys would have their history cut in two.
    private func check(_ key: ByteString) throws {
        let home = EntityPlacement.partition(of: key.bytes, among: partitionCount, by: source.partitioner)
        // A key that would be refused today is in no window.
        guard home != partition.partition, KeyRule.problem(key.bytes.span) == nil else { return }
        try requireSameCount()
        throw PipelineStop(
            topic: partition.topic, partition: partition.partition,
            "its stored events do not lie where \(source.partitioner.rawValue), the `partitioner` of source "
                + "\(source.name), puts their keys: set it back to what it was, or read a new topic with a new store")
    }

    /// Stops where the topic has another count of partitions than before: then producers are right and this count is old.
    private func requireSameCount() throws {
        guard let count = try askPartitionCount(), count != partitionCount else { return }
        throw PipelineStop(
            topic: partition.topic, partition: partition.partition,
            .partitionCount(stored: partitionCount, found: count))
    }

    // MARK: A batch

    func begin(isCareful: Bool) {
        deduper.begin(isCareful: isCareful)
        positions.removeAll(keepingCapacity: true)
        stamps.removeAll(keepingCapacity: true)
        entities.trim()
    }

    func accept(_ index: Int, of batch: KafkaBatch, at position: Int64) throws -> RecordRefusal? {
        guard batch.hasValue(at: index) else { return .noValue }
        let slot = taken
        if slot == rows.count { rows.append(SourceRow(source)) }
        do throws(EventError) {
            try batch.withValue(at: index) { (bytes) throws(EventError) in try decoder.decode(bytes, into: &rows[slot])
            }
        } catch {
            return RecordRefusal(.malformed, error.description)
        }
        let home = feed.partition(of: rows[slot], among: partitionCount)
        if home != partition.partition { return try foreign(home) }
        // By another key its own stage has judged that, and the record may have been written again since.
        let stamp = batch.timestampMillis(at: index)
        guard feed.isRekeyed || !PlausibleTime.isAhead(rows[slot].eventTimeMillis, ofRecordAt: stamp) else {
            return RecordRefusal(
                .future,
                "\(source.fields[source.eventTimeIndex].name): is later than the moment the event was produced")
        }
        if let reason = horizon.refusal(
            ofMillis: rows[slot].eventTimeMillis, field: source.fields[source.eventTimeIndex].name)
        {
            return RecordRefusal(.beforeHistory, reason)
        }
        deduper.take(rows[slot].hash(source.eventIDIndex), at: slot)
        positions.append(position)
        stamps.append(stamp)
        return nil
    }

    /// A record in a partition that is not its key's. Before it is refused the topic is asked whether it has as many partitions
    /// as before.
    private func foreign(_ home: Int32) throws -> RecordRefusal {
        try requireSameCount()
        return RecordRefusal(
            .foreignPartition,
            "the record lies in partition \(partition.partition), but its key belongs to partition \(home) by \(source.partitioner.rawValue), the `partitioner` of source \(source.name): have its producer place keys so, or declare another one"
        )
    }

    func prepare(_ claim: PartitionClaim, stores: Stores) throws -> Prepared {
        var prepared = Prepared()
        let repeats = try repeats(stores)
        prepared.duplicates = repeats.count
        if feed.isRekeyed { prepared.refused = try takeStored(without: repeats, stores) }
        let left = repeats.union(prepared.refused.map(\.taken))
        eventRows.removeAll()
        for buffer in featureRows { buffer.removeAll() }
        places.removeAll(keepingCapacity: true)
        for slot in 0..<taken { places.append(left.contains(slot) ? -1 : entities.place(of: rows[slot])) }
        prepared.mark = try load(from: claim.next, claim, stores)
        // Rows computed on another state than this owner left would be wrong; the protocol sees the same and goes back.
        guard prepared.mark == self.left?.mark else { return prepared }
        let created = WallClock.nowMillis()
        for slot in 0..<taken where places[slot] >= 0 {
            prepared.rows += 1
            let position = positions[slot]
            add(rows[slot], at: position)
            for view in views.indices {
                entities.evaluate(places[slot], view: view, row: rows[slot], into: &vectors[view])
                features[view].add(
                    vectors[view], of: rows[slot], topic: topicBytes, partition: partition.partition, v: position - 1,
                    createdMillis: created, definitionHash: definitionHash, to: featureRows[view])
            }
            if !entities.insert(places[slot], row: rows[slot], at: position) { metrics.lateEvents.add() }
        }
        return prepared
    }

    private func add(_ row: SourceRow, at position: Int64) {
        if feed.isRekeyed {
            RekeyedTable.add(
                row.bytes(source.eventIDIndex), topic: topicBytes, partition: partition.partition, offset: position,
                to: eventRows)
        } else {
            events.add(row, topic: topicBytes, partition: partition.partition, offset: position, to: eventRows)
        }
    }

    /// Puts the stored event in place of each record that is none of `repeats`, so that the state is a function of what is stored,
    /// whoever wrote the record. One whose event is not stored, or is another entity's, is refused: where Postgres was set back, the
    /// event's own stage stores it again and sends it again.
    private func takeStored(
        without repeats: Set<Int>, _ stores: Stores
    ) throws -> [(taken: Int, refusal: RecordRefusal)] {
        var slots: [ByteString: Int] = [:]
        for slot in 0..<taken where !repeats.contains(slot) { slots[rows[slot].eventIDBytes] = slot }
        var refused: [(taken: Int, refusal: RecordRefusal)] = []
        try stores.postgres().scanEvents(source, ids: Array(slots.keys)) { row, _ in
            guard let slot = slots.removeValue(forKey: row.eventIDBytes) else { return }
            rows[slot] = row
            guard feed.partition(of: row, among: partitionCount) != partition.partition else { return }
            refused.append((slot, RecordRefusal(.contradiction, "the record has another key than its event")))
        }
        let unknown = RecordRefusal(
            .unknownEvent, "no event of this id is stored: only transform writes to this topic")
        return refused + slots.values.sorted().map { ($0, unknown) }
    }

    /// Which of the events taken are repeats. Exact: the filter only says whom to ask about.
    private func repeats(_ stores: Stores) throws -> Set<Int> {
        guard !deduper.suspects.isEmpty else { return [] }
        var first: [ByteString: Int] = [:]
        for slot in 0..<taken where first[rows[slot].eventIDBytes] == nil { first[rows[slot].eventIDBytes] = slot }
        let ids = Set(deduper.suspects.map { rows[$0].eventIDBytes })
        let store = try stores.postgres()
        let stored =
            feed.isRekeyed
            ? try store.rekeyed(ids, topic: feed.topic)
            : try store.stored(ids, table: source.name, column: source.fields[source.eventIDIndex].name)
        return Set(
            deduper.suspects.filter {
                let id = rows[$0].eventIDBytes
                return stored.contains(id) || first[id] != $0
            })
    }

    func copy(on connection: PostgresConnection) throws {
        try connection.copyIn(table: table, columns: eventColumns, rows: eventRows)
        let ids = feed.isRekeyed ? (0..<taken).filter { places[$0] >= 0 }.map { rows[$0].eventIDBytes } : []
        for view in views.indices {
            // What a backfill computed before the event had its place.
            try features[view].remove(ids, on: connection)
            try connection.copyIn(table: views[view].name, columns: featureColumns[view], rows: featureRows[view])
        }
    }

    func isStored(_ index: Int, of batch: KafkaBatch, at position: Int64, in store: PostgresOfflineStore) throws -> Bool
    {
        var row = SourceRow(source)
        guard
            (try? batch.withValue(at: index) { (bytes) throws(EventError) in try decoder.decode(bytes, into: &row) })
                != nil
        else { return false }
        var (isSame, isThere) = (false, false)
        var (sent, stored): ([UInt8], [UInt8]) = ([], [])
        encoder.encode(row, into: &sent)
        let id = row.eventIDBytes
        try store.scanEvents(feed, partition: partition.partition, offsets: position..<position + 1) { row, _ in
            isThere = true
            encoder.encode(row, into: &stored)
            // By another key the record only gives the place.
            isSame = feed.isRekeyed ? row.eventIDBytes == id : stored == sent
        }
        // Deleted by age: nothing says any more that it was another one.
        return isSame || !isThere && row.eventTimeMillis < horizon.removedBefore
    }
}

extension EventStage: RekeyingStage {
    var outgoing: Int { onward.isEmpty || places.count != taken ? 0 : places.count { $0 >= 0 } }

    func publish(by publisher: RekeyPublisher) throws {
        guard outgoing > 0 else { return }
        for slot in 0..<taken where places[slot] >= 0 {
            try publisher.send(rows[slot], to: onward, encoder, timestampMillis: stamps[slot])
        }
    }

    func republish(_ range: Range<Int64>, from store: PostgresOfflineStore, by publisher: RekeyPublisher) throws {
        guard !onward.isEmpty else { return }
        let now = WallClock.nowMillis()  // The records' own times are not kept.
        try store.scanEvents(feed, partition: partition.partition, offsets: range) { row, _ in
            try publisher.send(row, to: onward, encoder, timestampMillis: now)
        }
    }
}
