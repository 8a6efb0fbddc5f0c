import FeatureStore
import FraudModel
import JSON

/// What `/api/v1/model` says.
enum ModelDescription {
    static func json(_ served: ServedModel) -> [UInt8] {
        let scoring = served.scoring
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("version")
        writer.value(scoring.version)
        writer.key("service")
        writer.value(served.service.name)
        writer.key("definition_hash")
        writer.value(served.service.definitionHash)
        writer.key("threshold")
        writer.value(scoring.threshold)
        writer.key("trees")
        writer.value(scoring.ensemble.treeCount)
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
            writer.beginObject()
            writer.key("rows")
            writer.value(card.metrics.rows)
            writer.key("frauds")
            writer.value(card.metrics.frauds)
            for (name, value) in [
                ("average_precision", card.metrics.averagePrecision), ("roc_auc", card.metrics.rocAUC),
                ("recall_at_fpr_0.001", card.metrics.recallAtLowFalsePositives),
                ("precision", card.metrics.precision), ("recall", card.metrics.recall), ("f1", card.metrics.f1),
            ] {
                writer.key(name)
                writer.value(value)
            }
            writer.endObject()
        }
        writer.endObject()
        return writer.bytes
    }
}
