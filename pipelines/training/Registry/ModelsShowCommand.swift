internal import FeatureEngine
internal import FraudModel
internal import JSON
internal import Observability
internal import PostgresOfflineStore
public import ServiceRuntime

/// Shows one registered model.
public struct ModelsShowCommand: Command {
    /// The words that call it.
    public static let name = "models show"
    public static let summary = "Show what a registered model was made from, its figures and its history."
    public static let example = "needletail models show @champion"
    /// How the model is called in help.
    public static let arguments = "VERSION|@ALIAS"
    /// It writes nothing.
    public static let isReadOnly = true
    public static let settings: [any SettingProtocol] = [TrainCommand.json] + ModelDesk.settings

    public init() {}

    /// Prints the card and the history.
    public func run(_ settings: Settings, _ runtime: ServiceRuntime) async throws {
        let desk = try ModelDesk(settings)
        let word = settings.arguments.first ?? "@champion"
        guard settings.arguments.count <= 1 else { throw CommandError(.usage, "one model is shown at a time.") }
        let (model, aliases, history, folder) = try await desk.run(runtime) { registry in
            let model = try desk.model(word, in: registry)
            let history = try registry.history(of: desk.service).filter {
                $0.version == model.version || $0.previous == model.version
            }
            return (model, try registry.aliases(of: desk.service), history, registry.directory(of: model))
        }
        let card = (try? JSONTree.parse(model.card)) ?? .null
        if settings[TrainCommand.json] {
            var members = model.json(aliases).object ?? []
            members.append(.init("card", card))
            members.append(.init("history", .array(history.map(\.json))))
            return try runtime.print(JSONTree.object(members).text(pretty: true))
        }
        var lines = [
            "version    \(model.name) of \(model.service)\(model.state(aliases).isEmpty ? "" : ", \(model.state(aliases))")",
            "folder     \(folder)", "registered \(Figures.time(model.registeredMillis))",
            "data       \(model.fingerprint)", "definitions \(model.definitionHash)",
            "revision   \(card["revision"]?.string ?? "")",
            "threshold  \(card["threshold"]?.double.map { Figures.rounded($0, 4) } ?? "-") (\(card["threshold_rule"]?.string ?? ""))",
            "parameters \((card["parameters"]?.object ?? []).map { "\($0.key) \($0.value.string ?? "")" }.joined(separator: ", "))",
            "", "holdout      \(Figures.metricsHeading)", Figures.line("this model", model.figures),
        ]
        for baseline in card["baselines"]?.array ?? [] {
            lines.append(Figures.line(baseline["name"]?.string ?? "", ModelMetrics(baseline["metrics"])))
        }
        lines += ["", "history"] + (history.isEmpty ? ["  none"] : history.map { "  \($0.words)" })
        try runtime.print(TerminalText.visible(lines.joined(separator: "\n"), keepingNewlines: true))
    }
}

extension ModelChange {
    /// One line of the history.
    var words: String {
        let name = version.map { " version \($0)" } ?? ""
        let before = previous.map { " after \($0)" } ?? ""
        let forced = note.isForced ? " by force" : ""
        let approved = note.approver.map { ", approved by \($0)" } ?? ""
        let who = note.actor.isEmpty ? "" : " by \(note.actor)"
        return
            "\(Figures.time(changedMillis)) \(action.rawValue)\(name)\(alias.map { " as \($0)" } ?? "")\(before)\(who)\(approved)\(forced): \(note.reason)"
    }

    /// The same for programs.
    var json: JSONTree {
        func number(_ value: Int64?) -> JSONTree { value.map { .number(String($0)) } ?? .null }
        return [
            "at": .string(Figures.time(changedMillis)), "action": .string(action.rawValue),
            "alias": alias.map { .string($0) } ?? .null, "version": number(version), "previous": number(previous),
            "by": .string(note.actor), "approved_by": note.approver.map { .string($0) } ?? .null,
            "forced": .bool(note.isForced), "reason": .string(note.reason),
        ]
    }
}
