internal import FeatureStore
internal import FraudModel
internal import JSON
internal import PostgresOfflineStore
public import ServiceRuntime

/// Lists the registered models of a service.
public struct ModelsListCommand: Command {
    /// The words that call it.
    public static let name = "models list"
    public static let summary = "List the registered models, the newest first, with their aliases and figures."
    public static let example = "needletail models list"
    /// It writes nothing.
    public static let isReadOnly = true
    public static let settings: [any SettingProtocol] = [all, TrainCommand.json] + ModelDesk.settings

    static let all = Setting<Bool>("all", default: false, help: "Archived and deleted ones too.", flagOnly: true)

    public init() {}

    /// Prints the table.
    public func run(_ settings: Settings, _ runtime: ServiceRuntime) async throws {
        let desk = try ModelDesk(settings)
        let showsAll = settings[Self.all]
        let (models, aliases, pending) = try await desk.run(runtime) { registry in
            let models = try registry.models(of: desk.service).filter { showsAll || !($0.isArchived || $0.isDeleted) }
            return (models, try registry.aliases(of: desk.service), try registry.pendingRequest(of: desk.service))
        }
        guard !settings[TrainCommand.json] else {
            let rows = models.map { $0.json(aliases) }
            return try runtime.print(JSONTree.object([.init("models", .array(rows))]).text(pretty: true))
        }
        try runtime.print(Self.table(models, aliases, pending, hash: desk.context.service.definitionHash))
    }

    private static func table(
        _ models: [RegisteredModel], _ aliases: [String: Int64], _ pending: PromotionRequest?, hash: String
    ) -> String {
        guard !models.isEmpty else { return "no model is registered: needletail train --from-store makes one" }
        var lines = [
            "version  registered                AP      recall at 0.1 % FPR  calibration error  holdout rows  state"
        ]
        for model in models {
            let metrics = model.figures
            func cell(_ value: Double?, _ width: Int) -> String {
                Figures.left(value.map { Figures.rounded($0, 4) } ?? "-", width)
            }
            let others = model.definitionHash == hash ? [] : ["other definitions"]
            let waiting = pending?.version == model.version ? ["waits for approval"] : []
            let state = ([model.state(aliases)].filter { !$0.isEmpty } + others + waiting).joined(separator: ", ")
            lines.append(
                Figures.left(model.name, 9) + Figures.left(Figures.time(model.registeredMillis), 26)
                    + cell(metrics.averagePrecision, 8) + cell(metrics.recallAtLowFalsePositives, 21)
                    + cell(metrics.calibrationError, 19) + Figures.left(Figures.grouped(metrics.rows), 14) + state)
        }
        return lines.joined(separator: "\n")
    }
}

extension RegisteredModel {
    /// What is known of it, for programs.
    func json(_ aliases: [String: Int64]) -> JSONTree {
        [
            "version": .string(name), "service": .string(service), "definition_hash": .string(definitionHash),
            "folder": .string(folder), "fingerprint": .string(fingerprint),
            "registered": .string(Figures.time(registeredMillis)),
            "aliases": .array(aliases.filter { $0.value == version }.map(\.key).sorted().map { .string($0) }),
            "archived": .bool(isArchived), "deleted": .bool(isDeleted), "metrics": figures.json,
        ]
    }
}
