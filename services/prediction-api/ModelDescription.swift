import FeatureStore
import FraudModel
import JSON

/// What `/api/v1/model` says.
enum ModelDescription {
    static func json(_ served: ServedModel, otherChampion: String? = nil) -> [UInt8] {
        let scoring = served.scoring
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("version")
        writer.value(scoring.version)
        if let otherChampion {
            // The registry has moved on, and its champion could not be put into service.
            writer.key("registry_champion")
            writer.value(otherChampion)
        }
        writer.key("service")
        writer.value(served.service.name)
        writer.key("definition_hash")
        writer.value(served.service.definitionHash)
        writer.key("threshold")
        writer.value(scoring.threshold)
        writer.key("trees")
        writer.value(scoring.predictor.treeCount)
        writer.key("features")
        writer.beginArray()
        for name in scoring.featureNames { writer.value(name) }
        writer.endArray()
        if let card = scoring.card {
            writer.key("threshold_rule")
            writer.value(card.thresholdRule)
            writer.key("data_fingerprint")
            writer.value(card.fingerprint)
            writer.key("holdout")
            writer.raw(card.metrics.json.bytes())
        }
        writer.endObject()
        return writer.bytes
    }
}
