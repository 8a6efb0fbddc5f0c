import FeatureEngine
import FeatureStore
import KafkaClient
import RedisClient

/// The log position a served view was read at.
struct ViewPosition: Equatable {
    let generation: UInt64
    /// v: the last position applied; −1 for none.
    let offset: Int64
    let partition: Int32
}

/// Why an answer is degraded: what of the online state was not there, or not to be believed. Empty when all was there.
struct Degradation: OptionSet, Hashable {
    let rawValue: UInt8

    /// The store could not be asked, or not in time; or nobody knows the topic's partitions yet.
    static let offline = Degradation(rawValue: 1)
    /// There is no watermark that can be read: nobody knows what the store has of the partition.
    static let noWatermark = Degradation(rawValue: 2)
    /// A blob does not decode.
    static let unreadable = Degradation(rawValue: 4)
    /// An entity has more retained events than are evaluated for a request.
    static let tooManyEvents = Degradation(rawValue: 8)
    /// The deadline passed before all views were evaluated.
    static let late = Degradation(rawValue: 16)

    /// Every reason, with the name it has in metrics.
    static let names: [(reason: Degradation, name: String)] = [
        (.offline, "offline"), (.noWatermark, "no_watermark"), (.unreadable, "unreadable"),
        (.tooManyEvents, "too_many_events"), (.late, "late"),
    ]
}

/// Where the values of one row lie in the answer to a read.
struct OnlineRead {
    var partition: Int32 = 0
    /// One for each view, then the watermark's; −1 for a view that was not asked for.
    var slots: [Int32] = []
}

/// Joins a request with the online state of its entities: which keys to read, and what their values mean.
///
/// Beside each view's blob the watermark of the entity's partition is read in the same MGET. Without it nobody knows how far
/// the online store is, so the views are missing and the answer is degraded; with it, a missing blob is a new entity.
///
/// What is evaluated for one row is bounded: a view whose entity has more retained events than `eventsMax` is missing, and is
/// not read again for a while, since its bytes alone would keep everybody else waiting.
struct OnlineJoin {
    /// Most retained events of one entity that are evaluated.
    let eventsMax: Int
    /// How long an entity that has too many is not read, µs.
    static let tooManyMicros: Int64 = 30_000_000
    /// Bytes of a blob from which on the clock is looked at before it is read.
    private static let largeBytes = 16_384

    private let micros: () -> Int64
    private let views: [StreamView]
    private let prefixes: [[UInt8]]
    private let watermarkPrefix: [UInt8]
    private var watermarkKeys: [[UInt8]] = []
    private let keyIndex: Int
    /// Keys of entities that have too many events, and until when they are not read.
    private var tooMany: [ByteString: Int64] = [:]
    /// What each view decoded last, while the rows of one read share their entities.
    private var shared: [(slot: Int32, state: EntityState)?]?

    init(_ service: FeatureService, project: String, hash8: String, eventsMax: Int, micros: @escaping () -> Int64) {
        self.eventsMax = eventsMax
        self.micros = micros
        views = service.views
        prefixes = service.views.map {
            Array(OnlineKeys.blob(project: project, view: $0.name, hash8: hash8, entity: "").utf8)
        }
        keyIndex = service.source.keyIndex
        let first = OnlineKeys.watermark(hash8: hash8, topic: service.source.topic, partition: 0)
        watermarkPrefix = Array(first.utf8.dropLast())
    }

    /// How many keys one request reads.
    var keysPerRow: Int { views.isEmpty ? 0 : views.count + 1 }

    /// Whether it is known where to read: what needs no store is always ready.
    var isReady: Bool { views.isEmpty || partitionCount != nil }

    /// The number of partitions of the source's topic, once it is known.
    var partitionCount: Int? {
        get { watermarkKeys.isEmpty ? nil : watermarkKeys.count }
        set { watermarkKeys = (0..<(newValue ?? 0)).map { watermarkPrefix + Array(String($0).utf8) } }
    }

    // MARK: Keys

    /// Adds the keys of one request. With `isShared` a key that is in the list already is not added again.
    func appendKeys(
        _ row: SourceRow, to keys: inout OnlineKeyList, isShared: Bool = false, nowMicros: Int64,
        into read: inout OnlineRead
    ) {
        read.slots.removeAll(keepingCapacity: true)
        for (view, prefix) in zip(views, prefixes) {
            row.withCanonicalBytes(view.joinKeyIndex) { entity in
                if !tooMany.isEmpty, let until = tooMany[Self.key(prefix, entity)], until > nowMicros {
                    read.slots.append(-1)
                } else {
                    read.slots.append(keys.append(prefix, entity, isShared: isShared))
                }
            }
        }
        read.partition = row.withKeyBytes { Murmur2.partition(key: $0, partitionCount: watermarkKeys.count) }
        read.slots.append(keys.append(watermarkKeys[Int(read.partition)], isShared: isShared))
    }

    private static func key(_ prefix: [UInt8], _ entity: Span<UInt8>) -> ByteString {
        ByteString(prefix + entity.withUnsafeBufferPointer { Array($0) })
    }

    private mutating func noteTooMany(_ view: Int, _ row: SourceRow, nowMicros: Int64) {
        // Rare, and bounded: all are forgotten rather than one more kept.
        if tooMany.count >= 1_024 { tooMany = [:] }
        let key = row.withCanonicalBytes(views[view].joinKeyIndex) { Self.key(prefixes[view], $0) }
        tooMany[key] = nowMicros + Self.tooManyMicros
    }

    // MARK: Values

    /// The rows evaluated from now on come from one read: an entity that several of them name is decoded once.
    mutating func beginSharing() { shared = Array(repeating: nil, count: views.count) }

    /// Lets go of what was shared.
    mutating func endSharing() { shared = nil }

    /// Evaluates every view at the request's time. What cannot be known is missing, and is said.
    mutating func evaluate(
        _ values: borrowing RedisValues, _ read: OnlineRead, row: SourceRow, nowMicros: Int64, deadlineMicros: Int64,
        into vectors: inout [FeatureVector], positions: inout [ViewPosition?]
    ) -> Degradation {
        guard values.failure == nil else {
            makeMissing(&vectors, &positions)
            return .offline
        }
        guard let watermark = values.withValue(Int(read.slots[views.count]), Self.watermark) else {
            makeMissing(&vectors, &positions)
            return .noWatermark
        }
        var degradation: Degradation = []
        for index in views.indices {
            switch state(of: index, values, read.slots[index], watermark, deadlineMicros) {
            case .known(let state):
                state.evaluate(atMillis: row.eventTimeMillis, current: row, into: &vectors[index])
                positions[index] = ViewPosition(
                    generation: state.generation, offset: state.offset, partition: read.partition)
            case .missing(let reason):
                vectors[index].reset()
                positions[index] = nil
                degradation.insert(reason)
                if reason == .tooManyEvents, read.slots[index] >= 0 { noteTooMany(index, row, nowMicros: nowMicros) }
            }
        }
        return degradation
    }

    private enum View {
        case known(EntityState)
        case missing(Degradation)
    }

    private mutating func state(
        of index: Int, _ values: borrowing RedisValues, _ slot: Int32, _ watermark: (generation: UInt64, next: Int64),
        _ deadlineMicros: Int64
    ) -> View {
        guard slot >= 0 else { return .missing(.tooManyEvents) }
        if let last = shared?[index], last.slot == slot { return .known(last.state) }
        let view = views[index]
        let (limit, micros) = (eventsMax, micros)
        let found = values.withValue(Int(slot)) { blob -> View in
            // No event of the entity lies before the watermark, or only events of a log that is gone.
            let empty = EntityState(view, generation: watermark.generation, offset: watermark.next - 1)
            guard let blob else { return .known(empty) }
            // An event is a byte at least, and about eight; more than 32 is long texts, which cost as much.
            if blob.count > limit, EntityState.eventCount(ofBlob: blob) > limit || blob.count / 32 > limit {
                return .missing(.tooManyEvents)
            }
            if blob.count > Self.largeBytes, micros() > deadlineMicros { return .missing(.late) }
            guard let state = try? EntityState(view, blob: blob) else { return .missing(.unreadable) }
            return .known(state.generation < watermark.generation ? empty : state)
        }
        if shared != nil, case .known(let state) = found { shared?[index] = (slot, state) }
        return found
    }

    /// What is served when the store cannot be asked.
    func makeMissing(_ vectors: inout [FeatureVector], _ positions: inout [ViewPosition?]) {
        for index in vectors.indices {
            vectors[index].reset()
            positions[index] = nil
        }
    }

    private static func watermark(_ bytes: Span<UInt8>?) -> (generation: UInt64, next: Int64)? {
        guard let bytes, bytes.count == 16 else { return nil }
        var generation: UInt64 = 0
        var next: UInt64 = 0
        for index in 0..<8 {
            generation = generation << 8 | UInt64(bytes[index])
            next = next << 8 | UInt64(bytes[index + 8])
        }
        return (generation, Int64(bitPattern: next))
    }
}
