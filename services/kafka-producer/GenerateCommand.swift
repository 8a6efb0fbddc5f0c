internal import Compression
internal import Observability
public import ServiceRuntime
internal import TransactionData

/// `generate`: makes a realistic CSV of card transactions.
public struct GenerateCommand: Command {
    public static let name = "generate"
    public static let summary =
        "Make a realistic CSV of card transactions with bursts of fraud, always the same from the same seed."
    public static let example = "needletail generate --rows 1000000 --seed 42 --output transactions.csv.zst"
    public static let settings: [any SettingProtocol] = [rows, seed, cards, start, output]
    /// More lines of help.
    public static let details = """
        The file has the columns of the public "Credit Card Transactions Fraud Detection" set, two years from --start, \
        sorted by unix_time, which runs seven calendar years before trans_date_trans_time.
        """

    static let rows = Setting<Int>(
        "rows", default: 1_000_000, in: 1...1_000_000_000, help: "Rows to make, exactly.", flagOnly: true)
    static let seed = Setting<UInt64>("seed", default: 42, help: "Equal seeds give equal files.", flagOnly: true)
    static let cards = Setting<Int?>("cards", help: "Cards; one for every 1,800 rows unless given.", flagOnly: true)
    static let start = Setting<String>(
        "start", default: "2019-01-01", help: "The first date, yyyy-MM-dd.", flagOnly: true, placeholder: "DATE")
    static let output = Setting<String>(
        "output", default: "-", help: "The file, packed by its extension (.gz, .zst); - is standard output.",
        flagOnly: true, placeholder: "FILE")

    /// A command is made to be run once.
    public init() {}

    /// Does the work.
    public func run(_ settings: Settings, _ runtime: ServiceRuntime) async throws {
        let options = TransactionGenerator.Options(
            rows: settings[Self.rows], seed: settings[Self.seed], cards: settings[Self.cards],
            start: settings[Self.start])
        let path = settings[Self.output]
        if let problem = CompressionFormat.problem(ofOutputName: path) {
            throw CommandError(.usage, "--output \(problem).")
        }
        try await runtime.onThread("generate") {
            do {
                try Self.generate(options, to: path, runtime)
            } catch let error as TransactionGenerator.InvalidOption {
                throw CommandError(.usage, error.description)
            } catch CompressionError.closedPipe {
                throw CommandError(.success, "")  // the reader has what it wanted
            } catch let error as CompressionError {
                throw CommandError(.cannotCreate, error.description)
            }
        }
    }

    private static func generate(_ options: TransactionGenerator.Options, to path: String, _ runtime: ServiceRuntime)
        throws
    {
        var generator = try TransactionGenerator(options)
        let sink = try ByteSink.create(path)
        let progress = runtime.progress("generate", total: options.rows)
        defer { progress.finish() }
        var isStopped = false
        try generator.generate { (bytes, rows) in
            try sink.write(bytes)
            progress.advance(by: rows)
            isStopped = runtime.isStopping
            return !isStopped
        }
        guard !isStopped else {
            sink.discard()
            throw CommandError(.temporaryFailure, "stopped before the end; \(path) was not written")
        }
        try sink.close()
        progress.finish()
        runtime.log.info(
            "generated",
            ["rows": options.rows, "cards": generator.cardCount, "frauds": generator.fraudCount, "output": path])
    }
}
