internal import Compression
internal import FeatureEngine
internal import FeatureStore
internal import FraudModel
internal import Observability
internal import ServiceRuntime
internal import TransactionData

/// Point-in-time rows of a CSV file, computed by the engine the stream uses.
///
/// A label has arrived when the source's delay has passed at the newest event of the file. "Newest" leaves out the newest
/// thousandth of the rows, two at least: one row with a wrong time would make every label arrive.
struct FileRows: Sendable {
    let file: String
    /// Whether rows that are no events may be left out.
    let allowsMalformed: Bool

    /// Share of rows that may lie more than `disorderMillis` behind rows before them.
    static let mostOutOfOrder = 0.01
    static let disorderMillis: Int64 = 2 * 86_400_000

    /// The labelled rows under a service's definitions; with `wanted` only the events whose `TrainingSet.id` is in there, arrived
    /// or not.
    func rows(of service: FeatureService, wanted: Set<UInt64>? = nil, _ runtime: ServiceRuntime) throws -> TrainingSet {
        do {
            return try read(service, wanted, runtime)
        } catch let error as CompressionError {
            throw CommandError(.noInput, "\(error).")
        } catch let error as CSVError {
            throw CommandError(.dataError, "\(error).")
        }
    }

    private func read(
        _ service: FeatureService, _ wanted: Set<UInt64>?, _ runtime: ServiceRuntime
    ) throws -> TrainingSet {
        guard let label = service.source.label else {
            throw CommandError(.configuration, "the source \(service.source.name) declares no label.")
        }
        let csv = try TransactionCSV(
            try ByteSource.open(file), schema: service.source, requiresLabel: true,
            recordedAtMillis: WallClock.nowMillis())
        let progress = runtime.progress("reading \(csv.name)")
        defer { progress.finish() }
        var set = TrainingSet(service)
        var replay = PointInTimeReplay(views: service.views)
        var disorder = Disorder()
        var (malformed, unlabelled, position) = (0, 0, Int64(0))
        var row = SourceRow(service.source)
        var vectors = service.makeViewVectors()
        var vector = service.makeVector()
        reading: while !runtime.isStopping {
            switch try csv.next(into: &row) {
            case .end: break reading
            case .malformed(let line, let error):
                malformed += 1
                if malformed <= 20 { runtime.log.warning("row refused", ["line": line, "reason": "\(error)"]) }
            case .row(_, let value):
                guard replay.next(row, position: position, into: &vectors) else { continue }
                position += 1
                disorder.take(row.eventTimeMillis)
                let id = TrainingSet.id(of: row)
                guard wanted?.contains(id) ?? (value != nil) else {
                    unlabelled += 1
                    continue
                }
                service.assemble(row: row, viewVectors: vectors, into: &vector)
                set.append(vector, label: value == 1 ? 1 : 0, timeMillis: row.eventTimeMillis, id: id)
            }
            if csv.recordCount.isMultiple(of: 10_000) { progress.update(to: Int(csv.recordCount)) }
        }
        progress.update(to: Int(csv.recordCount))
        try TrainingContext.requireGoingOn(runtime)
        guard wanted == nil else { return set }
        try judge(disorder, malformed, csv.recordCount)
        if let newest = disorder.newestMillis { unlabelled += set.removeRows(after: newest - label.delayMillis) }
        runtime.log.info(
            "rows read",
            [
                "rows": set.count, "without_arrived_label": unlabelled, "malformed": malformed,
                "duplicates": replay.duplicates, "out_of_order": replay.outOfOrder,
            ])
        return set
    }

    private func judge(_ disorder: Disorder, _ malformed: Int, _ records: Int64) throws(CommandError) {
        guard malformed == 0 || (allowsMalformed && Int64(malformed) < records) else {
            throw CommandError(
                .dataError,
                "\(Figures.grouped(malformed)) of \(Figures.grouped(Int(records))) rows of \(file) are no events; the log names what is wrong. --allow-malformed trains without them."
            )
        }
        guard Double(disorder.behind) <= Self.mostOutOfOrder * Double(disorder.count) else {
            throw CommandError(
                .dataError,
                "\(file) is not in time order: \(Figures.grouped(disorder.behind)) of \(Figures.grouped(disorder.count)) rows are more than two days older than rows before them, and windows look back. Sort it by event time."
            )
        }
    }

    /// How far the rows of a file are from the order of their times.
    struct Disorder {
        private(set) var count = 0
        /// Rows more than `disorderMillis` older than three rows before them.
        private(set) var behind = 0
        private var newestThree: [Int64] = []  // descending
        private var times: [Int64] = []

        mutating func take(_ millis: Int64) {
            count += 1
            times.append(millis)
            if newestThree.count == 3, millis < newestThree[2] - FileRows.disorderMillis { behind += 1 }
            guard newestThree.count < 3 || millis > newestThree[2] else { return }
            newestThree.insert(millis, at: newestThree.firstIndex { millis > $0 } ?? newestThree.count)
            if newestThree.count > 3 { newestThree.removeLast() }
        }

        /// The newest time without the newest thousandth of the rows, two at least; the oldest of up to two rows.
        var newestMillis: Int64? {
            let sorted = times.sorted(by: >)
            return sorted.isEmpty ? nil : sorted[min(sorted.count - 1, max(2, sorted.count / 1_000))]
        }
    }
}
