internal import FeatureEngine
internal import FraudModel
internal import JSON
internal import Observability
public import ServiceRuntime

/// Fits a model on point-in-time rows.
public struct TrainCommand: Command {
    public static let name = "train"
    public static let summary = "Fit a fraud model on point-in-time rows, measure it on the newest fifth, register it."
    public static let example = "needletail train --from-store"
    /// More lines of help.
    public static let details = """
        Rows count only when their label has arrived: in the store, when it was received; in a file, when the source's
        delay has passed at the file's newest event (the newest thousandth of the events, two at least, left out). A file
        is read in its own order; where more than 1 % of its rows are over two days older than rows before them it is
        refused. The newest 20 % of labelled event time are the holdout: fitting and early stopping end before it. The
        threshold is the lowest with a precision of 0.9 on the rows that stop the fitting, else the one of best F1.

        Rows of the store make a model that is registered under a new version. It becomes the champion when it beats the
        champion on the same rows: those of the holdout that are newer than all that either was fitted or stopped on, in
        average precision and in 95 % of 200 draws of these rows. Under 50 frauds there nothing is decided. A champion of
        other definitions is measured on its own features of the same events; it serves nobody any more and stays only
        where it is clearly better. --force makes the new model champion
        whatever the comparison says.

        Rows of a file are not what the stream has seen: the model is only written to --output, unless --register is
        given; it is then compared on the file's own holdout.

        Stopped before its end, it registers nothing and exits with 75. The same rows, seed and settings make the same
        model file, byte for byte, with any number of threads.
        """
    public static let settings: [any SettingProtocol] = [
        input, fromStore, output, TrainingContext.serviceName, register, noRegister, noPromote, force, allowMalformed,
        holdoutFrom,
        rounds, depth, learningRate, subsample, patience, seed, threads, json, .featureRepo, .databaseURL,
        .modelDirectory,
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
    static let register = Setting<Bool>(
        "register", default: false, help: "Register a model of a file's rows too.", flagOnly: true)
    static let noPromote = Setting<Bool>(
        "no-promote", default: false, help: "Register and compare, and leave the champion as it is.", flagOnly: true)
    static let force = Setting<Bool>(
        "force", default: false, help: "Make the new model champion whatever the comparison says.", flagOnly: true)
    static let allowMalformed = Setting<Bool>(
        "allow-malformed", default: false, help: "Train without the rows of a file that are no events.",
        flagOnly: true)
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

    public init() {}

    /// Trains, prints the figures, registers.
    public func run(_ settings: Settings, _ runtime: ServiceRuntime) async throws {
        let context = try TrainingContext(settings)
        var run = TrainingRun(definitions: context.definitions)
        run.output = settings[Self.output]
        run.forces = settings[Self.force]
        run.promotes = !settings[Self.noPromote]
        run.parameters = Self.parameters(settings)
        run.holdoutFromMillis = try Self.moment(settings)
        let input = settings[Self.input]
        guard (input != nil) != settings[Self.fromStore] else {
            throw CommandError(.usage, "either --input or --from-store says where the rows are.")
        }
        let registers = try Self.registers(settings)
        if input == nil || registers { try await context.prepareDatabase(runtime) }
        let final = run
        let allowsMalformed = settings[Self.allowMalformed]
        let outcome = try await runtime.onThread("train") {
            guard let input else { return try final.runFromStore(context, registers: registers, runtime) }
            let file = FileRows(file: input, allowsMalformed: allowsMalformed)
            return try final.run(file, context, registers: registers, runtime)
        }
        if settings[Self.json] {
            try runtime.print(outcome.json.text(pretty: true))
        } else {
            try runtime.print(outcome.text)
        }
    }

    /// Whether the model goes into the registry: one of the store's rows unless told not to, one of a file's rows only when told to.
    private static func registers(_ settings: Settings) throws(CommandError) -> Bool {
        guard !(settings[register] && settings[noRegister]) else {
            throw CommandError(.usage, "--register and --no-register contradict each other.")
        }
        let registers = settings[input] == nil ? !settings[noRegister] : settings[register]
        guard registers || settings[output] != nil else {
            let why =
                settings[input] == nil ? "--no-register" : "a model of a file's rows is not registered by default, and"
            throw CommandError(
                .usage,
                "\(why) needs --output DIR\(settings[input] == nil ? "" : ", --register or both"): the model would be nowhere."
            )
        }
        guard !(settings[force] && settings[noPromote]) else {
            throw CommandError(.usage, "--force and --no-promote contradict each other.")
        }
        guard registers || !settings[force] else {
            throw CommandError(.usage, "--force is for a model that is registered.")
        }
        return registers
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
