internal import FraudModel
internal import JSON
internal import MLflow
internal import Observability
internal import PostgresOfflineStore
internal import ServiceRuntime

/// Tells the MLflow server, where there is one, what was trained and which model serves. It is told after the fact: what it answers,
/// or that it does not, changes nothing here and is one line of the log.
struct MLflowReport: Sendable {
    private let client: MLflowClient?
    private let problem: MLflowError?
    private let experiment: String, modelName: String
    /// How long all calls of one report may take, seconds.
    private static let mostSeconds = 120

    init(_ settings: Settings) {
        (experiment, modelName) = (settings[MLflowClient.experiment], settings[MLflowClient.modelName])
        do throws(MLflowError) {
            (client, problem) = (try MLflowClient(settings), nil)
        } catch {
            (client, problem) = (nil, error)
        }
    }

    /// Sends a run with its model.
    func send(_ outcome: TrainingRun.Outcome, command: String, actor: String, _ runtime: ServiceRuntime) {
        guard let folder = outcome.directory else { return }
        telling(runtime) { client throws(MLflowError) in
            var record = MLflowRecord()
            (record.experiment, record.run, record.user, record.folder) = (experiment, command, actor, folder)
            (record.version, record.alias) = (
                outcome.version, outcome.verdict.isPromoted ? ModelRegistry.champion : nil
            )
            let card = outcome.card
            record.parameters = card.parameters.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
            record.parameters += [("rounds", "\(card.rounds)"), ("threshold_rule", card.thresholdRule)]
            record.metrics = Self.metrics(card.metrics) + [("threshold", Double(card.threshold))]
            for baseline in card.baselines {
                let name = baseline.name.replacing(" ", with: "_")
                record.metrics += Self.metrics(baseline.metrics).map { ("\(name)_\($0.0)", $0.1) }
            }
            for validation in outcome.validations {
                for spread in validation.spreads {
                    record.metrics.append(("cv_\(validation.kind.rawValue)_\(spread.name)", spread.mean))
                    record.metrics.append(
                        ("cv_\(validation.kind.rawValue)_\(spread.name)_deviation", spread.deviation))
                }
            }
            record.tags = [
                ("needletail.service", card.serviceName), ("needletail.definition_hash", card.definitionHash),
                ("needletail.fingerprint", card.fingerprint), ("needletail.verdict", outcome.verdict.reason),
                ("mlflow.source.git.commit", card.revision),
            ]
            let end = ContinuousClock.now + .seconds(Self.mostSeconds)
            let tracking = MLflowTracking(client, modelName: modelName)
            let version = try tracking.log(record, nowMillis: WallClock.nowMillis()) {
                !runtime.isStopping && ContinuousClock.now < end
            }
            runtime.log.info("sent to MLflow", ["version": version ?? "none", "model": modelName])
        }
    }

    /// Says which model has an alias now.
    func move(_ alias: String, to model: RegisteredModel, _ runtime: ServiceRuntime) {
        telling(runtime) { client throws(MLflowError) in
            guard try MLflowTracking(client, modelName: modelName).move(alias: alias, toVersion: model.name) else {
                throw .unexpected("no version of \(modelName) is our version \(model.name)")
            }
        }
    }

    private func telling(
        _ runtime: ServiceRuntime, _ body: (MLflowClient) throws(MLflowError) -> Void
    ) {
        do throws(MLflowError) {
            if let problem { throw problem }
            if let client { try body(client) }
        } catch {
            runtime.log.warning("MLflow was not told", ["reason": "\(error)"])
        }
    }

    private static func metrics(_ metrics: ModelMetrics) -> [(String, Double)] {
        (metrics.json.object ?? []).compactMap { member in member.value.double.map { (member.key, $0) } }
    }
}
