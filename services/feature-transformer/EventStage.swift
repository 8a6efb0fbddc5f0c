import FeatureEngine
import FeatureStore
import KafkaClient
import Observability
import PostgresClient
import PostgresOfflineStore
import RedisOnlineStore
import TransactionData

/// The events of one source: stored, and turned into feature rows and online state.
final class EventStage: Stage {
    /// An event may be at most this much later than the moment it was produced.
    static let futureMillis: Int64 = 5 * 60_000
    /// Events of one step of a replay.
    static let replayStep = 5_000

    private let source: SourceSchema
    private let views: [StreamView]
    private let partition: KafkaPartition
    private let partitionCount: Int
    private let definitionHash: [UInt8]
    private let topicBytes: [UInt8]
    private let watermarkKey: String
    private let metrics: TransformMetrics

    private let decoder: EventDecoder
    private let events: EventTable
    private let features: [FeatureTable]
    private let eventColumns: [String]
    private let featureColumns: [[String]]
    private let eventRows = PostgresCopyBuffer(capacity: 1 << 20)
    private let featureRows: [PostgresCopyBuffer]
    private var vectors: [FeatureVector]

    private var filter = IDFilter()
    private var entities: OnlineEntities
    /// The watermark exactly as this owner left it in Redis.
    private var left: Watermark?
    private var rows: [SourceRow] = []  // reused; the first `taken` are of this batch
    private var offsets: [Int64] = []
    private var places: [Int] = []
    private var suspects: [Int] = []
    private var isCareful = false
    private var taken: Int { offsets.count }

    init(
        _ source: SourceSchema, repository: FeatureRepository, partition: KafkaPartition, partitionCount: Int,
        metrics: TransformMetrics
    ) {
        self.source = source
        self.partition = partition
        self.partitionCount = partitionCount
        self.metrics = metrics
        views = repository.views(of: source)
        definitionHash = Array(repository.streamHash.utf8)
        topicBytes = Array(partition.topic.utf8)
        watermarkKey = OnlineKeys.watermark(
            hash8: repository.hash8, topic: partition.topic, partition: Int(partition.partition))
        decoder = EventDecoder(source)
        events = EventTable(source)
        features = views.map { FeatureTable($0) }
        eventColumns = events.columns
        featureColumns = features.map(\.columns)
        featureRows = views.map { _ in PostgresCopyBuffer(capacity: 1 << 20) }
        vectors = views.map { FeatureVector(count: $0.features.count) }
        entities = OnlineEntities(views: views, project: repository.project, hash8: repository.hash8)
    }

    func forget() {
        filter = IDFilter()
        entities.removeAll()
        left = nil
        offsets.removeAll(keepingCapacity: true)
    }

    func loadIDs(_ ledger: PartitionLedger, stores: Stores) throws -> Int64 {
        filter = IDFilter()
        var count: Int64 = 0
        try stores.postgres().scanPartition(
            table: source.name, columns: [source.fields[source.eventIDIndex].name], topic: ledger.topic,
            partition: ledger.partition
        ) { row in
            _ = filter.insert(FNV1a64.hash(row.bytes(0)))
            count += 1
        }
        return count
    }

    // MARK: A batch

    func begin(isCareful: Bool) {
        self.isCareful = isCareful
        offsets.removeAll(keepingCapacity: true)
        suspects.removeAll(keepingCapacity: true)
        entities.trim()
    }

    func take(_ index: Int, of batch: KafkaBatch) -> String? {
        guard batch.hasValue(at: index) else { return "the record has no value" }
        let slot = taken
        if slot == rows.count { rows.append(SourceRow(source)) }
        do throws(EventError) {
            try batch.withValue(at: index) { (bytes) throws(EventError) in try decoder.decode(bytes, into: &rows[slot])
            }
        } catch {
            return error.description
        }
        if let home = home(of: rows[slot]), home != partition.partition {
            return "the record lies in partition \(partition.partition), but its key belongs to partition \(home)"
        }
        guard rows[slot].eventTimeMillis <= batch.timestampMillis(at: index) + Self.futureMillis else {
            return "\(source.fields[source.eventTimeIndex].name): is later than the moment the event was produced"
        }
        if !filter.insert(rows[slot].hash(source.eventIDIndex)) || isCareful { suspects.append(slot) }
        offsets.append(batch.offset(at: index))
        return nil
    }

    private func home(of row: SourceRow) -> Int32? {
        if row.bits(source.keyIndex) != nil { return Murmur2.partition(key: row.key, partitionCount: partitionCount) }
        return Murmur2.partition(key: row.bytes(source.keyIndex).span, partitionCount: partitionCount)
    }

    func prepare(_ state: PartitionState, ledger: PartitionLedger, stores: Stores) throws -> Prepared {
        var prepared = Prepared()
        let repeats = try repeats(stores)
        eventRows.removeAll()
        for buffer in featureRows { buffer.removeAll() }
        places.removeAll(keepingCapacity: true)
        for slot in 0..<taken {
            places.append(repeats.contains(slot) ? -1 : entities.place(of: rows[slot].key))
        }
        let generation = UInt64(state.generation)
        let watermark = try entities.load(
            watermarkKey: watermarkKey, generation: generation, next: state.nextOffset, from: stores.redis())
        guard let watermark, watermark == left else { throw Reassign("the watermark is not as it was left") }

        let created = metrics.nowMillis()
        for slot in 0..<taken {
            guard places[slot] >= 0 else {
                prepared.duplicates += 1
                continue
            }
            prepared.rows += 1
            let offset = offsets[slot]
            events.add(
                rows[slot], topic: topicBytes, partition: partition.partition, offset: offset, to: eventRows)
            for view in views.indices {
                entities.evaluate(places[slot], view: view, row: rows[slot], into: &vectors[view])
                features[view].add(
                    vectors[view], of: rows[slot], topic: topicBytes, partition: partition.partition, v: offset - 1,
                    createdMillis: created, definitionHash: definitionHash, to: featureRows[view])
            }
            if !entities.insert(places[slot], row: rows[slot], offset: offset) { metrics.lateEvents.add() }
        }
        return prepared
    }

    /// Which of the events taken are repeats. Exact: the filter only says whom to ask about.
    private func repeats(_ stores: Stores) throws -> Set<Int> {
        guard !suspects.isEmpty else { return [] }
        var first: [String: Int] = [:]
        for slot in 0..<taken where first[rows[slot].eventID] == nil { first[rows[slot].eventID] = slot }
        let ids = Set(suspects.map { rows[$0].eventID })
        let stored = try stores.postgres().stored(
            Array(ids), table: source.name, column: source.fields[source.eventIDIndex].name)
        return Set(suspects.filter { stored.contains(rows[$0].eventID) || first[rows[$0].eventID] != $0 })
    }

    func copy(on connection: PostgresConnection) throws {
        try connection.copyIn(table: source.name, columns: eventColumns, rows: eventRows)
        for view in views.indices {
            try connection.copyIn(table: views[view].name, columns: featureColumns[view], rows: featureRows[view])
        }
    }

    func writeOnline(_ advance: PartitionAdvance, stores: Stores) throws {
        try writeBlobs(to: advance.to, newestMillis: advance.lastTimestamp, stores.redis())
    }

    /// Blobs first, all of them acknowledged; then the watermark.
    private func writeBlobs(to next: Int64, newestMillis: Int64, _ redis: RedisOnlineStore) throws {
        guard let from = left else { throw Reassign("the watermark is not known") }
        guard try redis.write(entities.changedBlobs()) == .accepted else {
            throw Reassign("a newer blob is stored")
        }
        let to = from.moved(to: next, newestMillis: newestMillis)
        guard try redis.move(watermarkKey, from: from, to: to) == .accepted else {
            throw Reassign("the watermark is not as it was left")
        }
        left = to
    }

    // MARK: Recovery

    func restoreOnline(
        _ state: inout PartitionState, rebuildAbove: UInt64?, ledger: PartitionLedger, stores: Stores
    ) throws {
        let redis = try stores.redis()
        let (watermark, _) = try redis.read(watermarkKey: watermarkKey, blobKeys: [])
        var start = OnlineStart.plan(watermark: watermark, generation: state.generation, next: state.nextOffset)
        if let rebuildAbove, rebuildAbove >= UInt64(state.generation) { start = .rebuild }
        switch start {
        case .replay: left = watermark
        case .rebuild:
            let generation = Watermark.generation(
                above: state.generation, [watermark?.generation, rebuildAbove].compactMap { $0 })
            try ledger.set(generation: Int64(generation), epoch: state.epoch, on: stores.postgres().connection)
            state.generation = Int64(generation)
            // The target makes every reader say "degraded" until all that Postgres has is in the blobs again.
            let planted = Watermark(generation: generation, nextOffset: 0, target: state.nextOffset)
            guard try redis.plant(watermarkKey, planted) == .accepted else {
                throw Reassign("another owner planted a watermark")
            }
            left = planted
        }
        try replay(state: state, ledger: ledger, stores: stores)
    }

    /// Applies the stored events of [from, N) to the blobs, step by step, so that a crash goes on where it was.
    private func replay(state: PartitionState, ledger: PartitionLedger, stores: Stores) throws {
        let redis = try stores.redis()
        let generation = UInt64(state.generation)
        while let from = left?.nextOffset, from < state.nextOffset {
            offsets.removeAll(keepingCapacity: true)
            try stores.postgres().scanEvents(
                source, topic: ledger.topic, partition: ledger.partition, offsets: from..<state.nextOffset,
                limit: Self.replayStep
            ) { row, position in
                if taken < rows.count { rows[taken] = row } else { rows.append(row) }
                offsets.append(position.offset)
            }
            let next = taken < Self.replayStep ? state.nextOffset : offsets[taken - 1] + 1
            places = (0..<taken).map { entities.place(of: rows[$0].key) }
            let watermark = try entities.load(
                watermarkKey: watermarkKey, generation: generation, next: state.nextOffset, from: redis)
            guard watermark == left else { throw Reassign("the watermark is not as it was left") }
            for slot in 0..<taken { entities.insert(places[slot], row: rows[slot], offset: offsets[slot]) }
            // Between the ends no record's timestamp is stored.
            try writeBlobs(to: next, newestMillis: next == state.nextOffset ? state.lastTimestamp : -1, redis)
            entities.trim()
        }
    }

    func check(_ state: PartitionState, ledger: PartitionLedger, stores: Stores) throws {
        let (watermark, _) = try stores.redis().read(watermarkKey: watermarkKey, blobKeys: [])
        guard let watermark, watermark == left else {
            throw Reassign("the watermark is not as it was left")
        }
    }
}
