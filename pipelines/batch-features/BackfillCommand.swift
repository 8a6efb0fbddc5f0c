import Compression
import FeatureEngine
import FeatureStore
import Foundation
import Observability
public import ServiceRuntime
import TransactionData

/// `needletail backfill`: the stream's features over history, by the same engine.
public struct BackfillCommand: Command {
    /// The word that calls it.
    public static let name = "backfill"
    /// One sentence.
    public static let summary = "Compute features over history: a CSV file into a CSV file, or stored events anew."
    /// A command line that works.
    public static let example = "needletail backfill --input transactions.csv.zst --output features.csv.zst"
    /// More lines of help.
    public static let details = """
        Each row's features are those that the stream would have computed at that moment: of the events before it in the
        input, within the windows before its own time. A row's place in the file is its position in the log.

        The output has the event id, the join key, the event time (UTC) and the features by name, in the order of the
        input; a number is the shortest decimal that reads back to the same double, a missing one is empty. Without --view
        the columns are the service's.

        A row that is no event is named with its line and left out; so is an event id that was there before.

        With --from-store the stored events are read in log order, each with its own partition and offset; --to-store
        writes every view's rows anew under the present definitions, in one transaction.
        """
    /// What can be set.
    public static let settings: [any SettingProtocol] = [
        input, output, fromStore, toStore, view, service, threads, Setting<String>.featureRepo,
        Setting<String>.databaseURL,
    ]

    static let input = Setting<String?>(
        "input", help: "The CSV file (.gz and .zst are unpacked), or - for standard input.", flagOnly: true,
        placeholder: "FILE|-")
    static let output = Setting<String?>(
        "output", help: "The CSV file to write (.gz and .zst are packed), or - for standard output.", flagOnly: true,
        placeholder: "FILE|-")
    static let fromStore = Setting<Bool>(
        "from-store", default: false, help: "Read the events stored in Postgres instead of a file.", flagOnly: true)
    static let toStore = Setting<Bool>(
        "to-store", default: false, help: "Write the views' tables in Postgres instead of a file.", flagOnly: true)
    static let view = Setting<String?>(
        "view", help: "Compute only this view; its columns have their short names.", flagOnly: true, placeholder: "NAME"
    )
    static let service = Setting<String?>(
        "service", help: "The feature service whose columns are written, when there are several.", flagOnly: true,
        placeholder: "NAME")
    static let threads = Setting<Int?>(
        "threads", in: 1...64, help: "Threads that share the entities; all processors unless given.", flagOnly: true)

    /// A command.
    public init() {}

    /// Backfills.
    public func run(_ settings: Settings, _ runtime: ServiceRuntime) async throws {
        let plan = try Self.plan(settings)
        let repository: FeatureRepository
        do {
            repository = try FeatureRepository.load(
                directory: settings[.featureRepo], environment: settings.environment)
        } catch {
            throw CommandError(.configuration, error.description)
        }
        let threads = settings[Self.threads] ?? min(8, ProcessInfo.processInfo.activeProcessorCount)
        switch plan {
        case .files(let input, let output):
            let columns = try Self.columns(settings, repository)
            _ = try await runtime.onThread("backfill") {
                try FileBackfill(columns, input: input, output: output, threads: threads, runtime: runtime).run()
            }
        case .storeToFile(let output):
            let columns = try Self.columns(settings, repository)
            let store = StoreBackfill(repository, databaseURL: settings[.databaseURL], runtime: runtime)
            try await store.waitForStore()
            _ = try await runtime.onThread("backfill") { try store.write(columns, to: output, threads: threads) }
        case .storeToStore:
            let views = try settings[Self.view].map { [try Self.view($0, repository)] } ?? repository.views
            let store = StoreBackfill(repository, databaseURL: settings[.databaseURL], runtime: runtime)
            try await store.waitForStore()
            _ = try await runtime.onThread("backfill") { try store.rewrite(views) }
        }
    }

    enum Plan: Equatable {
        case files(input: String, output: String)
        case storeToFile(output: String)
        case storeToStore
    }

    /// What the flags ask for, or a sentence about what does not fit together.
    static func plan(_ settings: Settings) throws(CommandError) -> Plan {
        let (input, output) = (settings[input], settings[output])
        switch (input, settings[fromStore], output, settings[toStore]) {
        case (let input?, false, let output?, false): return .files(input: input, output: output)
        case (nil, true, let output?, false): return .storeToFile(output: output)
        case (nil, true, nil, true): return .storeToStore
        case (_?, true, _, _):
            throw CommandError(.usage, "--input and --from-store exclude each other: give one of them.")
        case (_, _, _?, true):
            throw CommandError(.usage, "--output and --to-store exclude each other: give one of them.")
        case (nil, false, _, _):
            throw CommandError(.usage, "give --input FILE (or - for standard input), or --from-store.")
        case (_, _, nil, false):
            throw CommandError(.usage, "give --output FILE (or - for standard output), or --to-store.")
        case (_?, false, nil, true):
            throw CommandError(
                .usage,
                "--to-store needs --from-store: only the log has positions, so a file enters through `needletail produce`."
            )
        }
    }

    static func columns(_ settings: Settings, _ repository: FeatureRepository) throws(CommandError) -> BackfillColumns {
        if let name = settings[view] { return .view(try view(name, repository)) }
        let names = repository.services.map(\.name)
        if let name = settings[service] {
            if let service = repository.service(named: name) { return .service(service) }
            throw CommandError(.usage, "there is no service \(name); there is \(names.joined(separator: ", ")).")
        }
        guard let service = repository.services.first else {
            throw CommandError(.configuration, "the feature_repo has no feature_service; give --view NAME.")
        }
        guard names.count == 1 else {
            throw CommandError(
                .usage, "there are several services: give --service with one of \(names.joined(separator: ", ")).")
        }
        return .service(service)
    }

    static func view(_ name: String, _ repository: FeatureRepository) throws(CommandError) -> StreamView {
        if let view = repository.view(named: name) { return view }
        let names = repository.views.map(\.name).joined(separator: ", ")
        throw CommandError(.usage, "there is no stream view \(name); there is \(names).")
    }
}

/// Counts of a backfill; rows are those written.
struct BackfillSummary: Equatable {
    var rows = 0
    var duplicates = 0
    var malformed = 0
    var tooOld = 0
}

/// From a CSV file into a CSV file.
struct FileBackfill {
    let columns: BackfillColumns
    let input: String
    let output: String
    let threads: Int
    let runtime: ServiceRuntime

    init(_ columns: BackfillColumns, input: String, output: String, threads: Int, runtime: ServiceRuntime) {
        (self.columns, self.input, self.output, self.threads, self.runtime) = (columns, input, output, threads, runtime)
    }

    @discardableResult func run() throws -> BackfillSummary {
        let source: ByteSource
        do throws(CompressionError) { source = try ByteSource.open(input) } catch {
            throw CommandError(.noInput, "\(error).")
        }
        let csv: TransactionCSV
        do throws(CSVError) { csv = try TransactionCSV(source, schema: columns.source) } catch {
            throw CommandError(.dataError, "\(error).")
        }
        let sink: ByteSink
        do throws(CompressionError) { sink = try ByteSink.create(output) } catch {
            throw CommandError(.cannotCreate, "\(error).")
        }
        do {
            let summary = try replay(csv, source, sink)
            try sink.close()
            runtime.log.info(
                "backfill done",
                [
                    "rows": summary.rows, "duplicates": summary.duplicates, "malformed": summary.malformed,
                    "too_old_for_any_window": summary.tooOld,
                ])
            if summary.malformed > 0, summary.rows == 0 {
                throw CommandError(.dataError, "no row of \(input) is an event; the log names what is wrong.")
            }
            return summary
        } catch CompressionError.closedPipe {
            sink.discard()
            throw CommandError(.success, "")  // The reader has seen enough.
        } catch let error as CSVError {
            sink.discard()
            throw CommandError(.dataError, "\(error).")
        } catch let error as CompressionError {
            sink.discard()
            throw CommandError(.inputOutput, "\(error).")
        }
    }

    private func replay(_ csv: TransactionCSV, _ source: ByteSource, _ sink: ByteSink) throws -> BackfillSummary {
        try sink.write(FeatureLine.header(columns.source, features: columns.names))
        let replay = FeatureReplay(columns, threads: threads) { lines in try sink.write(lines) }
        let progress = runtime.progress("backfill", total: source.fileSize.map { Int($0) })
        var summary = BackfillSummary()
        var ids = ByteTable()
        var entities = EntityNumbers(columns.source)
        reading: while !runtime.isStopping {
            var entity = 0
            let outcome = try replay.withNextRow { row -> TransactionCSV.Outcome? in
                let outcome = try csv.next(into: &row)
                guard case .row = outcome else { return outcome }
                guard ids.insert(row.bytes(columns.source.eventIDIndex).span).isNew else { return nil }
                entity = entities.number(of: row)
                return outcome
            }
            switch outcome {
            case .row:
                try replay.commit(entity: entity, position: csv.recordCount)
                summary.rows += 1
                if summary.rows & 0x3FFF == 0 {
                    if source.fileSize == nil {
                        progress.update(to: summary.rows)
                    } else {
                        progress.update(to: Int(source.bytesTaken))
                    }
                }
            case nil: summary.duplicates += 1
            case .malformed(let line, let error):
                summary.malformed += 1
                report(line, error, summary.malformed)
            case .end: break reading
            }
        }
        try replay.finish()
        progress.update(to: source.fileSize == nil ? summary.rows : Int(source.bytesTaken))
        progress.finish(note: "\(summary.rows) rows")
        if runtime.isStopping {
            throw CommandError(.temporaryFailure, "stopped before the end; the output is not complete.")
        }
        summary.tooOld = replay.tooOld
        return summary
    }

    /// The first thousand refused rows one by one, then one in a thousand.
    private func report(_ line: Int, _ error: EventError, _ count: Int) {
        guard count <= 1_000 || count % 1_000 == 0 else { return }
        runtime.log.warning("malformed row", ["line": line, "error": error.description, "count": count])
    }
}

/// Numbers entities by the text of their key.
struct EntityNumbers {
    private let source: SourceSchema
    private var table = ByteTable()

    init(_ source: SourceSchema) { self.source = source }

    mutating func number(of row: SourceRow) -> Int {
        guard let number = row.bits(source.keyIndex) else {
            return table.insert(row.bytes(source.keyIndex).span).number
        }
        let digits = Array(String(number).utf8)
        return table.insert(digits.span).number
    }

    func text(_ number: Int) -> String { table.text(number) }
}
