import HTTPServer
import JSON
import Observability
import Testing

@testable import PredictionAPI

/// What a web page of somebody else can do through its reader's browser: nothing.
@Suite struct RequestGateTests {
    @Test(arguments: [
        "https://evil.example", "null", "http://127.0.0.1:8001", "http://localhost:8000.evil.example",
        "http://shop.example",
        "file://", "", "https://127.0.0.1:8000.evil.example",
    ])
    func `a page of another origin is refused whatever it sends`(origin: String) throws {
        let fixture = try Fixture()
        let headers = ["origin": origin, "host": "127.0.0.1:8000", "content-type": "application/json"]
        for path in ["/predict", "/api/v1/predict", "/api/v1/predict/batch"] {
            let answer = fixture.ask("[\(Fixture.payment)]", path, headers: headers)
            #expect(answer.status == 403)
            #expect(answer.json["detail"]?.string?.contains("API_ALLOWED_ORIGINS") == true)
        }
        #expect(fixture.get("/api/v1/model", headers: headers).status == 403)
        #expect(fixture.get("/health/live", headers: headers).status == 200)
        #expect(fixture.records.records.isEmpty)
        #expect(fixture.registry.renderPrometheus().contains("needletail_serve_foreign_origin_total 4\n"))
    }

    @Test(arguments: [
        ("http://127.0.0.1:8000", "127.0.0.1:8000", 200), ("http://localhost:8000", "localhost:8000", 200),
        ("http://[::1]:8000", "[::1]:8000", 200), ("https://10.0.0.7", "10.0.0.7", 200),
        // The name may have meant another machine when the page was loaded.
        ("http://api.example:8000", "api.example:8000", 403), ("http://127.0.0.1.example", "127.0.0.1.example", 403),
        ("http://127.0.0.1:8000", "127.0.0.1", 403),
    ])
    func `the server's own pages may ask under an address and not under a name`(
        origin: String, host: String, status: Int
    ) throws {
        let fixture = try Fixture()
        let answer = fixture.ask(Fixture.payment, headers: ["origin": origin, "host": host])
        #expect(answer.status == status)
    }

    @Test func `allowed pages may ask, ask first, and read the answer`() throws {
        let fixture = try Fixture(apiKeys: "key", origins: "https://shop.example, http://Localhost:3000")
        for origin in ["https://shop.example", "http://localhost:3000", "HTTPS://SHOP.example"] {
            let request = Request(.options, "/predict", headers: ["origin": origin, "host": "api"])
            let preflight = try #require(fixture.app.respond(to: request))
            #expect(preflight.status == 204 && preflight.body.isEmpty)
            #expect(preflight.headers.contains(.init("Access-Control-Allow-Origin", origin)))
            #expect(preflight.headers.contains(.init("Access-Control-Allow-Methods", "POST")))
            #expect(
                preflight.headers.contains {
                    $0.name == "Access-Control-Allow-Headers" && $0.value.contains("X-API-Key")
                })
            for (key, status) in [("key", 200), ("other", 401)] {
                let post = Request(
                    .post, "/predict", headers: ["origin": origin, "x-api-key": key], body: Array(Fixture.payment.utf8))
                #expect(fixture.app.respond(to: post)?.status == status)
                #expect(post.answerHeaders.contains(.init("Access-Control-Allow-Origin", origin)))
                #expect(post.answerHeaders.contains(.init("Vary", "Origin")))
            }
        }
        let foreign = Request(.options, "/predict", headers: ["origin": "https://evil.example"])
        let refused = try #require(fixture.app.respond(to: foreign))
        #expect(refused.status == 403 && refused.headers.isEmpty)
        #expect(
            fixture.ask(Fixture.payment, headers: ["origin": "https://evil.example", "x-api-key": "key"]).status == 403)
        #expect(fixture.registry.renderPrometheus().contains("needletail_serve_unauthorized_total 3\n"))
    }

    @Test func `every page may ask where all are allowed`() throws {
        let fixture = try Fixture(origins: "*")
        #expect(fixture.ask(Fixture.payment, headers: ["origin": "null"]).status == 200)
    }

    @Test(arguments: [
        "shop.example", "https://shop.example/", "https://shop.example/path", "https://", "ftp://a", "a,*",
    ])
    func `a setting that names no origin is refused`(text: String) {
        #expect(throws: AllowedOrigins.Invalid.self) { try AllowedOrigins(text) }
    }
}
