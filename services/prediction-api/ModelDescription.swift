import FeatureStore
import FraudModel
import JSON

/// What `/api/v1/model` and `/health/ready` say.
enum ModelDescription {
    /// That it is ready, with which model, and with which it would be if the registry's could be served.
    static func ready(_ served: ServedModel, otherChampion: String?) -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("status")
        writer.value("ok")
        writer.key("model_version")
        writer.value(served.scoring.version)
        if let otherChampion {
            writer.key("registry_champion")
            writer.value(otherChampion)
        }
        writer.endObject()
        return writer.bytes
    }

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
