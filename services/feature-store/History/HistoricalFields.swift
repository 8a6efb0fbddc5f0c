import FeatureEngine
import FeatureStore

/// The fields of a source that a service's features at a moment are computed from, beside the stored events.
struct HistoricalFields {
    /// The join keys, one a feed of the service's views.
    let keys: [Int]
    /// What views that include the current event aggregate of it.
    let current: [Int]
    /// What on-demand features read of the request.
    let request: [Int]

    init(_ service: FeatureService, _ repository: FeatureRepository) {
        var keys: [Int] = []
        for feed in ViewFeed.feeds(of: service.views) where !keys.contains(feed.keyIndex) { keys.append(feed.keyIndex) }
        self.keys = keys
        let aggregated = service.views.filter(\.includesCurrentEvent).flatMap(\.features).filter {
            $0.function != .count && $0.function != .secondsSinceLast
        }
        current = Set(aggregated.compactMap(\.field)).sorted()
        request = Self.requestFields(service, repository)
    }

    private static func requestFields(_ service: FeatureService, _ repository: FeatureRepository) -> [Int] {
        var fields: Set<Int> = []
        var seen: Set<String> = []
        func visit(_ view: String, _ feature: String) {
            guard seen.insert("\(view).\(feature)").inserted,
                let found = repository.onDemandViews.first(where: { $0.name == view })?.features
                    .first(where: { $0.name == feature })
            else { return }
            for reference in found.expression.references {
                if let other = reference.view, other != "request" {
                    visit(other, reference.name)
                } else if reference.name == "event_timestamp" {
                    continue  // The moment itself.
                } else if let field = service.source.index(of: reference.name) {
                    fields.insert(field)  // A bare name is a field first, then a feature of its own view.
                } else {
                    visit(view, reference.name)
                }
            }
        }
        for view in repository.onDemandViews {
            for feature in view.features where service.index(of: "\(view.name)__\(feature.name)") != nil {
                visit(view.name, feature.name)
            }
        }
        return fields.subtracting([service.source.eventTimeIndex]).sorted()
    }
}
