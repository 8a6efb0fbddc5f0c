internal import FraudModel
internal import JSON
internal import PostgresOfflineStore
public import ServiceRuntime

/// Compares two registered models.
public struct ModelsCompareCommand: Command {
    /// The words that call it.
    public static let name = "models compare"
    public static let summary = "Compare two models on the newest rows that neither has seen."
    public static let example = "needletail models compare 7 @champion"
    /// How the models are called in help.
    public static let arguments = "[VERSION|@ALIAS [VERSION|@ALIAS]]"
    /// It writes nothing.
    public static let isReadOnly = true
    /// More lines of help.
    public static let details = """
        Without names it compares the challenger with the champion. The rows are those of the offline store with an arrived
        label that are newer than all that either model was fitted or stopped on; under 50 frauds nothing is decided.
        """
    public static let settings: [any SettingProtocol] = [Promotion.margin, TrainCommand.json] + ModelDesk.settings

    public init() {}

    /// Prints both models' figures.
    public func run(_ settings: Settings, _ runtime: ServiceRuntime) async throws {
        let desk = try ModelDesk(settings)
        let words = settings.arguments
        guard words.count <= 2 else { throw CommandError(.usage, "two models are compared at a time.") }
        let (first, second) = (words.first ?? "@challenger", words.count == 2 ? words[1] : "@champion")
        let margin = settings[Promotion.margin]
        let (one, other, judgement) = try await desk.run(runtime) { registry in
            let (one, other) = (try desk.model(first, in: registry), try desk.model(second, in: registry))
            guard one.version != other.version else {
                throw CommandError(.usage, "version \(one.name) cannot be compared with itself.")
            }
            return (one, other, try desk.judge(one, against: other, margin: margin, in: registry, runtime))
        }
        guard !settings[TrainCommand.json] else {
            let tree: JSONTree = [
                "version": .string(one.name), "verdict": .string(judgement.verdict.comparisonWord),
                "reason": .string(judgement.verdict.reason),
                "comparison": judgement.comparison?.json(champion: other.name) ?? .null,
            ]
            return try runtime.print(tree.text(pretty: true))
        }
        var lines: [String] = []
        if let comparison = judgement.comparison {
            lines = [
                "\(Figures.grouped(comparison.champion.rows)) rows, \(Figures.grouped(comparison.champion.frauds)) frauds",
                Figures.left("", 13) + Figures.metricsHeading,
                Figures.line("version \(one.name)", comparison.challenger),
                Figures.line("version \(other.name)", comparison.champion), "",
            ]
        }
        lines.append("\(judgement.verdict.comparisonWord): \(judgement.verdict.reason)")
        try runtime.print(lines.joined(separator: "\n"))
    }
}

extension Verdict {
    /// What a comparison that promotes nobody says.
    var comparisonWord: String {
        switch self {
        case .promoted: "better"
        case .kept: "not better"
        case .undecided, .requested, .unregistered: "undecided"
        }
    }
}
