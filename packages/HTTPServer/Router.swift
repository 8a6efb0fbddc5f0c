/// Which handler answers which path. Paths match byte for byte: `//predict` and `/predict/` are not `/predict`, and are
/// answered 404. A known path with another method is answered 405 with `Allow`; a GET route answers HEAD too.
public struct Router {
    /// Answers a request, at once or later on the same loop.
    public typealias Handler = (Request) -> Void

    /// An object, so that to find it costs nothing.
    final class Entry {
        let method: Method
        let handler: Handler
        let bodyLimit: Int

        init(_ method: Method, bodyLimit: Int, _ handler: @escaping Handler) {
            self.method = method
            self.bodyLimit = bodyLimit
            self.handler = handler
        }
    }
    struct Route {
        var entries: [Entry] = []
        var allow = ""
    }
    enum Match {
        case route(Entry)
        case notFound
        case methodNotAllowed(allow: String)
    }

    private var routes: [String: Route] = [:]

    /// No routes.
    public init() {}

    /// The paths that have a route, sorted.
    public var paths: [String] { routes.keys.sorted() }

    /// Adds a route whose handler answers through `request.reply`. A body longer than the limit is answered 413.
    public mutating func on(
        _ method: Method, _ path: String, bodyLimit: Int = 1 << 20, _ handler: @escaping Handler
    ) {
        var route = routes[path] ?? Route()
        route.entries.append(Entry(method, bodyLimit: bodyLimit, handler))
        var names = route.entries.map(\.method.rawValue)
        if let get = names.firstIndex(of: "GET") { names.insert("HEAD", at: get + 1) }
        route.allow = names.joined(separator: ", ")
        routes[path] = route
    }

    /// Adds a GET route that answers at once.
    public mutating func get(_ path: String, _ handler: @escaping (Request) -> Response) {
        on(.get, path) { request in request.reply(handler(request)) }
    }

    /// Answers a request that has no connection: for tests, and for handlers that call each other.
    public func handle(_ request: Request) {
        Self.handle(request, match(request.method, request.path))
    }

    static func handle(_ request: Request, _ match: Match) {
        switch match {
        case .route(let entry):
            if request.body.count > entry.bodyLimit {
                request.reply(tooLarge(entry.bodyLimit))
            } else {
                entry.handler(request)
            }
        case .notFound: request.reply(.error(404, "Not Found"))
        case .methodNotAllowed(let allow):
            var response = Response.error(405, "Method Not Allowed")
            response.headers = [.init("Allow", allow)]
            request.reply(response)
        }
    }

    static func tooLarge(_ limit: Int) -> Response { .error(413, "The body is longer than \(limit) bytes") }

    func match(_ method: Method, _ path: String) -> Match {
        guard let route = routes[path] else { return .notFound }
        let wanted = method == .head ? .get : method
        for entry in route.entries where entry.method == wanted { return .route(entry) }
        return .methodNotAllowed(allow: route.allow)
    }
}
