internal import Foundation
internal import FraudModel
internal import JSON
internal import PostgresOfflineStore

/// Where models are registered: Postgres in the program, memory in tests.
protocol ModelStore: AnyObject {
    /// The folder that models are kept in.
    var modelsFolder: String { get }
    /// A version nobody was given before.
    func nextVersion() throws -> Int64
    /// Registers a model whose folder is written; false where its version is registered already.
    func insert(_ entry: RegisteredModel) throws -> Bool
    /// The model of a version, or nil.
    func model(version: Int64) throws -> RegisteredModel?
    /// The model that serves, or nil; without a service the one that changed last.
    func champion(of service: String?) throws -> RegisteredModel?
    /// Makes a model the champion of its service, if the champion still is `replacing`; `ChampionChanged` otherwise.
    func promote(_ model: RegisteredModel, _ note: ChangeNote, replacing expected: Int64??) throws
    /// Asks for a promotion that a second person is to agree to.
    func request(_ model: RegisteredModel, _ note: ChangeNote, replacing champion: Int64?) throws
    /// The promotion of a service that waits for a second person.
    func pendingRequest(of service: String) throws -> PromotionRequest?
    /// Every model without its card, newest first; of one service, or of all.
    func models(of service: String?) throws -> [RegisteredModel]
    /// Takes the lock of training a service again, for as long as the connection is open; false where another process has it.
    func lockRetraining(of service: String) throws -> Bool
    /// Keeps what was decided about training again.
    func record(_ decision: RetrainDecision) throws
    /// What became of training on the rows of a fingerprint to replace this champion, last time; nil where nobody tried.
    func lastDecision(on fingerprint: String, service: String, replacing champion: Int64?) throws -> RetrainDecision?
    /// Keeps a comparison of recent rows with a model's reference.
    func store(_ drift: DriftEntry, of model: RegisteredModel) throws
}

extension ModelRegistry: ModelStore {}

extension ModelStore {
    /// The path of a registered model's folder.
    func directory(of model: RegisteredModel) -> String { modelsFolder + "/" + model.folder }

    /// A version whose folder is free: the folder may hold models that a database before this one numbered.
    func unusedVersion() throws -> Int64 {
        while true {
            let version = try nextVersion()
            if !FileManager.default.fileExists(atPath: "\(modelsFolder)/\(version)") { return version }
        }
    }

    /// Registers a model whose folder is written.
    func register(_ card: ModelCard, version: Int64, folder: String) throws -> RegisteredModel {
        var members = card.json.object ?? []
        members.removeAll { $0.key == "features" || $0.key == "score_reference" }
        members.append(.init("features", .array(card.features.map { .string($0.name) })))
        let entry = RegisteredModel(
            version: version, service: card.serviceName, definitionHash: card.definitionHash, folder: folder,
            fingerprint: card.fingerprint, metrics: card.metrics.json.text(), card: JSONTree.object(members).text())
        _ = try insert(entry)
        guard let model = try model(version: version) else { throw ModelError.notFound("version \(version)") }
        return model
    }
}
