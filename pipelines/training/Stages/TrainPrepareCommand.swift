internal import FraudModel
internal import JSON
internal import Observability
public import ServiceRuntime

/// The first of three stages: rows to a file.
public struct TrainPrepareCommand: Command {
    /// The words that call it.
    public static let name = "train prepare"
    public static let summary = "Stage 1 of train: write the labelled point-in-time rows to a file."
    public static let example = "needletail train prepare --input transactions.csv.zst --output var/stages/rows"
    /// More lines of help.
    public static let details = """
        `train` does all three stages in one go; by themselves each can be run again without the ones before it, as DVC does:

          train prepare   events → rows               --input FILE or --from-store, --output ROWS
          train fit       rows → a model's folder     --rows ROWS, --output DIR
          train evaluate  both → metrics and a page   --rows ROWS, --model DIR, --output DIR

        Parameters are read from params.yaml, from the section of the stage's name; a flag wins.
        """
    public static let settings: [any SettingProtocol] = [
        input, TrainCommand.fromStore, output, TrainingContext.serviceName, TrainCommand.allowMalformed,
        TrainingSettings.file, .featureRepo, .databaseURL, .modelDirectory,
    ]

    static let input = TrainCommand.input
    static let output = Setting<String>(
        "output", default: "var/stages/rows", help: "The file to write.", flagOnly: true, placeholder: "FILE")

    public init() {}

    /// Reads, checks, writes.
    public func run(_ settings: Settings, _ runtime: ServiceRuntime) async throws {
        let context = try TrainingContext(settings)
        let file = try ParameterFile(
            settings[TrainingSettings.file], section: "prepare",
            declared: [Self.input, TrainCommand.fromStore, TrainCommand.allowMalformed])
        // A flag that says where the rows are is all that says it.
        let isGiven = settings.isGiven(Self.input) || settings.isGiven(TrainCommand.fromStore)
        let input = isGiven ? settings[Self.input] : try file.value(of: Self.input, settings)
        let fromStore =
            isGiven ? settings[TrainCommand.fromStore] : try file.value(of: TrainCommand.fromStore, settings)
        guard (input != nil) != fromStore else {
            throw CommandError(.usage, "either --input or --from-store says where the rows are.")
        }
        let allowsMalformed = try file.value(of: TrainCommand.allowMalformed, settings)
        if fromStore { try await context.prepareDatabase(runtime) }
        let path = settings[Self.output]
        let set = try await runtime.onThread("prepare") {
            let set =
                try input.map {
                    try FileRows(file: $0, allowsMalformed: allowsMalformed).rows(of: context.service, runtime)
                }
                ?? StoreRows(context).rows(runtime)
            try TrainingContext.requireGoingOn(runtime)
            try Stage.saving { () throws(ModelError) in try set.write(to: path) }
            return set
        }
        let frauds = set.labels.count { $0 == 1 }
        try runtime.print(
            "\(Figures.grouped(set.count)) rows, \(Figures.grouped(frauds)) frauds, fingerprint \(set.fingerprint()), written to \(path)"
        )
    }
}

/// What the stages share.
enum Stage {
    static let rows = Setting<String>(
        "rows", default: "var/stages/rows", help: "The file of `train prepare`.", flagOnly: true, placeholder: "FILE")

    static func saving(_ body: () throws(ModelError) -> Void) throws(CommandError) {
        do throws(ModelError) { try body() } catch { throw CommandError(.cannotCreate, "\(error).") }
    }

    /// Runs what reads files of stages before; what is missing or no such file ends the command.
    static func reading<Result>(_ body: () throws(ModelError) -> Result) throws(CommandError) -> Result {
        do throws(ModelError) { return try body() } catch {
            if case .notFound = error { throw CommandError(.noInput, "\(error).") }
            throw CommandError(.dataError, "\(error).")
        }
    }
}
