import FeatureEngine
import FeatureStore
import Pipeline
import RedisClient

/// Why an answer is degraded: what of the online state was not there, or not to be believed. Empty when all was there.
struct Degradation: OptionSet, Hashable {
    let rawValue: UInt16

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
    /// The partition's state is being built again: what is missing may exist.
    static let rebuilding = Degradation(rawValue: 32)
    /// The partition's state is older than allowed.
    static let stale = Degradation(rawValue: 64)
    /// An entity has no blob, and is known or cannot be shown to be new.
    static let lost = Degradation(rawValue: 128)
    /// The request is older than the history that is kept: events of its windows may have been deleted by age.
    static let beforeHistory = Degradation(rawValue: 256)

    /// Every reason, with the name it has in metrics.
    static let names: [(reason: Degradation, name: String)] = [
        (.offline, "offline"), (.noWatermark, "no_watermark"), (.unreadable, "unreadable"),
        (.tooManyEvents, "too_many_events"), (.late, "late"), (.rebuilding, "rebuilding"), (.stale, "stale"),
        (.lost, "lost"), (.beforeHistory, "before_history"),
    ]
}

/// One moment, of two clocks.
struct Moment {
    /// Of the wall clock, ms since 1970.
    var wallMillis: Int64
    /// Of the clock that never goes back, µs.
    var micros: Int64
}

/// Where the values of one row lie in the answer to a read.
struct OnlineRead {
    /// The partition of the row's entity in each feed.
    var partitions: [Int32] = []
    /// One for each view, then each feed's watermark's and heartbeat's; −1 for a view that was not asked for.
    var slots: [Int32] = []
}

/// A row whose views are evaluated, kept while it is asked whether its entities without a blob are new.
struct JoinedRow {
    var vectors: [FeatureVector]
    var positions: [ViewPosition?]
    var degradation: Degradation
    /// Views that were evaluated for a new entity, which is yet to be shown.
    var unproven: [Int]
}

/// Joins a request with the online state of its entities: which keys to read, and what their values mean.
///
/// Beside each view's blob the watermark of its entity's partition and its heartbeat are read in the same MGET, once for all views
/// of one feed. What that says:
///
///     no watermark, or below its target    nobody knows what the store lacks: the views are missing, degraded
///     newest record and heartbeat too old  the state stands still: the views as they are, degraded
///     no blob                              a new entity, if the partition's filter of known entities says so
///     blob that does not decode            that view is missing, degraded
///     a window that begins before history  the view as it is, degraded: a state built anew would lack what was deleted
///
/// What is evaluated for one row is bounded: a view whose entity has more retained events than `eventsMax` is missing, and is
/// not read again, since its bytes alone would keep everybody else waiting; now and then its header is, which says whether it
/// has become smaller.
struct OnlineJoin {
    private let limits: ServingLimits
    /// How long the header of an entity that has too many is not looked at again, µs.
    static let tooManyMicros: Int64 = 30_000_000
    /// Events of a state whose memory is kept for the next.
    private static let keptEvents = 8_192
    /// Bytes of a blob from which on the clock is looked at before it is read.
    private static let largeBytes = 16_384

    private let micros: () -> Int64
    private let views: [StreamView]
    private let prefixes: [[UInt8]]
    private let hash8: String
    private var feeds: [Feed]
    /// Which of the feeds each view has.
    private let feedOfView: [Int]
    /// The first event time at which nothing that each view looks back at was deleted.
    private var wholeFromMillis: [Int64]
    /// Blobs with too many events, and until when their headers are not looked at.
    private var tooMany: [ByteString: Int64] = [:]
    /// What each view decoded last; its memory serves the next row.
    private var states: [EntityState]
    /// Where that came from, while the rows of one read share their entities.
    private var shared: [(slot: Int32, view: View)?]?
    /// Views of the row evaluated last that are those of a new entity, which is yet to be shown.
    private(set) var unproven: [Int] = []

    /// One feed of the service's views.
    private struct Feed {
        let feed: ViewFeed
        /// The service's views that it feeds, by their places.
        let views: [Int]
        /// The keys of each partition; none until it is known how many there are.
        var partitions: [PartitionKeys] = []
    }

    private struct PartitionKeys {
        let watermark: [UInt8]
        let alive: [UInt8]
        let known: [UInt8]
    }

    init(
        _ service: FeatureService, project: String, hash8: String, limits: ServingLimits, micros: @escaping () -> Int64
    ) {
        self.limits = limits
        self.micros = micros
        self.hash8 = hash8
        views = service.views
        states = service.views.map { EntityState($0) }
        wholeFromMillis = service.views.map { _ in .min }
        let names = views.map(\.name)
        feeds = ViewFeed.feeds(of: views).map { feed in
            Feed(feed: feed, views: feed.views.compactMap { names.firstIndex(of: $0.name) })
        }
        let feeds = feeds
        feedOfView = views.indices.map { view in feeds.firstIndex { $0.views.contains(view) } ?? 0 }
        prefixes = service.views.map {
            Array(OnlineKeys.blob(project: project, view: $0.name, hash8: hash8, entity: "").utf8)
        }
    }

    /// How many keys one request reads.
    var keysPerRow: Int { views.count + 2 * feeds.count }

    /// Whether it is known where to read: what needs no store is always ready.
    var isReady: Bool { feeds.allSatisfy { !$0.partitions.isEmpty } }

    /// The number of partitions of a topic.
    mutating func use(partitionCount count: Int, of topic: String) {
        for index in feeds.indices where feeds[index].feed.topic == topic {
            feeds[index].partitions = (0..<count).map { partition in
                let watermark = OnlineKeys.watermark(hash8: hash8, topic: topic, partition: partition)
                return PartitionKeys(
                    watermark: Array(watermark.utf8), alive: Array(OnlineKeys.alive(watermarkKey: watermark).utf8),
                    known: Array(OnlineKeys.known(watermarkKey: watermark).utf8))
            }
        }
    }

    /// How far back the history of a topic reaches.
    mutating func use(_ horizon: HistoryHorizon, of topic: String) {
        for index in views.indices where views[index].source.topic == topic {
            wholeFromMillis[index] = horizon.firstWholeMillis(lookBackMillis: views[index].retentionMillis)
        }
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
                if !tooMany.isEmpty, tooMany[Self.key(prefix, entity)] != nil {
                    read.slots.append(-1)
                } else {
                    read.slots.append(keys.append(prefix, entity, isShared: isShared))
                }
            }
        }
        read.partitions.removeAll(keepingCapacity: true)
        for feed in feeds.indices {
            let number = feeds[feed].feed.partition(of: row, among: feeds[feed].partitions.count)
            read.partitions.append(number)
            read.slots.append(keys.append(feeds[feed].partitions[Int(number)].watermark, isShared: isShared))
            read.slots.append(keys.append(feeds[feed].partitions[Int(number)].alive, isShared: isShared))
        }
    }

    /// The filter to ask, and the entity to ask for, whether the entity of a view is new.
    func filter(of view: Int, _ row: SourceRow, _ read: OnlineRead) -> (key: [UInt8], entity: ByteString) {
        let entity = row.withCanonicalBytes(views[view].joinKeyIndex) { ByteString(copying: $0) }
        let feed = feedOfView[view]
        return (feeds[feed].partitions[Int(read.partitions[feed])].known, entity)
    }

    private static func key(_ prefix: [UInt8], _ entity: Span<UInt8>) -> ByteString {
        ByteString(prefix + entity.withUnsafeBufferPointer { Array($0) })
    }

    /// The blobs of a row whose headers are to be read: those that have too many events, when it is time to look again, and
    /// with `isLate` also others, since a blob that comes too late may be one that is too large.
    func blobsToProbe(_ row: SourceRow, isLate: Bool, nowMicros: Int64) -> [ByteString] {
        guard isLate || !tooMany.isEmpty else { return [] }
        return zip(views, prefixes).compactMap { view, prefix in
            let key = row.withCanonicalBytes(view.joinKeyIndex) { Self.key(prefix, $0) }
            guard let until = tooMany[key] else { return isLate ? key : nil }
            return until <= nowMicros ? key : nil
        }
    }

    /// Takes note of how many events a blob has by its header, which is empty where there is none.
    mutating func note(_ blob: ByteString, header: [UInt8], nowMicros: Int64) {
        if EntityState.eventCount(ofBlob: header.span) > limits.eventsMax {
            noteTooMany(blob, nowMicros: nowMicros)
        } else {
            tooMany[blob] = nil
        }
    }

    private mutating func noteTooMany(_ blob: ByteString, nowMicros: Int64) {
        // Rare, and bounded: all are forgotten rather than one more kept.
        if tooMany.count >= 1_024 { tooMany = [:] }
        tooMany[blob] = nowMicros + Self.tooManyMicros
    }

    // MARK: Values

    /// The rows evaluated from now on come from one read: an entity that several of them name is decoded once.
    mutating func beginSharing() { shared = Array(repeating: nil, count: views.count) }

    /// Lets go of what was shared.
    mutating func endSharing() { shared = nil }

    /// Evaluates every view at the request's time, at `now` of the wall clock. What cannot be known is missing, and is said;
    /// what `unproven` lists is to be settled before the row is scored.
    mutating func evaluate(
        _ values: borrowing RedisValues, _ read: OnlineRead, row: SourceRow, now: Moment, deadlineMicros: Int64,
        into vectors: inout [FeatureVector], positions: inout [ViewPosition?]
    ) -> Degradation {
        unproven.removeAll(keepingCapacity: true)
        var degradation: Degradation = []
        for feed in feeds.indices {
            switch standing(feed, values, read) {
            case .known(let standing):
                if isStale(standing, now) { degradation.insert(.stale) }
                for index in feeds[feed].views {
                    switch view(index, values, read.slots[index], standing.watermark, deadlineMicros) {
                    case .known(let isProven):
                        if row.eventTimeMillis < wholeFromMillis[index] { degradation.insert(.beforeHistory) }
                        states[index].evaluate(atMillis: row.eventTimeMillis, current: row, into: &vectors[index])
                        positions[index] = ViewPosition(
                            generation: states[index].generation, offset: states[index].offset,
                            partition: read.partitions[feed], asOfMillis: standing.asOfMillis)
                        // The memory of few, not of the largest entity there is.
                        if shared == nil, states[index].count > Self.keptEvents {
                            states[index] = EntityState(views[index])
                        }
                        if !isProven { unproven.append(index) }
                    case .missing(let reason):
                        makeMissing(index, &vectors, &positions)
                        degradation.insert(reason)
                        if reason == .tooManyEvents, read.slots[index] >= 0 {
                            let key = row.withCanonicalBytes(views[index].joinKeyIndex) {
                                Self.key(prefixes[index], $0)
                            }
                            noteTooMany(key, nowMicros: now.micros)
                        }
                    }
                }
            case .unknown(let reason):
                for index in feeds[feed].views { makeMissing(index, &vectors, &positions) }
                degradation.insert(reason)
            }
        }
        return degradation
    }

    /// How far the partition of a row's entity is in one feed.
    private enum Standing {
        case known(Progress)
        case unknown(Degradation)
    }

    private struct Progress {
        let watermark: Watermark
        let asOfMillis: Int64
    }

    private func standing(_ feed: Int, _ values: borrowing RedisValues, _ read: OnlineRead) -> Standing {
        guard values.failure == nil else { return .unknown(.offline) }
        let slot = Int(read.slots[views.count + 2 * feed])
        guard let watermark = values.withValue(slot, Self.watermark) else { return .unknown(.noWatermark) }
        guard watermark.isComplete else { return .unknown(.rebuilding) }
        let alive = values.withValue(Int(read.slots[views.count + 2 * feed + 1]), Self.alive)
        return .known(Progress(watermark: watermark, asOfMillis: max(watermark.newestMillis, alive)))
    }

    /// Whether the state stands still: the newest applied record and the last moment at the log's end are both too long ago.
    /// An idle stream is not old, for its owner goes on saying that it is at the end.
    private func isStale(_ progress: Progress, _ now: Moment) -> Bool {
        guard limits.featureAgeMillisMax > 0, progress.asOfMillis >= 0 else { return false }
        let (age, overflow) = now.wallMillis.subtractingReportingOverflow(progress.asOfMillis)
        return !overflow && age > limits.featureAgeMillisMax
    }

    private enum View {
        case known(isProven: Bool)  // its state is in `states`
        case missing(Degradation)
    }

    private mutating func view(
        _ index: Int, _ values: borrowing RedisValues, _ slot: Int32, _ watermark: Watermark, _ deadlineMicros: Int64
    ) -> View {
        guard slot >= 0 else { return .missing(.tooManyEvents) }
        if let last = shared?[index], last.slot == slot { return last.view }
        let (view, limit, micros) = (views[index], limits.eventsMax, micros)
        let found = values.withValue(Int(slot)) { blob -> View in
            if let blob {
                // An event is a byte at least, and about eight; more than 32 is long texts, which cost as much.
                if blob.count > limit, EntityState.eventCount(ofBlob: blob) > limit || blob.count / 32 > limit {
                    return .missing(.tooManyEvents)
                }
                if blob.count > Self.largeBytes, micros() > deadlineMicros { return .missing(.late) }
            }
            do throws(OnlineFault) {
                try OnlineView.load(&states[index], blob: blob, under: watermark)
                return .known(isProven: true)
            } catch {
                switch error {
                // No event of the entity lies before the watermark, or its blob was lost: where nothing was applied it is new.
                case .absent, .outdated:
                    states[index] = OnlineView.empty(view, under: watermark)
                    return .known(isProven: watermark.nextOffset == 0)
                case .unreadable, .ahead: return .missing(.unreadable)
                }
            }
        }
        if shared != nil { shared?[index] = (slot, found) }
        return found
    }

    /// The answer about an unproven view of a row: nil when there was none.
    func settle(_ row: inout JoinedRow, view: Int, _ answer: KnownEntities.Answer?) {
        guard answer != .new else { return }
        row.vectors[view].reset()
        row.positions[view] = nil
        row.degradation.insert(answer == nil ? .late : .lost)
    }

    /// What is served when the store cannot be asked.
    func makeMissing(_ vectors: inout [FeatureVector], _ positions: inout [ViewPosition?]) {
        for index in vectors.indices { makeMissing(index, &vectors, &positions) }
    }

    private func makeMissing(_ view: Int, _ vectors: inout [FeatureVector], _ positions: inout [ViewPosition?]) {
        vectors[view].reset()
        positions[view] = nil
    }

    private static func watermark(_ bytes: Span<UInt8>?) -> Watermark? {
        guard let bytes else { return nil }
        return Watermark(bytes: bytes)
    }

    /// The heartbeat, ms since 1970; −1 where there is none that can be read.
    static func alive(_ bytes: Span<UInt8>?) -> Int64 {
        guard let bytes, let beat = Heartbeat(bytes: bytes) else { return -1 }
        return beat.millis
    }
}
