import Compression
import FeatureEngine
import FeatureStore
import Observability
import PostgresClient
import PostgresOfflineStore
import ServiceRuntime
import TransactionData

/// Counts of a point-in-time join.
struct HistoricalSummary: Equatable {
    /// Rows of the file, and of the output.
    var rows = 0
    /// Rows so old that history they look back on was deleted: those views' features are missing.
    var withoutWholeWindows = 0
    /// Rows with a label.
    var labelled = 0
}

/// The point-in-time join of a file of entities and moments with the stored events.
///
///     file ──▶ moments in Postgres, cells on disk ──▶ feed by feed: events and moments, entity after entity ──▶ vectors on disk
///                                                                 cells and vectors, in the file's order ──▶ output
///
/// What is held in memory is one entity's state; Postgres sorts, and the rest lies in files that nobody sees.
struct HistoricalJoin {
    let repository: FeatureRepository
    let service: FeatureService
    let databaseURL: String
    let format: HistoricalFormat
    let withLabels: Bool
    let allowsMissing: Bool
    let runtime: ServiceRuntime

    /// What was read of the file.
    private struct Entities {
        let columns: EntityColumns
        let rows: CellRows
    }

    /// Reads `input`, joins, and writes `output`; both may be `-`.
    @discardableResult func run(input: String, output: String) throws -> HistoricalSummary {
        let source: ByteSource
        do throws(CompressionError) { source = try ByteSource.open(input) } catch {
            throw CommandError(.noInput, "\(error).")
        }
        let store = try PostgresOfflineStore(url: databaseURL, limits: .bulk)
        guard try MomentTable.hasEvents(of: service.source, store) else {
            throw CommandError(
                .configuration,
                "the offline store has no events of \(service.source.name): run `needletail features apply`.")
        }
        do {
            let reader = try CSVReader(source)
            let label = withLabels ? service.source.label?.field : nil
            let line = try HistoricalLine(reader.header, service, label: label, format: format)
            let (entities, moments) = try read(reader, of: source, store)
            let sink: ByteSink
            do throws(CompressionError) { sink = try ByteSink.create(output) } catch {
                throw CommandError(.cannotCreate, "\(error).")
            }
            do {
                var summary = HistoricalSummary(rows: entities.rows.count)
                let records = try compute(entities, moments, store, &summary)
                try write(entities, records, line, to: sink)
                try sink.close()
                return summary
            } catch {
                sink.discard()
                throw error
            }
        } catch CompressionError.closedPipe {
            throw CommandError(.success, "")  // The reader has seen enough.
        } catch let error as CSVError {
            throw CommandError(.dataError, "\(error).")
        } catch let error as CompressionError {
            throw CommandError(.inputOutput, "\(error).")
        } catch let error as DividedEntity {
            throw CommandError(.dataError, "\(error).")
        }
    }

    // MARK: Reading the file

    private func read(
        _ reader: CSVReader, of source: ByteSource, _ store: PostgresOfflineStore
    ) throws -> (Entities, MomentTable) {
        let columns = try EntityColumns(
            reader.header, of: source.name, for: service, HistoricalFields(service, repository),
            allowsMissing: allowsMissing, needsEventID: withLabels)
        if !columns.absent.isEmpty {
            runtime.log.warning(
                "columns are missing, and so is what is computed from them",
                ["columns": columns.absent.joined(separator: ", ")])
        }
        let moments = try MomentTable(
            store, source: service.source, keyIndexes: columns.keys, hasEventIDs: columns.eventIDColumn != nil)
        let entities = Entities(
            columns: columns,
            rows: try CellRows(
                cellCount: reader.header.count, isIndexed: service.views.contains(where: \.includesCurrentEvent)))
        let progress = runtime.progress("reading \(source.name)", total: source.fileSize.map { Int($0) })
        var row = SourceRow(columns.schema)
        var cells = EntityCells()
        var problems = EntityProblems(file: source.name)
        while try reader.next() {
            guard !runtime.isStopping else { throw runtime.stopped("nothing was written") }
            do {
                if let defect = reader.defect { throw FieldError("the row", defect) }
                guard reader.cellCount == reader.header.count else {
                    throw FieldError("the row", "has \(reader.cellCount) cells, the header \(reader.header.count)")
                }
                cells.take(reader)
                try columns.fill(&row, from: cells)
                let id = try columns.eventID(cells)
                guard problems.isEmpty else { continue }
                try add(row, id, cells, to: entities, moments)
            } catch let error as FieldError {
                problems.add(line: reader.line, error)
            }
            if entities.rows.count & 0xFFF == 0 {
                progress.update(to: source.fileSize == nil ? entities.rows.count : Int(source.bytesTaken))
            }
        }
        progress.finish(note: "\(entities.rows.count) rows")
        try problems.judge()
        try moments.finish()
        try entities.rows.finish()
        return (entities, moments)
    }

    private func add(
        _ row: SourceRow, _ eventID: ByteString?, _ cells: EntityCells, to entities: Entities, _ moments: MomentTable
    ) throws {
        try moments.add(
            row: Int64(entities.rows.count), keys: entities.columns.keys(of: row), atMillis: row.eventTimeMillis,
            eventID: eventID)
        try entities.rows.append(cells)
    }

    // MARK: Computing

    private func compute(
        _ entities: Entities, _ moments: MomentTable, _ store: PostgresOfflineStore, _ summary: inout HistoricalSummary
    ) throws -> FeatureRecords {
        let records = try FeatureRecords(service.views)
        let feeds = ViewFeed.feeds(of: service.views)
        let progress = runtime.progress("joining", total: entities.rows.count * feeds.count)
        var counts = summary
        // What is deleted between the horizon and the scan would cut windows that count as whole.
        try store.connection.snapshot {
            for feed in feeds {
                try join(feed, entities, moments, records, try firstMillis(of: feed, store), progress, &counts)
            }
            guard withLabels else { return }
            try moments.scanLabels { row, isFraud in
                try records.write(mark: isFraud ? 2 : 1, row: row)
                counts.labelled += 1
            }
        }
        progress.finish()
        summary = counts
        return records
    }

    /// The first moment at which each of a feed's views has whole windows.
    private func firstMillis(of feed: ViewFeed, _ store: PostgresOfflineStore) throws -> [Int64] {
        try feed.views.map {
            try store.firstWholeMillis(ofTopic: $0.source.topic, lookBackMillis: $0.retentionMillis)
        }
    }

    private func join(
        _ feed: ViewFeed, _ entities: Entities, _ moments: MomentTable, _ records: FeatureRecords,
        _ firstMillis: [Int64], _ progress: ProgressReport, _ counts: inout HistoricalSummary
    ) throws {
        var replay = MomentReplay(feed.views)
        let places = feed.views.map { view in service.views.firstIndex { $0 === view } ?? 0 }
        var vectors = feed.views.map { FeatureVector(count: $0.features.count) }
        var current = SourceRow(entities.columns.schema)
        var cells = EntityCells()
        let needsCurrent = feed.views.contains(where: \.includesCurrentEvent)
        var (done, cut) = (0, 0)
        try moments.scan(feed) { key, step in
            replay.turn(to: key)
            switch step {
            case .event(let row, let position): replay.insert(row, position: position)
            case .moment(let row, let atMillis, _):
                if needsCurrent {
                    try entities.rows.read(row, into: &cells)
                    try entities.columns.fill(&current, from: cells)
                }
                var isCut = false
                for view in feed.views.indices {
                    vectors[view].reset()
                    if atMillis >= firstMillis[view] {
                        replay.evaluate(
                            view: view, atMillis: atMillis, current: needsCurrent ? current : nil,
                            into: &vectors[view])
                    } else {
                        isCut = true
                    }
                    try records.write(vectors[view], row: row, view: places[view])
                }
                if isCut { cut += 1 }
                done += 1
                guard done & 0x3FF == 0 else { return }
                progress.advance(by: 0x400)
                guard !runtime.isStopping else { throw runtime.stopped("nothing was written") }
            }
        }
        progress.advance(by: done & 0x3FF)
        counts.withoutWholeWindows += cut
    }

    // MARK: Writing

    private func write(
        _ entities: Entities, _ records: FeatureRecords, _ line: HistoricalLine, to sink: ByteSink
    ) throws {
        try sink.write(line.head)
        let progress = runtime.progress("writing", total: entities.rows.count)
        var cellReader = entities.rows.reader()
        var recordReader = try records.reader()
        var row = SourceRow(entities.columns.schema)
        var cells = EntityCells()
        var vectors = service.makeViewVectors()
        var vector = service.makeVector()
        var lines: [UInt8] = []
        for number in 0..<entities.rows.count {
            try entities.rows.next(&cellReader, into: &cells)
            try entities.columns.fill(&row, from: cells)
            let mark = try records.read(&recordReader, into: &vectors)
            service.assemble(row: row, viewVectors: vectors, into: &vector)
            line.append(cells, vector, isFraud: mark == 0 ? nil : mark == 2, to: &lines)
            guard lines.count >= 1 << 16 else { continue }
            try sink.write(lines)
            lines.removeAll(keepingCapacity: true)
            progress.update(to: number + 1)
            guard !runtime.isStopping else { throw runtime.stopped("the output is not complete") }
        }
        try sink.write(lines)
        progress.update(to: entities.rows.count)
        progress.finish()
    }
}
