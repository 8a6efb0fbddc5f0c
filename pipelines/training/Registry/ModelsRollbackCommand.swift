internal import FraudModel
internal import MLflow
internal import PostgresOfflineStore
public import ServiceRuntime

/// Brings the former champion back.
public struct ModelsRollbackCommand: Command {
    /// The words that call it.
    public static let name = "models rollback"
    public static let summary = "Make the former champion the champion again, without a comparison."
    public static let example = "needletail models rollback --reason \"false alarms since noon\""
    /// More lines of help.
    public static let details = """
        The champion before the present one, or the one that --to names, which has been champion before. Called again it goes
        back one more. What it goes to must serve the present definitions. `serve` answers with it a second later.
        """
    public static let settings: [any SettingProtocol] =
        [to, ModelDesk.reason, Promotion.by] + ModelDesk.settings + MLflowClient.settings

    static let to = Setting<String?>("to", help: "The version to go back to.", flagOnly: true, placeholder: "VERSION")

    public init() {}

    /// Moves the alias back.
    public func run(_ settings: Settings, _ runtime: ServiceRuntime) async throws {
        let desk = try ModelDesk(settings)
        let (wanted, note) = (settings[Self.to], ChangeNote(actor: desk.actor, reason: settings[ModelDesk.reason]))
        let tracking = MLflowReport(settings)
        let sentence = try await desk.run(runtime) { registry in
            guard let champion = try registry.champion(of: desk.service) else {
                throw CommandError(.dataError, "\(desk.service) has no champion.")
            }
            let former = FormerChampions(try registry.history(of: desk.service, alias: ModelRegistry.champion))
            let model: RegisteredModel
            if let wanted {
                model = try desk.model(wanted, in: registry)
                guard former.all.contains(model.version), model.version != champion.version else {
                    throw CommandError(
                        .dataError, "version \(model.name) is no former champion: models promote makes it one.")
                }
            } else {
                guard let found = try former.latest(reading: { try registry.model(version: $0) }) else {
                    throw CommandError(.dataError, "\(desk.service) has no former champion to go back to.")
                }
                model = found
            }
            _ = try desk.servable(model, in: registry)
            try registry.rollBack(to: model, note, replacing: champion.version)
            tracking.move(ModelRegistry.champion, to: model, runtime)
            return "version \(model.name) is the champion again, in place of version \(champion.name)."
        }
        try runtime.print(sentence)
    }
}

/// Who was champion before, as a history tells.
struct FormerChampions {
    /// The champions a rollback leads back through, the present one last: a promotion adds one, a rollback takes away what was
    /// promoted since.
    private(set) var stack: [Int64] = []
    /// Every version that was one.
    private(set) var all: Set<Int64> = []

    init(_ history: [ModelChange]) {
        for change in history {
            guard let version = change.version, change.action == .promote || change.action == .rollback else {
                continue
            }
            all.insert(version)
            if change.action == .rollback, let place = stack.lastIndex(of: version) {
                stack.removeSubrange((place + 1)...)
            } else if stack.last != version {
                stack.append(version)
            }
        }
    }

    /// The latest champion before the present one that is neither archived nor deleted, or nil. A read that fails ends
    /// the search: it passes no version over.
    func latest(reading model: (Int64) throws -> RegisteredModel?) throws -> RegisteredModel? {
        for version in stack.dropLast().reversed() {
            if let found = try model(version), !found.isDeleted, !found.isArchived { return found }
        }
        return nil
    }
}
