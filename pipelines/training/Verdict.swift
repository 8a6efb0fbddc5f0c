/// What became of a trained model.
enum Verdict: Hashable, Sendable {
    /// It is the champion now.
    case promoted(String)
    /// Registered, but the champion stays.
    case kept(String)
    /// Registered, but nothing was compared.
    case undecided(String)
    /// Registered, and to be champion when a second person agrees.
    case requested(String)
    /// It is in no registry.
    case unregistered(String)

    var name: String {
        switch self {
        case .promoted: "promoted"
        case .kept: "kept"
        case .undecided: "undecided"
        case .requested: "requested"
        case .unregistered: "unregistered"
        }
    }

    var reason: String {
        switch self {
        case .promoted(let reason), .kept(let reason), .undecided(let reason), .requested(let reason),
            .unregistered(let reason):
            reason
        }
    }

    var isPromoted: Bool { name == Verdict.promoted("").name }
}
