/// What one thread consumes.
enum StageKind: Sendable, CaseIterable {
    case events
    /// Events by another key than their source's topic has.
    case rekeyed
    case labels
    case predictions

    /// Whether it has a state in the online store.
    var isOnline: Bool { self == .events || self == .rekeyed }

    var name: String {
        switch self {
        case .events: "events"
        case .rekeyed: "rekeyed"
        case .labels: "labels"
        case .predictions: "predictions"
        }
    }
}
