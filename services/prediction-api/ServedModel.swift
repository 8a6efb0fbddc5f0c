import FeatureStore
import FraudModel

/// A model together with the definitions it was trained on: what every loop makes its own `ActiveModel` of.
struct ServedModel: Sendable {
    let scoring: ScoringModel
    let service: FeatureService
    let project: String
    let hash8: String
    /// The model's version.
    var version: String { scoring.version }

    /// The topics whose events its features are of.
    var topics: [String] { ViewFeed.feeds(of: service.views).map(\.topic) }

    /// Why a model cannot be served with these definitions: one sentence.
    struct Refusal: Error, Equatable, CustomStringConvertible {
        let description: String
    }

    init(_ scoring: ScoringModel, _ repository: FeatureRepository) throws(Refusal) {
        guard !scoring.serviceName.isEmpty else {
            throw Refusal(
                description:
                    "model \(scoring.version) does not say which feature service it is of: it was not made by `train`")
        }
        guard let service = repository.service(named: scoring.serviceName) else {
            throw Refusal(
                description:
                    "model \(scoring.version) is of the feature service \(scoring.serviceName), which is not defined here"
            )
        }
        do {
            try scoring.requireDefinitions(service: service.name, hash: service.definitionHash)
        } catch {
            throw Refusal(description: "\(error)")
        }
        guard scoring.featureNames == service.featureNames else {
            throw Refusal(
                description:
                    "model \(scoring.version) takes other features than \(service.name) has, or in another order")
        }
        self.scoring = scoring
        self.service = service
        project = repository.project
        hash8 = repository.hash8
    }
}
