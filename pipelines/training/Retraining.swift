internal import FeatureStore
internal import FraudModel
internal import Observability
internal import PostgresOfflineStore
internal import ServiceRuntime

/// Whether to train again, and what came of it. Every answer is one row and one line of the log, the one that did nothing too; one
/// process at a time asks.
struct Retraining {
    let service: String
    var run: TrainingRun
    /// Looks whether it is time to; nil to train in any case.
    let check: (() throws -> DriftCheck.Outcome)?
    /// The rows to train on.
    let rows: () throws -> TrainingSet
    /// The rows of some events under other definitions.
    let replayed: (_ service: FeatureService, _ wanted: Set<UInt64>) throws -> TrainingSet

    enum Decision {
        case stayed(String)
        case trained(TrainingRun.Outcome)
    }

    func decide(_ registry: any ModelStore, _ runtime: ServiceRuntime) throws -> Decision {
        let champion = try registry.champion(of: service)?.version
        func stay(_ reason: String) throws -> Decision {
            try record(
                RetrainDecision(service: service, champion: champion, decision: "stayed", reason: reason), registry,
                runtime)
            return .stayed(reason)
        }
        guard try registry.lockRetraining(of: service) else { return try stay("another process is at it") }
        do {
            var why = "it was asked for"
            if let check {
                if let request = try registry.pendingRequest(of: service) {
                    return try stay("version \(request.version) waits for a second person already")
                }
                let outcome = try check()
                if let reason = outcome.reasonToStay { return try stay(reason) }
                why = outcome.reasonToTrain
            }
            let set = try rows()
            let fingerprint = set.fingerprint()
            if check != nil, let reason = try reasonNotToRepeat(set, fingerprint, champion, registry) {
                return try stay("\(why), and \(reason)")
            }
            var run = run
            run.registersOnlyBetter = check != nil
            let outcome = try run.finish(run.train(set, runtime), set, registry: registry, runtime, rows: replayed)
            try record(
                RetrainDecision(
                    service: service, champion: champion, decision: outcome.verdict.name,
                    version: outcome.version.flatMap { Int64($0) }, fingerprint: fingerprint,
                    reason: "\(why): \(outcome.verdict.reason)"), registry, runtime)
            return .trained(outcome)
        } catch let error as CommandError where !runtime.isStopping {
            try record(
                RetrainDecision(service: service, champion: champion, decision: "failed", reason: error.message),
                registry, runtime)
            throw error
        }
    }

    /// Why another model of the same rows would tell nothing new.
    private func reasonNotToRepeat(
        _ set: TrainingSet, _ fingerprint: String, _ champion: Int64?, _ registry: any ModelStore
    ) throws -> String? {
        let same = try registry.models(of: service).first {
            $0.fingerprint == fingerprint && $0.definitionHash == set.definitionHash && !$0.isDeleted
        }
        if let same { return "version \(same.name) was trained on these rows" }
        return try registry.lastDecision(on: fingerprint, service: service, replacing: champion).map {
            "training on these rows was tried: \($0.reason)"
        }
    }

    private func record(
        _ decision: RetrainDecision, _ registry: any ModelStore, _ runtime: ServiceRuntime
    ) throws {
        try registry.record(decision)
        runtime.log.info(
            "retraining decided",
            [
                "decision": decision.decision, "reason": decision.reason,
                "version": decision.version.map(String.init) ?? "none",
            ])
    }
}
