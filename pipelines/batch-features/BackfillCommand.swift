import Compression
import FeatureEngine
import FeatureStore
import Foundation
import Observability
import PipelineRuntime
public import ServiceRuntime
import TransactionData

/// `needletail backfill`: the stream's features over history, by the same engine.
public struct BackfillCommand: Command {
    public static let name = "backfill"
    public static let summary = "Compute features over history: a file into a file, or stored events anew."
    public static let example = "needletail backfill --input transactions.csv.zst --output features.csv.zst"
    /// More lines of help.
    public static let details = """
        Each row's features are those that the stream would have computed at that moment: of the events before it in the
        input, within the windows before its own time. A row's place in the file is its position in the log.

        The output has the event id, the join key, the event time (UTC) and the features by name, in the order of the
        input; a number is the shortest decimal that reads back to the same double, a missing one is empty. Without --view
        the columns are the service's. In a Parquet file they have types: text, 64-bit integers for the key, ms UTC for the
        time, doubles for numbers, and null for what is missing.

        A row that is no event is named with its line (its number in a Parquet file) and left out, and the command ends
        with 65 unless --allow-malformed is given: later rows of its entity lack it. An event id that was there before is
        left out.

        With --from-store the stored events are read in log order, each with its own partition and offset; --to-store
        writes every view's rows anew under the present definitions, in one transaction.
        """
    public static let settings: [any SettingProtocol] = [
        input, output, format, fromStore, toStore, view, service, threads, allowMalformed, Setting<String>.featureRepo,
        Setting<String>.databaseURL,
    ]

    static let input = Setting<String?>(
        "input", help: "The file, CSV (.gz and .zst are unpacked) or Parquet, or - for CSV from standard input.",
        flagOnly: true,
        placeholder: "FILE|-")
    static let output = Setting<String?>(
        "output", help: "The file to write, CSV (.gz and .zst are packed) or .parquet, or - for standard output.",
        flagOnly: true,
        placeholder: "FILE|-")
    static let format = Setting<FeatureFormat?>(
        "format",
        help: "What the output is; without it, Parquet for a name that ends with .parquet, CSV for any other.",
        flagOnly: true)
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

    static let allowMalformed = Setting<Bool>(
        "allow-malformed", default: false, help: "Succeed although rows of the file are no events.", flagOnly: true)

    public init() {}

    /// Backfills.
    public func run(_ settings: Settings, _ runtime: ServiceRuntime) async throws {
        let plan = try Self.plan(settings)
        let pipeline = try PipelineContext(settings)
        if case .files = plan {} else { pipeline.announce(runtime) }
        let repository = pipeline.repository
        let threads = settings[Self.threads] ?? min(8, ProcessInfo.processInfo.activeProcessorCount)
        let format = Self.format(settings)
        switch plan {
        case .files(let input, let output):
            let columns = try Self.columns(settings, repository)
            let allowsMalformed = settings[Self.allowMalformed]
            _ = try await runtime.onThread("backfill") {
                try FileBackfill(
                    columns: columns, input: input, output: output, format: format, threads: threads, runtime: runtime,
                    allowsMalformed: allowsMalformed
                ).run()
            }
        case .storeToFile(let output):
            let columns = try Self.columns(settings, repository)
            let store = StoreBackfill(repository, databaseURL: pipeline.databaseURL, runtime: runtime)
            try await store.waitForStore()
            _ = try await runtime.onThread("backfill") {
                try store.write(columns, to: output, format, threads: threads)
            }
        case .storeToStore:
            let views = try settings[Self.view].map { [try Self.view($0, repository)] } ?? repository.views
            let store = StoreBackfill(repository, databaseURL: pipeline.databaseURL, runtime: runtime)
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
        switch Self.format(settings) {
        case .csv:
            if let problem = output.flatMap(CompressionFormat.problem(ofOutputName:)) {
                throw CommandError(.usage, "--output \(problem).")
            }
        case .parquet:
            guard output == nil || output == "-" || output?.hasSuffix(".parquet") == true else {
                throw CommandError(.usage, "--output: a Parquet file is named .parquet; its pages are packed inside.")
            }
        }
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

    /// What the output is, by the flag or by its name.
    static func format(_ settings: Settings) -> FeatureFormat {
        settings[format] ?? (settings[output]?.hasSuffix(".parquet") == true ? .parquet : .csv)
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
