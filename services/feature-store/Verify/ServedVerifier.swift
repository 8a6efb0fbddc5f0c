import FeatureEngine
import FeatureStore
import JSON
import Observability
import Pipeline
import PostgresClient
import PostgresOfflineStore
import ServiceRuntime
import TransactionData

/// Holds served answers against the log: each vector against F at the request's time and at the position that was answered with.
struct ServedVerifier {
    let service: FeatureService
    let store: PostgresOfflineStore
    let report: VerifyReport
    let runtime: ServiceRuntime

    /// The marks of a prediction's record: what it is compared as.
    private enum Mark {
        static let compared: UInt64 = 1
        static let withoutHistory: UInt64 = 2
        static let incomplete: UInt64 = 3
    }

    /// Compares the answers; `reader` is another connection to the same store.
    func run(_ sample: EntitySample, reader: PostgresOfflineStore) throws {
        let feeds = ViewFeed.feeds(of: service.views)
        let moments = try MomentTable(
            store, source: service.source, keyIndexes: feeds.map(\.keyIndex), hasEventIDs: false)
        let records = try FeatureRecords(service.views)
        let answers = try CellRows(
            cellCount: 3, isIndexed: service.views.contains(where: \.includesCurrentEvent))
        let firstMillis = try service.views.map { view in
            try store.firstWholeMillis(ofTopic: view.source.topic, lookBackMillis: view.retentionMillis)
        }
        // Read before the events: an answer is of a position that was stored before.
        try reader.scanPredictions(service: service.name, definitionHash: service.definitionHash, sample) { stored in
            guard !runtime.isStopping else { throw runtime.stopped("not everything was compared") }
            try add(stored, number: Int64(answers.count), feeds, firstMillis, to: moments, records)
            try answers.append(EntityCells([Array(stored.id.utf8), stored.request, stored.vector]))
        }
        guard answers.count > 0 else { return }
        try answers.finish()
        try moments.finish()
        try store.connection.snapshot {
            for feed in feeds { try evaluate(feed, moments, answers, records) }
        }
        try compare(answers, records)
    }

    /// One moment for each view of an answer, at the position it was answered with.
    private func add(
        _ stored: StoredPrediction, number: Int64, _ feeds: [ViewFeed], _ firstMillis: [Int64], to moments: MomentTable,
        _ records: FeatureRecords
    ) throws {
        var row = SourceRow(service.source)
        guard (try? EventDecoder(service.source).decode(stored.request.span, into: &row)) != nil,
            let asOf = try? JSONTree.parse(stored.featuresAsOf)
        else { return try records.write(mark: Mark.incomplete, row: number) }
        let keys = feeds.map { feed in row.withCanonicalBytes(feed.keyIndex) { ByteString(copying: $0) } }
        var mark = Mark.compared
        for (index, view) in service.views.enumerated() {
            guard let offset = asOf[view.name]?["offset"]?.int else {
                mark = Mark.incomplete
                continue
            }
            if row.eventTimeMillis < firstMillis[index], mark == Mark.compared { mark = Mark.withoutHistory }
            try moments.add(
                row: number * Int64(service.views.count) + Int64(index), keys: keys, atMillis: row.eventTimeMillis,
                v: Int64(offset))
        }
        try records.write(mark: mark, row: number)
    }

    private func evaluate(
        _ feed: ViewFeed, _ moments: MomentTable, _ answers: CellRows, _ records: FeatureRecords
    ) throws {
        var replay = MomentReplay(feed.views)
        let needsCurrent = feed.views.contains(where: \.includesCurrentEvent)
        let decoder = EventDecoder(service.source)
        var request = SourceRow(service.source)
        var cells = EntityCells()
        let progress = runtime.progress("verifying answers of \(service.name)")
        try moments.scan(feed) { key, step in
            replay.turn(to: key)
            switch step {
            case .event(let row, let position): replay.insert(row, position: position)
            case .moment(let row, let atMillis, _):
                let (number, place) = row.quotientAndRemainder(dividingBy: Int64(service.views.count))
                guard let view = feed.views.firstIndex(where: { $0 === service.views[Int(place)] }) else { return }
                if needsCurrent {
                    try answers.read(number, into: &cells)
                    try decoder.decode(cells[1].span, into: &request)
                }
                var vector = FeatureVector(count: feed.views[view].features.count)
                replay.evaluate(
                    view: view, atMillis: atMillis, current: needsCurrent ? request : nil, into: &vector)
                try records.write(vector, row: number, view: Int(place))
                progress.advance()
            }
            guard !runtime.isStopping else { throw runtime.stopped("not everything was compared") }
        }
        progress.finish()
    }

    private func compare(_ answers: CellRows, _ records: FeatureRecords) throws {
        var answerReader = answers.reader()
        var cells = EntityCells()
        var recordReader = try records.reader()
        let decoder = EventDecoder(service.source)
        var row = SourceRow(service.source)
        var vectors = service.makeViewVectors()
        var right = service.makeVector()
        for _ in 0..<answers.count {
            try answers.next(&answerReader, into: &cells)
            let subject = "\(String(decoding: cells[0], as: UTF8.self)) of \(service.name)"
            let mark = try records.read(&recordReader, into: &vectors)
            guard mark != Mark.withoutHistory else {
                report.leaveOut("answers whose windows reach back to what was deleted")
                continue
            }
            report.check(.prediction)
            guard mark == Mark.compared, (try? decoder.decode(cells[1].span, into: &row)) != nil,
                let served = try? JSONTree.parse(cells[2].span).array, served.count == right.count
            else {
                try report.add(.prediction, subject, ["its request, its vector or its positions are not whole"])
                continue
            }
            service.assemble(row: row, viewVectors: vectors, into: &right)
            let differences = VerifyReport.differences(
                service.featureNames, service.kinds, Self.vector(served, service.kinds), Self.stored(right),
                "was served")
            if !differences.isEmpty { try report.add(.prediction, subject, differences) }
        }
    }

    private static func vector(_ values: [JSONTree], _ kinds: [FeatureKind]) -> FeatureVector {
        var vector = FeatureVector(count: values.count)
        for (slot, value) in values.enumerated() {
            if kinds[slot] == .category {
                vector.texts[slot] = value.string
            } else {
                vector.numbers[slot] = value.double ?? .nan
            }
        }
        return vector
    }

    /// What of a vector JSON in Postgres keeps: no infinity, and no sign of a zero.
    private static func stored(_ vector: FeatureVector) -> FeatureVector {
        var vector = vector
        for slot in vector.numbers.indices {
            vector.numbers[slot] = vector.numbers[slot].isFinite ? vector.numbers[slot] + 0 : .nan
        }
        return vector
    }
}
