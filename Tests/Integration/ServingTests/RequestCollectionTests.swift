import FeatureStore
import Foundation
import JSON
import ServingSupport
import TestSupport
import Testing

@testable import PredictionAPI

/// The collections of requests that the service hands out, sent to it as the programs they are for would send them.
@Suite(.timeLimit(.minutes(2))) struct RequestCollectionTests {
    private struct Sent: Hashable {
        let method: String
        let target: String
        var headers: [String: String] = [:]
        var body: String?
    }

    /// The requests of a Postman collection, its variables filled in.
    private static func requests(postman: JSONTree, key: String) -> [Sent] {
        let variables = (postman["variable"]?.array ?? []).map { ($0["key"]?.string ?? "", $0["value"]?.string ?? "") }
        func filled(_ text: String) -> String {
            variables.reduce(text) { $0.replacing("{{\($1.0)}}", with: $1.0 == "apiKey" ? key : $1.1) }
        }
        let auth = (postman["auth"]?["apikey"]?.array ?? []).map {
            ($0["key"]?.string ?? "", $0["value"]?.string ?? "")
        }
        let pair = Dictionary(auth, uniquingKeysWith: { $1 })
        return (postman["item"]?.array ?? []).flatMap { $0["item"]?.array ?? [] }.compactMap { item in
            guard let request = item["request"], let raw = request["url"]?["raw"]?.string else { return nil }
            var sent = Sent(method: request["method"]?.string ?? "", target: filled(raw))
            if let name = pair["key"], let value = pair["value"] { sent.headers[name] = filled(value) }
            for header in request["header"]?.array ?? [] {
                sent.headers[header["key"]?.string ?? ""] = header["value"]?.string
            }
            sent.body = request["body"]?["raw"]?.string
            return sent
        }
    }

    /// The requests of an .http file, its variables filled in.
    private static func requests(http: String, key: String) -> [Sent] {
        var variables: [(String, String)] = []
        var requests: [Sent] = []
        for block in ("\n" + http).components(separatedBy: "\n###") {
            var lines = block.components(separatedBy: "\n")[...]
            for line in lines where line.hasPrefix("@") {
                let sides = line.dropFirst().components(separatedBy: " = ")
                variables.append((sides[0], sides[0] == "apiKey" ? key : sides[1]))
            }
            func filled(_ text: String) -> String { variables.reduce(text) { $0.replacing("{{\($1.0)}}", with: $1.1) } }
            lines = lines.dropFirst().drop { $0.isEmpty || $0.hasPrefix("#") || $0.hasPrefix("@") }
            guard let words = lines.first?.split(separator: " "), words.count == 2 else { continue }
            var sent = Sent(method: String(words[0]), target: filled(String(words[1])))
            lines = lines.dropFirst()
            while let line = lines.first, !line.isEmpty {
                let sides = line.components(separatedBy: ": ")
                sent.headers[sides[0]] = filled(sides[1])
                lines = lines.dropFirst()
            }
            let body = lines.joined(separator: "\n").trimmingCharacters(in: .newlines)
            if !body.isEmpty { sent.body = body }
            requests.append(sent)
        }
        return requests
    }

    @Test func `every request of both collections is answered well by the service that handed them out`() async throws {
        let redis = try RedisServer()
        let service = try await RunningService.start(redis) { $0.gate = RequestGate(apiKeys: APIKeys("secret")) }
        let client = try HTTPTestClient(port: service.port)
        let postman = try JSONTree.parse(try #require(client.get("/postman.json")).body)
        #expect(postman["info"]?["schema"]?.string?.hasSuffix("/v2.1.0/collection.json") == true)
        let http = try #require(client.get("/requests.http")).body
        for requests in [
            Self.requests(postman: postman, key: "secret"), Self.requests(http: http, key: "secret"),
        ] {
            #expect(
                requests.count
                    == APISample.all(APIExamples(service: try #require(ServingFixture.service), nowMillis: 0)).count)
            #expect(Set(requests).count == requests.count)
            #expect(requests.count { $0.body != nil } >= 8)
            for sent in requests {
                // What stands before the path is where the client was told the API is: the host that it asked for.
                let target = try #require(sent.target.hasPrefix("http://test/") ? sent.target.dropFirst(11) : nil)
                var text = "\(sent.method) \(target) HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                for (name, value) in sent.headers { text += "\(name): \(value)\r\n" }
                client.send(text + "Content-Length: \(sent.body?.utf8.count ?? 0)\r\n\r\n" + (sent.body ?? ""))
                let answer = try #require(client.answer(), "\(target)")
                #expect(answer.status == 200, "\(target): \(answer.body.prefix(200))")
            }
        }
        try await service.stop()
    }

    @Test func `serve prints the same description without a server`() throws {
        let program = try #require(TestEnvironment.needletail)
        let folder = try TestEnvironment.temporaryFolder("print")
        for kind in ["openapi", "postman", "http"] {
            let process = try TestProcess(
                [program, "serve", "--print", kind, "--port", "8123"], logPath: "\(folder)/\(kind)")
            #expect(process.waitUntilExit(seconds: 20))
            switch kind {
            case "http":
                #expect(process.log.hasPrefix("@baseUrl = http://127.0.0.1:8123\n"))
                #expect(Self.requests(http: process.log, key: "").count > 10)
            case "postman":
                let requests = Self.requests(postman: try JSONTree.parse(process.log), key: "")
                #expect(requests.contains { $0.target == "http://127.0.0.1:8123/api/v1/model" })
            default:
                let document = try JSONTree.parse(process.log)
                let amount = document["components"]?["schemas"]?["Transaction"]?["properties"]?["amt"]
                #expect(amount?["minimum"] == 0)
            }
        }
    }

    @Test func `an error and a slow request are found by their ids`() async throws {
        let redis = try RedisServer()
        let service = try await RunningService.start(redis)
        let client = try HTTPTestClient(port: service.port)
        let refused = try #require(client.post("/predict", "{}"))
        #expect(refused.status == 422 && refused.headers["x-request-id"]?.isEmpty == false)
        client.send("GET /nowhere HTTP/1.1\r\nHost: a\r\nX-Request-ID: mine-7\r\n\r\n")
        let unknown = try #require(client.answer())
        #expect(unknown.status == 404 && unknown.headers["x-request-id"] == "mine-7")
        client.send("GET / HTTP/1.1\r\nX: no host\r\n\r\n")
        let malformed = try #require(client.answer())
        #expect(malformed.status == 400 && malformed.headers["x-request-id"]?.isEmpty == false)
        try await service.stop()
    }

    @Test func `a stream of lines is answered while it is scored, whatever their number`() async throws {
        let redis = try RedisServer()
        let service = try await RunningService.start(redis)
        let client = try HTTPTestClient(port: service.port)
        let others = try HTTPTestClient(port: service.port)
        let count = 20_000  // twice as many as a batch may have, and all their reasons
        let line = ServingFixture.payment + "\n"
        client.send(
            "POST /api/v1/predict/batch?explain=true HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-ndjson\r\n"
                + "Content-Length: \(count * line.utf8.count)\r\n\r\n")
        client.send(String(repeating: line, count: count))
        // The answer is longer than what may wait for the client: it waits, and keeps nobody.
        #expect(others.post("/predict?explain=false", ServingFixture.payment)?.status == 200)
        let answer = try #require(client.answer(withinMillis: 30_000))
        #expect(answer.status == 200)
        let lines = answer.body.split(separator: "\n")
        #expect(lines.count == count)
        #expect(lines.allSatisfy { $0.hasPrefix("{\"prediction_id\":") && $0.hasSuffix("}") })
        #expect(answer.body.utf8.count > 8 << 20)
        try await service.stop()
    }
}
