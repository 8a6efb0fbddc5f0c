import Dispatch
import FeatureEngine
import FeatureStore

/// What a backfill computes of each event.
enum BackfillColumns: Sendable {
    /// One view's features, by their own names.
    case view(StreamView)
    /// A service's features, on-demand ones included.
    case service(FeatureService)

    var source: SourceSchema {
        switch self {
        case .view(let view): view.source
        case .service(let service): service.source
        }
    }

    var views: [StreamView] {
        switch self {
        case .view(let view): [view]
        case .service(let service): service.views
        }
    }

    var names: [String] {
        switch self {
        case .view(let view): view.features.map(\.name)
        case .service(let service): service.featureNames
        }
    }

    var kinds: [FeatureKind] {
        switch self {
        case .view(let view): view.kinds
        case .service(let service): service.kinds
        }
    }

    /// What is computed of an event, given its views' vectors.
    func assemble(_ row: SourceRow, _ vectors: [FeatureVector], into vector: inout FeatureVector) {
        switch self {
        case .view: vector = vectors[0]
        case .service(let service): service.assemble(row: row, viewVectors: vectors, into: &vector)
        }
    }
}

/// Events read ahead, with the hash of their key and their position. Made once, refilled.
///
/// Unchecked: the reader fills a batch while no shard looks at it, and shards only read it.
final class ReplayBatch: @unchecked Sendable {
    static let capacity = 4_096

    var rows: [SourceRow]
    var keyHashes: [UInt64] = []
    var positions: [Int64] = []

    init(_ source: SourceSchema) { rows = Array(repeating: SourceRow(source), count: Self.capacity) }

    var count: Int { keyHashes.count }
    var isFull: Bool { count == Self.capacity }

    func removeAll() {
        keyHashes.removeAll(keepingCapacity: true)
        positions.removeAll(keepingCapacity: true)
    }
}

/// The entities of one thread, and the rows of the batch in hand.
///
/// Unchecked: one thread at a time works on a shard, and the replay waits for it before it reads the rows.
final class ReplayShard: @unchecked Sendable {
    private var rows: ReplayRows
    private let number: Int
    private let shards: Int

    /// The lines of the last batch; none where columns are written.
    var text: [UInt8] { rows.text }
    /// The columns of the last batch; nil where lines are written.
    var columns: FeatureColumns? { rows.columnRows }
    /// Where each event's row ends, in the order of the shard's events: in the lines, or by its number in the columns.
    var ends: [Int] { rows.ends }
    /// Events that came too late for the windows of their entity.
    var tooOld: Int { rows.tooOld }
    /// Events that got no row.
    var incomplete: Int { rows.incomplete }

    init(_ columns: BackfillColumns, _ format: FeatureFormat, firstMillis: Int64, number: Int, of shards: Int) {
        self.number = number
        self.shards = shards
        rows = ReplayRows(columns, format, firstMillis: firstMillis)
    }

    func replay(_ batch: ReplayBatch) {
        rows.removeAll()
        rows.add(batch) { Self.shard($0, of: shards) == number }
    }

    /// The shard that owns an entity.
    static func shard(_ keyHash: UInt64, of shards: Int) -> Int { Int(keyHash % UInt64(shards)) }
}

/// Events turned into rows: a value, so that its parts are looked for and guarded once a batch and not once an event.
private struct ReplayRows {
    private let columns: BackfillColumns
    private var replay: ViewsReplay
    private var vectors: [FeatureVector]
    private var vector: FeatureVector
    private var line: FeatureLine
    private(set) var columnRows: FeatureColumns?
    private(set) var text: [UInt8] = []
    private(set) var ends: [Int] = []
    var tooOld: Int { replay.tooOld }
    private(set) var incomplete = 0
    private let firstMillis: Int64

    init(_ columns: BackfillColumns, _ format: FeatureFormat, firstMillis: Int64) {
        self.firstMillis = firstMillis
        self.columns = columns
        replay = ViewsReplay(columns.views)
        vectors = replay.makeVectors()
        vector = FeatureVector(count: columns.names.count)
        line = FeatureLine(columns.source, kinds: columns.kinds)
        columnRows = format == .parquet ? FeatureColumns(columns.source, kinds: columns.kinds) : nil
    }

    mutating func removeAll() {
        columnRows?.removeAll()
        text.removeAll(keepingCapacity: true)
        ends.removeAll(keepingCapacity: true)
    }

    mutating func add(_ batch: ReplayBatch, where isOurs: (_ keyHash: UInt64) -> Bool) {
        let rows = batch.rows
        for index in 0..<batch.count where isOurs(batch.keyHashes[index]) {
            replay.next(rows[index], position: batch.positions[index], into: &vectors)
            guard rows[index].eventTimeMillis >= firstMillis else {
                incomplete += 1
                ends.append(ends.last ?? 0)
                continue
            }
            switch columns {
            case .view: append(rows[index], vectors[0])
            case .service:
                columns.assemble(rows[index], vectors, into: &vector)
                append(rows[index], vector)
            }
        }
    }

    private mutating func append(_ row: SourceRow, _ vector: FeatureVector) {
        columnRows?.append(row, vector)
        if columnRows == nil { line.append(row, vector, to: &text) }
        ends.append(columnRows?.count ?? text.count)
    }
}

/// Replays events through the same engine that the stream uses and gives their rows in the order they came. With several
/// threads each owns a part of the entities; the next batch is read while they work.
final class FeatureReplay {
    private let shards: [ReplayShard]
    private let keyIndex: Int
    private let queue = DispatchQueue(label: "backfill", attributes: .concurrent)
    private var filling: ReplayBatch
    private var working: ReplayBatch
    private let group = DispatchGroup()
    private var isWorking = false
    private let write: (FeatureRows) throws -> Void
    private var joined: [UInt8] = []
    private var joinedColumns: JoinedColumns?

    /// Events before `firstMillis` get no row: their windows are not whole.
    init(
        _ columns: BackfillColumns, _ format: FeatureFormat, firstMillis: Int64 = .min, threads: Int,
        write: @escaping (FeatureRows) throws -> Void
    ) {
        // A row's views must lie with one shard; views of different feeds only do so when there is one.
        let feeds = ViewFeed.feeds(of: columns.views)
        let threads = feeds.count > 1 ? 1 : threads
        keyIndex = feeds.first?.keyIndex ?? columns.source.keyIndex
        shards = (0..<threads).map { ReplayShard(columns, format, firstMillis: firstMillis, number: $0, of: threads) }
        joinedColumns = format == .parquet ? JoinedColumns(columns.source, kinds: columns.kinds) : nil
        filling = ReplayBatch(columns.source)
        working = ReplayBatch(columns.source)
        self.write = write
    }

    /// Events that came too late for the windows of their entity.
    var tooOld: Int { shards.reduce(0) { $0 + $1.tooOld } }

    /// Events that got no row.
    var incomplete: Int { shards.reduce(0) { $0 + $1.incomplete } }

    /// Lends the next event's row for filling; `commit` takes it.
    func withNextRow<Result>(_ body: (inout SourceRow) throws -> Result) rethrows -> Result {
        try body(&filling.rows[filling.count])
    }

    /// Takes the row that was filled last.
    func commit(position: Int64) throws {
        filling.keyHashes.append(filling.rows[filling.count].withCanonicalBytes(keyIndex) { FNV1a64.hash($0) })
        filling.positions.append(position)
        if filling.isFull { try turn() }
    }

    /// Replays what is left and writes it.
    func finish() throws {
        try turn()
        try turn()
    }

    /// Waits for the batch at work, starts the one that was filled, then writes the rows of the first.
    private func turn() throws {
        group.wait()
        if isWorking { joinRows() }
        let hasRows = isWorking
        (filling, working) = (working, filling)
        isWorking = working.count > 0
        filling.removeAll()
        if isWorking {
            for shard in shards {
                let batch = working
                if shards.count == 1 {
                    shard.replay(batch)
                } else {
                    queue.async(group: group) { shard.replay(batch) }
                }
            }
        }
        if hasRows { try write(joinedColumns.map { .columns($0.values) } ?? .lines(joined)) }
    }

    /// Puts the shards' rows back into the order of the events.
    private func joinRows() {
        joined.removeAll(keepingCapacity: true)
        if shards.count == 1, joinedColumns == nil { return joined.append(contentsOf: shards[0].text) }
        let (ends, texts) = (shards.map(\.ends), shards.map(\.text))
        var next = Array(repeating: 0, count: shards.count)
        var places = Array(repeating: [Int](), count: shards.count)
        var rowCount = 0
        for hash in working.keyHashes {
            let number = ReplayShard.shard(hash, of: shards.count)
            let start = next[number] == 0 ? 0 : ends[number][next[number] - 1]
            let end = ends[number][next[number]]
            next[number] += 1
            if joinedColumns == nil {
                joined.append(contentsOf: texts[number][start..<end])
            } else if end > start {
                places[number].append(rowCount)
                rowCount += 1
            }
        }
        joinedColumns?.fill(from: shards.compactMap(\.columns), at: places)
    }
}
