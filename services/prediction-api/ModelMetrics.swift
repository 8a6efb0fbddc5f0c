import FeatureStore
import FraudModel
import Observability

/// Which model is in service, as metrics. Used by the watcher's thread only.
final class ModelMetrics {
    private let registry: MetricsRegistry
    private let differs: Gauge
    private let threshold: Gauge
    private var current: (service: String, version: String)?

    init(_ registry: MetricsRegistry) {
        self.registry = registry
        threshold = registry.gauge(
            "needletail_serve_model_threshold", help: "The probability from which on the model in service says fraud.")
        differs = registry.gauge(
            "needletail_serve_champion_differs",
            help: "1 while the registry names another model than the one in service.")
    }

    func isServing(_ served: ServedModel) {
        let name = "needletail_serve_model_info"
        if let (service, version) = current { registry.remove(name, labels: ["service": service, "version": version]) }
        let (service, version) = (served.service.name, served.scoring.version)
        registry.gauge(name, help: "1 for the model in service.", labels: ["service": service, "version": version]).set(
            1)
        current = (service, version)
        threshold.set(Double(served.scoring.threshold))
    }

    func champion(differs isOther: Bool) { differs.set(isOther ? 1 : 0) }
}
