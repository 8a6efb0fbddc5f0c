import HTTPServer

/// The page at `/docs`: files of its own, nothing from elsewhere, and no other page may frame it.
enum DocsPage {
    static let page = file("text/html; charset=utf-8", PackageResources.docs_html)
    static let style = file("text/css; charset=utf-8", PackageResources.style_css)
    static let script = file("text/javascript; charset=utf-8", PackageResources.page_js)

    private static let policy =
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; "
        + "form-action 'none'; frame-ancestors 'none'"

    private static func file(_ type: String, _ body: [UInt8]) -> Response {
        var response = Response(contentType: type, body: body)
        response.headers = [
            .init("Content-Security-Policy", policy), .init("X-Content-Type-Options", "nosniff"),
            .init("Referrer-Policy", "no-referrer"), .init("Cache-Control", "no-cache"),
        ]
        return response
    }
}
