import FeatureStore
import Foundation
import PostgresOfflineStore
import ServiceRuntime

/// The definitions of a folder beside those that were applied last.
struct DefinitionHistory: Sendable {
    let repository: FeatureRepository
    let files: [DefinitionText]

    /// Reads the folder's files; `repository` is what was read from them.
    init(_ repository: FeatureRepository, folder: String) throws(CommandError) {
        self.repository = repository
        do {
            files = try FeatureRepository.fileNames(in: folder).map { name in
                DefinitionText(name: name, text: try String(contentsOfFile: "\(folder)/\(name)", encoding: .utf8))
            }
        } catch {
            throw CommandError(.noInput, "\(folder) cannot be read: \(error.localizedDescription).")
        }
    }

    /// What was applied last, and what would change; nil changes where nothing was applied, or what was cannot be read any more.
    func compare(
        _ store: PostgresOfflineStore, environment: [String: String]
    ) throws -> (last: StoredDefinitions?, changes: [DefinitionOutline.Change]?) {
        guard let last = try ledger(store).set() else { return (nil, nil) }
        let texts = last.files.map { (file: $0.name, text: $0.text) }
        guard let old = try? FeatureRepository.load(files: texts, environment: environment, called: "applied") else {
            return (last, nil)
        }
        return (last, DefinitionOutline(old).changes(to: DefinitionOutline(repository)))
    }

    /// Notes the folder's definitions as applied, where they are others than those applied last; the number of the set.
    func record(
        _ store: PostgresOfflineStore, environment: [String: String]
    ) throws -> (id: Int64, last: StoredDefinitions?, changes: [DefinitionOutline.Change]?) {
        let (last, changes) = try compare(store, environment: environment)
        if let last, last.files == files { return (last.id, last, []) }
        let id = try ledger(store).apply(
            files, streamHash: repository.streamHash, changes: (changes ?? []).map(\.description), by: Self.who)
        return (id, last, changes)
    }

    func ledger(_ store: PostgresOfflineStore) -> DefinitionLedger {
        DefinitionLedger(store.connection, project: repository.project)
    }

    /// Who runs this, as user@host.
    static var who: String { "\(NSUserName())@\(ProcessInfo.processInfo.hostName)" }

    /// What changed, for people.
    static func text(_ last: StoredDefinitions?, _ changes: [DefinitionOutline.Change]?) -> String {
        guard let last else { return "These are the first definitions of this project." }
        let date = Date(timeIntervalSince1970: Double(last.appliedMillis) / 1_000).formatted(.iso8601)
        let since = "since \(date), applied by \(last.appliedBy)"
        guard let changes else { return "What was applied before cannot be read any more (\(since))." }
        guard !changes.isEmpty else { return "No change \(since)." }
        return "Changed \(since):\n" + changes.map { "  \($0)" }.joined(separator: "\n")
    }
}
