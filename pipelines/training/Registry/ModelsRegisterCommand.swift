internal import Foundation
internal import FraudModel
internal import Observability
internal import PostgresOfflineStore
public import ServiceRuntime

/// Registers a model whose folder is there and whose row in the registry is not.
public struct ModelsRegisterCommand: Command {
    /// The words that call it.
    public static let name = "models register"
    public static let summary = "Register a model from its folder, as after the loss of the database."
    public static let example = "needletail models register var/models/1"
    /// How the folder is called in help.
    public static let arguments = "DIR"
    /// More lines of help.
    public static let details = """
        A folder of the models folder whose name is a number keeps it as its version; any other is copied there under a
        new one. The model becomes the champion when its service has none, or with --force.

        With --approve (or PROMOTION_APPROVAL=true), --force asks: where another model is the champion, somebody else has
        to agree with `models promote`.
        """
    public static let settings: [any SettingProtocol] = [
        TrainCommand.force, why, Promotion.approve, Promotion.by, TrainingContext.serviceName, .featureRepo,
        .databaseURL, .modelDirectory,
    ]

    static let why = Setting<String?>("reason", help: "Why, for the history.", flagOnly: true)

    public init() {}

    /// Registers, and promotes where nothing serves.
    public func run(_ settings: Settings, _ runtime: ServiceRuntime) async throws {
        guard settings.arguments.count == 1 else {
            throw CommandError(.usage, "one folder of a model is needed, such as var/models/1.")
        }
        let folder = FolderRegistration(
            directory: settings.arguments[0], forces: settings[TrainCommand.force],
            needsApproval: settings[Promotion.approve], actor: try Promotion.actor(settings),
            reason: settings[Self.why])
        let context = try TrainingContext(settings)
        let card = try folder.card()
        try await context.prepareDatabase(runtime)
        let sentence = try await runtime.onThread("register") { try folder.register(card, in: context.registry()) }
        try runtime.print(sentence)
    }
}

/// The steps of `models register`.
struct FolderRegistration: Sendable {
    let directory: String
    let forces: Bool
    var needsApproval = false
    var actor = "needletail"
    var reason: String?

    /// What the folder says about its model, which can be scored.
    func card() throws(CommandError) -> ModelCard {
        do {
            guard let card = try ScoringModel.load(directory: directory).card else {
                throw CommandError(
                    .dataError,
                    "\(directory) has no needletail.json: only a model that `needletail train` wrote serves.")
            }
            return card
        } catch let error as ModelError {
            if case .notFound = error { throw CommandError(.noInput, "\(error).") }
            throw CommandError(.dataError, "\(error).")
        } catch let error as CommandError {
            throw error
        } catch { throw CommandError(.software, "\(error).") }
    }

    /// Registers the folder and says what became of it.
    func register(_ card: ModelCard, in registry: any ModelStore) throws -> String {
        let version = try ownVersion(in: registry.modelsFolder) ?? copy(to: registry)
        let model = try registry.register(card, version: version, folder: String(version))
        guard model.fingerprintMatches(card) else {
            throw CommandError(
                .dataError,
                "version \(model.name) is registered already, for another model than the one in \(directory).")
        }
        let champion = try registry.champion(of: model.service)
        guard champion?.version != model.version else { return "version \(model.name) is registered and the champion." }
        guard champion == nil || forces else {
            return
                "version \(model.name) is registered; version \(champion?.name ?? "") stays the champion, --force changes that."
        }
        let usual = champion == nil ? "registered from its folder, there was no champion" : "registered with --force"
        let note = ChangeNote(actor: actor, reason: reason ?? usual, isForced: champion != nil)
        guard champion == nil || !needsApproval else {
            try registry.request(model, note, replacing: champion?.version)
            return
                "version \(model.name) is registered and is to be champion: \(note.reason). Somebody else agrees with: needletail models promote \(model.name) --approve"
        }
        try registry.promote(model, note, replacing: .some(champion?.version))
        return "version \(model.name) is registered and now the champion."
    }

    /// The number a folder of the models folder is named by.
    private func ownVersion(in modelsFolder: String) -> Int64? {
        let place = URL(fileURLWithPath: directory).standardizedFileURL
        guard place.deletingLastPathComponent().path == URL(fileURLWithPath: modelsFolder).standardizedFileURL.path,
            let version = Int64(place.lastPathComponent), version > 0, String(version) == place.lastPathComponent
        else { return nil }
        return version
    }

    private func copy(to registry: any ModelStore) throws -> Int64 {
        let version = try registry.unusedVersion()
        let (path, partial) = ("\(registry.modelsFolder)/\(version)", "\(registry.modelsFolder)/.\(version).partial")
        do {
            try? FileManager.default.removeItem(atPath: partial)
            try FileManager.default.createDirectory(
                atPath: registry.modelsFolder, withIntermediateDirectories: true)
            try FileManager.default.copyItem(atPath: directory, toPath: partial)
            try FileManager.default.moveItem(atPath: partial, toPath: path)
        } catch {
            throw CommandError(.cannotCreate, "cannot copy \(directory) to \(path): \(error.localizedDescription).")
        }
        return version
    }
}

extension RegisteredModel {
    /// Whether a row that was there before is of the same model.
    fileprivate func fingerprintMatches(_ card: ModelCard) -> Bool {
        service == card.serviceName && definitionHash == card.definitionHash && fingerprint == card.fingerprint
    }
}
