/// What one thread consumes.
enum StageKind: Sendable, CaseIterable {
    case events
    case labels
    case predictions

    var name: String {
        switch self {
        case .events: "events"
        case .labels: "labels"
        case .predictions: "predictions"
        }
    }
}
