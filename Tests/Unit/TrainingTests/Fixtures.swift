import FeatureEngine
import Foundation
import FraudModel
import PostgresOfflineStore
import TestSupport

@testable import Training

/// A registry without a database, with the rules of the real one.
final class MemoryModelStore: ModelStore {
    let modelsFolder: String
    private(set) var models: [RegisteredModel] = []
    private(set) var champions: [String: Int64] = [:]
    private(set) var notes: [ChangeNote] = []
    private(set) var requests: [PromotionRequest] = []
    private(set) var drifts: [DriftEntry] = []
    private(set) var decisions: [RetrainDecision] = []
    /// Whether another process trains again.
    var isLocked = false
    private var version: Int64 = 0
    /// Called once before the next promotion: another training that is faster.
    var beforePromotion: (() throws -> Void)?

    init(modelsFolder: String) { self.modelsFolder = modelsFolder }

    func nextVersion() throws -> Int64 {
        version += 1
        return version
    }

    func insert(_ entry: RegisteredModel) throws -> Bool {
        guard try model(version: entry.version) == nil else { return false }
        models.append(entry)
        return true
    }

    func model(version: Int64) throws -> RegisteredModel? { models.first { $0.version == version } }

    func champion(of service: String?) throws -> RegisteredModel? {
        guard let version = service.flatMap({ champions[$0] }) else { return nil }
        return try model(version: version)
    }

    func promote(_ model: RegisteredModel, _ note: ChangeNote, replacing expected: Int64??) throws {
        let hook = beforePromotion
        beforePromotion = nil
        try hook?()
        let present = champions[model.service]
        if let expected, expected != present { throw ChampionChanged(champion: present) }
        champions[model.service] = model.version
        notes.append(note)
    }

    func request(_ model: RegisteredModel, _ note: ChangeNote, replacing champion: Int64?) throws {
        requests.append(PromotionRequest(version: model.version, replacing: champion, note: note))
    }

    func pendingRequest(of service: String) throws -> PromotionRequest? { requests.last }

    func models(of service: String?) throws -> [RegisteredModel] {
        models.filter { service == nil || $0.service == service }.reversed()
    }

    func lockRetraining(of service: String) throws -> Bool { !isLocked }

    func record(_ decision: RetrainDecision) throws { decisions.append(decision) }

    func lastDecision(on fingerprint: String, service: String, replacing champion: Int64?) throws -> RetrainDecision? {
        decisions.last {
            $0.fingerprint == fingerprint && $0.service == service && $0.champion == champion && $0.decision != "failed"
        }
    }

    func store(_ drift: DriftEntry, of model: RegisteredModel) throws { drifts.append(drift) }
}

/// Rows of a service "shop" with one number that tells frauds as well as `signal` says.
enum Rows {
    static let hour: Int64 = 3_600_000

    static func set(
        _ count: Int, seed: UInt64, signal: Double = 1, startHour: Int = 0, hash: String = "00112233aabbccdd",
        names: [String] = ["v__a", "v__b"]
    ) -> TrainingSet {
        var random = SplitMix64(seed)
        var set = TrainingSet(
            serviceName: "shop", definitionHash: hash, featureNames: names,
            kinds: names.map { _ in .number })
        var vector = FeatureVector(count: names.count)
        for row in 0..<count {
            let label: UInt8 = random.uniform() < 0.1 ? 1 : 0
            for index in names.indices {
                vector.numbers[index] = random.uniform() * 2 + (label == 1 && index == 0 ? signal : 0)
            }
            set.append(
                vector, label: label, timeMillis: Int64(startHour + row) * hour, id: UInt64(startHour + row))
        }
        return set
    }

    static func parameters(rounds: Int = 10) -> TrainingParameters {
        var parameters = TrainingParameters()
        parameters.rounds = rounds
        parameters.depth = 2
        parameters.threads = 1
        return parameters
    }

    static func noRows(_ service: Any, _ wanted: Set<UInt64>) throws -> TrainingSet { set(0, seed: 1) }
}
