/// A request method. Unknown ones are answered 405, so their name does not matter.
public enum Method: String, Hashable, Sendable, CaseIterable {
    /// Reads; a GET route answers HEAD too.
    case get = "GET"
    /// GET without the body.
    case head = "HEAD"
    /// Sends a body.
    case post = "POST"
    /// Replaces.
    case put = "PUT"
    /// Changes in part.
    case patch = "PATCH"
    /// Removes.
    case delete = "DELETE"
    /// Asks what is allowed; no route answers it.
    case options = "OPTIONS"
    /// Any other method.
    case other = ""
}
