internal import FeatureEngine
internal import FraudModel
internal import JSON
internal import Observability
internal import PostgresClient
internal import PostgresOfflineStore
public import ServiceRuntime

/// Fits a model on point-in-time rows.
public struct TrainCommand: Command {
    /// The word that calls it.
    public static let name = "train"
    /// One sentence.
    public static let summary = "Fit a fraud model on point-in-time rows, measure it on the newest fifth, register it."
    /// A command line that works.
    public static let example = "needletail train --input var/transactions.csv.zst --output var/models/first"
    /// More lines of help.
    public static let details = """
        Rows count only when their label has arrived: in the store, when it was received; in a file, when the source's
        delay has passed at the file's newest event. The newest 20 % of labelled event time are the holdout: fitting
        and early stopping end before it. The threshold is the lowest with a precision of 0.9 on the rows that stop
        the fitting, else the one of best F1.

        The model is registered in Postgres under a new version, and becomes the champion when its average precision
        beats the champion's on the same holdout; under 50 frauds there nothing is decided. With --output the folder
        is written too, and a registry that does not answer is only a warning.

        The same rows, seed and settings make the same model file, byte for byte, with any number of threads.
        """
    /// What can be set.
    public static let settings: [any SettingProtocol] = [
        input, fromStore, output, TrainingContext.serviceName, noRegister, holdoutFrom, rounds, depth, learningRate,
        subsample, patience, seed, threads, json, .featureRepo, .databaseURL, .modelDirectory,
    ]

    static let input = Setting<String?>(
        "input", help: "A CSV file of transactions with labels (.gz and .zst are unpacked), or - for standard input.",
        flagOnly: true, placeholder: "FILE|-")
    static let fromStore = Setting<Bool>(
        "from-store", default: false, help: "Take the rows that transform or backfill stored in Postgres.",
        flagOnly: true)
    static let output = Setting<String?>(
        "output", help: "Write the model directory here.", flagOnly: true, placeholder: "DIR")
    static let noRegister = Setting<Bool>(
        "no-register", default: false, help: "Leave the registry alone; needs --output.", flagOnly: true)
    static let holdoutFrom = Setting<String?>(
        "holdout-from", help: "The event time the holdout begins at (ISO 8601), instead of the newest 20 %.",
        flagOnly: true, placeholder: "TIME")
    static let rounds = Setting<Int>(
        "rounds", default: 600, in: 1...10_000, help: "Rounds of boosting at most.", flagOnly: true)
    static let depth = Setting<Int>("depth", default: 6, in: 1...30, help: "Depth of a tree.", flagOnly: true)
    static let learningRate = Setting<Double>(
        "learning-rate", default: 0.1, in: 0.0001...1, help: "What a tree's values are multiplied with.",
        flagOnly: true)
    static let subsample = Setting<Double>(
        "subsample", default: 1, in: 0.01...1, help: "Share of the rows each tree sees.", flagOnly: true)
    static let patience = Setting<Int>(
        "patience", default: 40, in: 1...10_000, help: "Rounds without a better average precision before it stops.",
        flagOnly: true)
    static let seed = Setting<Int>(
        "seed", default: 17, in: 0...Int(Int32.max), help: "Seed of everything random.", flagOnly: true)
    static let threads = Setting<Int>(
        "threads", default: 0, in: 0...1_024, help: "Threads; 0 is one a core.", flagOnly: true)
    static let json = Setting<Bool>("json", default: false, help: "Print one JSON object.", flagOnly: true)

    /// A command.
    public init() {}

    /// Trains, prints the figures, registers.
    public func run(_ settings: Settings, _ runtime: ServiceRuntime) async throws {
        let context = try TrainingContext(settings)
        var run = TrainingRun(context: context)
        run.output = settings[Self.output]
        run.registers = !settings[Self.noRegister]
        run.parameters = Self.parameters(settings)
        run.holdoutFromMillis = try Self.moment(settings)
        guard run.registers || run.output != nil else {
            throw CommandError(.usage, "--no-register needs --output: the model would be nowhere.")
        }
        let input = settings[Self.input]
        guard (input != nil) != settings[Self.fromStore] else {
            throw CommandError(.usage, "either --input or --from-store says where the rows are.")
        }
        if input == nil || (run.registers && run.output == nil) {
            try await context.prepareDatabase(runtime)
        } else if run.registers, await !Self.answers(context, runtime) {
            run.registers = false
        }
        let final = run
        let outcome = try await runtime.onThread("train") {
            let set =
                if let input {
                    try context.rows(file: input, runtime)
                } else {
                    try context.rows(in: PostgresOfflineStore(context.connect()), runtime)
                }
            let trained = try final.train(set, runtime)
            return try final.finish(trained, set, runtime)
        }
        if settings[Self.json] {
            try runtime.print(outcome.json.text(pretty: true))
        } else {
            try runtime.print(outcome.text)
        }
    }

    /// Whether the registry can be written, without waiting for it.
    private static func answers(_ context: TrainingContext, _ runtime: ServiceRuntime) async -> Bool {
        do {
            let url = context.databaseURL
            _ = try await runtime.onThread("migrate") { try PostgresOfflineStore(url: url, limits: .bulk).migrate() }
            return true
        } catch {
            runtime.log.warning("the model will not be registered", ["reason": "\(error)"])
            return false
        }
    }

    static func parameters(_ settings: Settings) -> TrainingParameters {
        var parameters = TrainingParameters()
        parameters.rounds = settings[rounds]
        parameters.depth = settings[depth]
        parameters.learningRate = settings[learningRate]
        parameters.subsample = settings[subsample]
        parameters.patience = settings[patience]
        parameters.seed = settings[seed]
        parameters.threads = settings[threads]
        return parameters
    }

    private static func moment(_ settings: Settings) throws(CommandError) -> Int64? {
        guard let text = settings[holdoutFrom] else { return nil }
        guard let millis = CivilTime.parseISO8601(Array(text.utf8).span) else {
            throw CommandError(.usage, "--holdout-from \(text) is no ISO 8601 time such as 2019-09-01T00:00:00Z.")
        }
        return millis
    }
}
