internal import FraudModel
internal import MLflow
internal import PostgresOfflineStore
public import ServiceRuntime

/// Makes a registered model champion, or the challenger beside it.
public struct ModelsPromoteCommand: Command {
    /// The words that call it.
    public static let name = "models promote"
    public static let summary = "Make a model champion where it is clearly better, or challenger beside the champion."
    public static let example = "needletail models promote 7 --reason \"fitted on the new terminals\""
    /// How the model is called in help.
    public static let arguments = "VERSION|@challenger"
    /// More lines of help.
    public static let details = """
        A model becomes champion when it beats the present one on the newest rows with an arrived label that neither has
        seen: by more than --margin, in 95 % of 200 draws of these rows. Ties, and under 50 frauds, leave the champion.
        --force promotes it whatever the comparison says, and the history keeps that.

        With --approve (or PROMOTION_APPROVAL=true) two people are needed: the first call asks, the second, by somebody
        else, agrees. --as challenger lets serve score it beside the champion, which answers: models compare --live.

        Exits with 65 when the model does not become champion.
        """
    public static let settings: [any SettingProtocol] =
        [role, why, TrainCommand.force, Promotion.margin, Promotion.approve, Promotion.by] + ModelDesk.settings
        + MLflowClient.settings

    /// What a model can be made.
    enum Role: String, SettingChoice { case champion, challenger }
    static let role = Setting<Role>("as", default: .champion, help: "The alias it takes.", flagOnly: true)
    static let why = Setting<String?>("reason", help: "Why, for the history.", flagOnly: true)

    public init() {}

    /// Compares and promotes, asks, or agrees.
    public func run(_ settings: Settings, _ runtime: ServiceRuntime) async throws {
        guard let word = settings.arguments.first, settings.arguments.count == 1 else {
            throw CommandError(.usage, "one version is needed, such as 7 or @challenger.")
        }
        let desk = try ModelDesk(settings)
        let order = PromotionOrder(
            desk: desk, reason: settings[Self.why], margin: settings[Promotion.margin],
            forces: settings[TrainCommand.force],
            needsApproval: settings[Promotion.approve])
        let (role, tracking) = (settings[Self.role], MLflowReport(settings))
        let sentence = try await desk.run(runtime) { registry in
            let model = try desk.model(word, in: registry)
            let sentence =
                try role == .challenger
                ? order.challenge(model, in: registry) : order.promote(model, in: registry, runtime)
            if try registry.aliases(of: model.service)[role.rawValue] == model.version {
                tracking.move(role.rawValue, to: model, runtime)
            }
            return sentence
        }
        try runtime.print(sentence)
    }
}

/// The steps of `models promote`.
struct PromotionOrder: Sendable {
    let desk: ModelDesk
    let reason: String?
    let margin: Double
    let forces: Bool
    let needsApproval: Bool

    func challenge(_ model: RegisteredModel, in registry: ModelRegistry) throws -> String {
        _ = try desk.servable(model, in: registry)
        let note = ChangeNote(actor: desk.actor, reason: reason ?? "to be scored beside the champion")
        try registry.challenge(model, note)
        return "version \(model.name) is the challenger."
    }

    func promote(_ model: RegisteredModel, in registry: ModelRegistry, _ runtime: ServiceRuntime) throws -> String {
        let champion = try registry.champion(of: model.service)
        guard champion?.version != model.version else {
            throw CommandError(.dataError, "version \(model.name) is the champion already.")
        }
        if needsApproval, let pending = try registry.pendingRequest(of: model.service), pending.version == model.version
        {
            return try agree(to: pending, model, in: registry)
        }
        let judgement = try desk.judge(model, against: champion, margin: margin, in: registry, runtime)
        var note = ChangeNote(actor: desk.actor, reason: judgement.verdict.reason)
        if !judgement.verdict.isPromoted {
            guard forces else {
                throw CommandError(.dataError, "version \(model.name) stays what it is: \(note.reason).")
            }
            note.isForced = true
            note.reason = "by --force, although \(note.reason)"
        }
        if let reason { note.reason = "\(reason) (\(note.reason))" }
        guard !needsApproval else {
            try registry.request(model, note, replacing: champion?.version)
            return
                "version \(model.name) is to be champion: \(note.reason). Somebody else agrees with: needletail models promote \(model.name) --approve"
        }
        try registry.promote(model, note, replacing: .some(champion?.version))
        return "version \(model.name) is the champion: \(note.reason)"
    }

    private func agree(
        to pending: PromotionRequest, _ model: RegisteredModel, in registry: ModelRegistry
    ) throws -> String {
        guard pending.note.actor != desk.actor else {
            throw CommandError(
                .noPermission, "\(desk.actor) asked for version \(model.name) already; somebody else has to agree.")
        }
        _ = try desk.servable(model, in: registry)
        var note = pending.note
        note.approver = desk.actor
        try registry.promote(model, note, replacing: .some(pending.replacing))
        return "version \(model.name) is the champion: asked for by \(note.actor), agreed to by \(desk.actor)"
    }
}
