/// Why Redis did not do what was asked.
public enum RedisError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The address cannot be read: fix the setting.
    case invalidURL(String)
    /// No connection: wait and try again.
    case connect(address: String, reason: String)
    /// The connection broke, or an answer did not come in time. The connection is finished: make another.
    case connectionLost(reason: String)
    /// The server answered with an error (`LOADING …`, `OOM …`, `NOSCRIPT …`). The connection is still good.
    case reply(String)
    /// The answer is not of the shape this command has.
    case unexpectedReply(command: String)

    public var description: String {
        switch self {
        case .invalidURL(let text):
            "\"\(text)\" is not a Redis URL: write redis://[:password@]host:port[/database] or unix://[:password@]/path"
        case .connect(let address, let reason): "cannot connect to Redis at \(address): \(reason)"
        case .connectionLost(let reason): "the connection to Redis was lost: \(reason)"
        case .reply(let text): "Redis answered with an error: \(text)"
        case .unexpectedReply(let command): "Redis gave an answer to \(command) that it cannot have"
        }
    }
}
