internal import FeatureEngine
internal import FraudModel
internal import JSON
internal import MLflow
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
        rows that stop the fitting make its margins those of true probabilities (Platt's scaling, put into the trees) and
        set the threshold: precision:P is the lowest with such a precision, else the one of best F1; fpr:R the lowest with
        such a share of false alarms; alerts:N the lowest with so many alerts a day; money:C@F the cheapest, where a missed
        fraud costs its feature F and an alert C.

        Beside it a class-weighted logistic regression and the same trees on features of the request alone are fitted
        and measured: what the model is better by. --cv K tells luck from skill before the holdout; --search N tries points
        of the grid depth 4, 6, 8, learning rate 0.05, 0.1, 0.2 and subsample 0.8, 1. Both are printed, none sees the holdout.
        params.yaml (section fit, names with _ for -) gives what no flag does.

        Rows of the store make a model that is registered under a new version. It becomes the champion when it beats the
        champion on the same rows: those of the holdout that are newer than all that either was fitted or stopped on, in
        average precision and in 95 % of 200 draws of these rows. Under 50 frauds there nothing is decided. A champion of
        other definitions is measured on its own features of the same events; it serves nobody any more and stays only
        where it is clearly better. --force makes the new model champion
        whatever the comparison says.

        Rows of a file are not what the stream has seen: the model is only written to --output, unless --register is
        given; it is then compared on the file's own holdout.

        With MLFLOW_TRACKING_URI it is a run of that MLflow server too, with its figures and its folder, and a version of
        its registered model; a server that does not answer is a warning and no more.

        Stopped before its end, it registers nothing and exits with 75. The same rows, seed and settings make the same
        model file, byte for byte, with any number of threads.
        """
    public static let settings: [any SettingProtocol] =
        [
            input, fromStore, output, TrainingContext.serviceName, register, noRegister, noPromote, force,
            allowMalformed, TrainingSettings.file, Promotion.margin, Promotion.approve, Promotion.by, json,
            .featureRepo, .databaseURL, .modelDirectory,
        ] + TrainingSettings.fit + MLflowClient.settings

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
    static let json = Setting<Bool>("json", default: false, help: "Print one JSON object.", flagOnly: true)

    public init() {}

    /// Trains, prints the figures, registers.
    public func run(_ settings: Settings, _ runtime: ServiceRuntime) async throws {
        let context = try TrainingContext(settings)
        var run = try TrainingSettings.run(settings, definitions: context.definitions)
        run.output = settings[Self.output]
        try Promotion.apply(settings, to: &run)
        run.promotes = !settings[Self.noPromote]
        let input = settings[Self.input]
        guard (input != nil) != settings[Self.fromStore] else {
            throw CommandError(.usage, "either --input or --from-store says where the rows are.")
        }
        let registers = try Self.registers(settings)
        if input == nil || registers { try await context.prepareDatabase(runtime) }
        let final = run
        let (allowsMalformed, tracking) = (settings[Self.allowMalformed], MLflowReport(settings))
        let outcome = try await runtime.onThread("train") {
            let outcome =
                try input.map { name in
                    let file = FileRows(file: name, allowsMalformed: allowsMalformed)
                    return try final.run(file, context, registers: registers, runtime)
                } ?? final.runFromStore(context, registers: registers, runtime)
            tracking.send(outcome, command: "train", actor: final.actor, runtime)
            return outcome
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
}
