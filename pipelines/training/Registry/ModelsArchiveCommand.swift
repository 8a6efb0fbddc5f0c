internal import Foundation
internal import PostgresOfflineStore
public import ServiceRuntime

/// Puts a model out of the way.
public struct ModelsArchiveCommand: Command {
    /// The words that call it.
    public static let name = "models archive"
    public static let summary =
        "Put a model out of the way: it is listed no more and takes no alias; --undo brings it back."
    public static let example = "needletail models archive 3 --reason \"superseded\""
    /// How the model is called in help.
    public static let arguments = "VERSION"
    public static let settings: [any SettingProtocol] =
        [undo, ModelDesk.reason, Promotion.by] + ModelDesk.settings

    static let undo = Setting<Bool>("undo", default: false, help: "Bring it back.", flagOnly: true)

    public init() {}

    /// Archives, or brings back.
    public func run(_ settings: Settings, _ runtime: ServiceRuntime) async throws {
        let word = try ModelDesk.version(settings)
        let desk = try ModelDesk(settings)
        let (isArchived, note) = (
            !settings[Self.undo], ChangeNote(actor: desk.actor, reason: settings[ModelDesk.reason])
        )
        let model = try await desk.run(runtime) { registry in
            let model = try desk.model(word, in: registry)
            try registry.archive(model, isArchived: isArchived, note)
            return model
        }
        try runtime.print("version \(model.name) is \(isArchived ? "archived" : "back").")
    }
}

/// Deletes a model.
public struct ModelsDeleteCommand: Command {
    /// The words that call it.
    public static let name = "models delete"
    public static let summary =
        "Delete a model's folder; its row stays for the history. The champion cannot be deleted."
    public static let example = "needletail models delete 3 --reason \"trained on wrong labels\""
    /// How the model is called in help.
    public static let arguments = "VERSION"
    public static let settings: [any SettingProtocol] = [ModelDesk.reason, Promotion.by] + ModelDesk.settings

    public init() {}

    /// Marks it deleted, then removes the folder; what was interrupted between is done by another call.
    public func run(_ settings: Settings, _ runtime: ServiceRuntime) async throws {
        let word = try ModelDesk.version(settings)
        let desk = try ModelDesk(settings)
        let note = ChangeNote(actor: desk.actor, reason: settings[ModelDesk.reason])
        let model = try await desk.run(runtime) { registry in
            let model = try desk.model(word, in: registry)
            if !model.isDeleted { try registry.delete(model, note) }
            let folder = registry.directory(of: model)
            // A folder's name is a version's number; anything else was written by no command.
            guard model.folder == model.name, FileManager.default.fileExists(atPath: folder) else { return model }
            do { try FileManager.default.removeItem(atPath: folder) } catch {
                throw CommandError(.inputOutput, "cannot remove \(folder): \(error.localizedDescription).")
            }
            return model
        }
        try runtime.print("version \(model.name) is deleted.")
    }
}
