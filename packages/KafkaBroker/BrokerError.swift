/// Why a broker cannot start.
public enum BrokerError: Error, Equatable, Sendable, CustomStringConvertible {
    /// Another process has the folder open.
    case folderInUse(path: String)
    /// A file of the folder cannot be used.
    case dataFolder(path: String, reason: String)
    /// The address cannot be listened on.
    case listen(reason: String)

    public var description: String {
        switch self {
        case .folderInUse(let path): "\(path) is in use by another broker"
        case .dataFolder(let path, let reason): "\(path) \(reason)"
        case .listen(let reason): reason
        }
    }
}
