import HTTPServer

/// Who may ask, and how: the keys of clients, the web pages that may ask through a browser, and the media type of a body.
///
/// A browser sends a page's POST to any server that it reaches, this one behind its firewall included: as text or as a form it
/// asks nobody first. So a body that says it is anything but JSON is refused, and so is whatever a page of another origin
/// sends, unless that origin is allowed.
struct RequestGate: Sendable {
    let apiKeys: APIKeys
    let origins: AllowedOrigins

    init(apiKeys: APIKeys = APIKeys(nil), origins: AllowedOrigins = .none) {
        self.apiKeys = apiKeys
        self.origins = origins
    }

    /// Why a request is not let in, or nil. One of an allowed page is given the headers that let the page read its answer.
    func refusal(of request: Request) -> Response? {
        if let origin = request.header("origin") {
            guard origins.allow(origin, host: request.header("host")) else {
                return .error(403, "Web pages of \(origin.prefix(200)) may not ask: see API_ALLOWED_ORIGINS")
            }
            request.answerHeaders += [
                .init("Access-Control-Allow-Origin", origin), .init("Vary", "Origin"),
                .init("Access-Control-Expose-Headers", "X-Request-ID"),
            ]
        }
        return isKnown(request) ? nil : Self.unauthorized
    }

    /// The answer to a browser that asks whether a page may send a request.
    func preflight(_ request: Request, method: String) -> Response {
        guard let origin = request.header("origin"), origins.allow(origin, host: request.header("host")) else {
            return .error(403, "Web pages of another origin may not ask: see API_ALLOWED_ORIGINS")
        }
        var response = Response(status: 204, contentType: "text/plain", body: [])
        response.headers = [
            .init("Access-Control-Allow-Origin", origin), .init("Vary", "Origin"),
            .init("Access-Control-Allow-Methods", method),
            .init("Access-Control-Allow-Headers", "Content-Type, Authorization, X-API-Key, X-Request-ID"),
            .init("Access-Control-Max-Age", "600"),
        ]
        return response
    }

    private func isKnown(_ request: Request) -> Bool {
        guard apiKeys.areNeeded else { return true }
        var key = request.header("x-api-key") ?? ""
        if key.isEmpty, let bearer = request.header("authorization"), bearer.hasPrefix("Bearer ") {
            key = String(bearer.dropFirst(7))
        }
        return apiKeys.allow(key)
    }

    private static let unauthorized: Response = {
        var response = Response.error(401, "A valid X-API-Key is needed")
        response.headers = [.init("WWW-Authenticate", "Bearer")]
        return response
    }()

    // MARK: Bodies

    /// Why a body cannot be read, or nil: JSON in UTF-8, not compressed. A request that does not say what it holds is taken
    /// for JSON: whoever is no browser may leave it out, and a browser's page has an origin. A batch may be lines of JSON.
    static func unsupported(_ request: Request, isBatch: Bool = false) -> String? {
        if let encoding = request.header("content-encoding"), encoding.lowercased() != "identity" {
            return "The body must not be compressed"
        }
        // What nearly every client sends needs no parsing.
        guard request.header("content-type", is: "application/json") == false,
            let header = request.header("content-type")
        else { return nil }
        let type = mediaType(header)
        let isJSON = type == "application/json" || type.hasPrefix("application/") && type.hasSuffix("+json")
        guard isJSON || isBatch && type == LinePrediction.mediaType else {
            return isBatch
                ? "The body must be JSON: Content-Type application/json, or \(LinePrediction.mediaType) for lines"
                : "The body must be JSON: Content-Type application/json"
        }
        let parts = header.lowercased().split(separator: ";", omittingEmptySubsequences: false)
        for parameter in parts.dropFirst() {
            let pair = parameter.split(separator: "=", maxSplits: 1).map(trimmed)
            guard pair.count == 2, pair[0] == "charset" else { continue }
            guard ["utf-8", "utf8", "us-ascii"].contains(pair[1]) else { return "The body must be UTF-8" }
        }
        return nil
    }

    /// The media type that a Content-Type names: lower case, without its parameters.
    static func mediaType(_ header: String) -> String { trimmed(header.lowercased().prefix { $0 != ";" }) }

    private static func trimmed(_ text: Substring) -> String { text.filter { $0 != " " && $0 != "\"" && $0 != "\t" } }
}

/// The origins (`https://shop.example`) whose pages may ask through a browser.
///
/// The server's own pages always may, but only under an address: a name is whatever its owner's DNS says, and may have been
/// another machine when the page was loaded.
struct AllowedOrigins: Sendable {
    /// Only the server's own pages.
    static let none = AllowedOrigins(origins: [], allowsAll: false)

    private let origins: [[UInt8]]
    private let allowsAll: Bool

    /// What is wrong with the setting: one sentence.
    struct Invalid: Error, CustomStringConvertible {
        let description: String
    }

    private init(origins: [[UInt8]], allowsAll: Bool) {
        self.origins = origins
        self.allowsAll = allowsAll
    }

    /// Origins separated by commas, or `*` for all.
    init(_ text: String?) throws(Invalid) {
        let parts = (text ?? "").split(separator: ",").map { $0.filter { $0 != " " }.lowercased() }
        for part in parts where part != "*" && !part.isEmpty {
            let pieces = part.split(separator: "/", omittingEmptySubsequences: false)
            guard pieces.count == 3, pieces[0] == "http:" || pieces[0] == "https:", pieces[1].isEmpty,
                !pieces[2].isEmpty
            else {
                throw Invalid(description: "\(part) is no origin: write https://host or http://host:port, or * for all")
            }
        }
        self.init(
            origins: parts.filter { !$0.isEmpty && $0 != "*" }.map { Array($0.utf8) }, allowsAll: parts.contains("*"))
    }

    /// Whether pages of other origins may ask at all.
    var areSet: Bool { allowsAll || !origins.isEmpty }

    /// Whether a page of this origin may ask a server that it calls by this host.
    func allow(_ origin: String, host: String?) -> Bool {
        if allowsAll { return true }
        let origin = origin.lowercased()
        if origins.contains(Array(origin.utf8)) { return true }
        guard let host = host?.lowercased(), Self.isAddress(host) else { return false }
        return origin.utf8.elementsEqual("http://\(host)".utf8) || origin.utf8.elementsEqual("https://\(host)".utf8)
    }

    /// Whether a Host header names this machine by a number or as `localhost`.
    private static func isAddress(_ host: String) -> Bool {
        if host.hasPrefix("[") { return true }
        let name = host.prefix { $0 != ":" }
        return name == "localhost" || !name.isEmpty && name.utf8.allSatisfy { $0 == 0x2E || $0 &- 0x30 < 10 }
    }
}
