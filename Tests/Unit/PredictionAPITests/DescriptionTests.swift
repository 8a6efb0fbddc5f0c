import FeatureEngine
import FeatureStore
import Foundation
import HTTPServer
import JSON
import Observability
import ServingSupport
import TestSupport
import Testing
import TransactionData

@testable import PredictionAPI

@Suite struct DescriptionTests {
    /// Definitions that use all that can be said of a field.
    private static let everything = """
        project: shop
        ---
        kind: source
        name: payments
        topic: payments
        event_id: id
        event_timestamp: {field: at, format: unix_seconds}
        unknown_fields: refuse
        fields:
          id: {type: string, length: {min: 3, max: 20}}
          at: integer
          card: integer
          kind: {type: string, enum: [a, "b\\"c"]}
          zone: {type: string?, enum: [x]}
          city: {type: string?, length: {min: 12}}
          state: {type: string, length: {min: 2, max: 2}}
          born: {type: string?, format: "yyyy-MM-dd"}
          day: {type: string, format: "dd.MM.yyyy"}
          lat: {type: double, min: 40, max: 50.5}
          low: {type: "decimal(3, round)?", max: -1}
          yen: {type: decimal(0), min: 100}
          level: {type: integer, enum: [3, 4]}
          far: {type: integer?, min: -9223372036854775807, max: -5}
          present: boolean
          note: string?
        ---
        kind: stream_feature_view
        name: card_activity
        entity: {name: card, join_key: card, type: integer}
        source: payments
        aggregations:
          - {column: yen, functions: [count], windows: [1h]}
        ---
        kind: feature_service
        name: shop_v1
        features: [card_activity]
        """

    private static func repositories() throws -> [FeatureRepository] {
        [
            ServingFixture.repository,
            try .load(files: [("all.yaml", everything)], environment: [:], called: "description"),
            try .load(directory: TestEnvironment.packageRoot + "/feature_repo", environment: [:]),
        ]
    }

    private static func document(_ service: FeatureService?, needsKey: Bool = true) -> JSONTree {
        OpenAPIDocument(service: service, needsKey: needsKey, nowMillis: 1_709_294_400_000).json
    }

    private static func documents() throws -> [JSONTree] {
        try repositories().map { document($0.services.first) } + [document(nil, needsKey: false)]
    }

    /// Every member of that name, however deep.
    private static func all(_ key: String, in tree: JSONTree) -> [JSONTree] {
        switch tree {
        case .object(let members):
            members.flatMap { ($0.key == key ? [$0.value] : []) + all(key, in: $0.value) }
        case .array(let elements): elements.flatMap { all(key, in: $0) }
        default: []
        }
    }

    @Test func `the document is OpenAPI 3.1, and all that it refers to is there`() throws {
        for document in try Self.documents() {
            #expect(document["openapi"] == "3.1.0")
            #expect(document["info"]?["title"]?.string?.isEmpty == false && document["info"]?["version"] != nil)
            let schema = JSONSchema(document)
            let references = Self.all("$ref", in: document).compactMap(\.string)
            #expect(references.count > 10)
            for reference in references { #expect(schema.resolve(reference) != nil, "\(reference)") }
            let tags = Set(document["tags"]?.array?.compactMap { $0["name"]?.string } ?? [])
            let paths = document["paths"]?.object ?? []
            let operations = paths.flatMap { $0.value.object ?? [] }
            #expect(paths.allSatisfy { $0.key.hasPrefix("/") } && operations.count == paths.count)
            let ids = operations.compactMap { $0.value["operationId"]?.string }
            #expect(ids.count == operations.count && Set(ids).count == ids.count)
            for (method, call) in operations.map({ ($0.key, $0.value) }) {
                #expect(call["summary"]?.string?.isEmpty == false)
                #expect(call["tags"]?.array?.allSatisfy { tags.contains($0.string ?? "") } == true)
                #expect((method == "post") == (call["requestBody"] != nil))
                let answers = call["responses"]?.object ?? []
                #expect(answers.contains { $0.key == "200" })
                for answer in answers {
                    #expect(answer.value["description"]?.string?.isEmpty == false)
                    let schemas = answer.value["content"]?.object?.compactMap { $0.value["schema"]?.object } ?? []
                    #expect(!schemas.isEmpty && schemas.allSatisfy { !$0.isEmpty })
                }
                for requirement in call["security"]?.array ?? [] {
                    for scheme in requirement.object ?? [] {
                        #expect(document["components"]?["securitySchemes"]?[scheme.key] != nil)
                    }
                }
            }
        }
    }

    @Test func `every example is of its schema, and is taken as it stands`() throws {
        var count = 0
        for repository in try Self.repositories() {
            let service = try #require(repository.services.first)
            let document = Self.document(service)
            let schema = JSONSchema(document, isClosed: true)
            for content in Self.all("content", in: document).flatMap({ $0.object ?? [] }) {
                let shape = try #require(content.value["schema"])
                let examples =
                    [content.value["example"]].compactMap(\.self)
                    + (content.value["examples"]?.object ?? []).compactMap { $0.value["value"] }
                for example in examples {
                    #expect(schema.problems(example, shape) == [])
                    count += 1
                }
            }
            // The schema says what the decoder says.
            var row = SourceRow(service.source)
            let decoder = EventDecoder(service.source)
            let bytes = APIExamples(service: service, nowMillis: 1_709_294_400_000).transaction.bytes()
            try decoder.decode(bytes.span, into: &row)
        }
        #expect(count > 60)
    }

    @Test func `what is allowed of a field is in the schema`() throws {
        let service = try Self.repositories()[1].services.first
        let fields = Self.document(service)["components"]?["schemas"]?["Transaction"]
        #expect(fields?["additionalProperties"] == false)
        func field(_ name: String) -> JSONTree? { fields?["properties"]?[name] }
        #expect(field("lat") == ["type": "number", "minimum": 40, "maximum": .number("50.5")])
        #expect(field("kind")?["enum"] == ["a", "b\"c"])
        #expect(field("zone")?["enum"] == ["x", "", .null])
        #expect(field("zone")?["type"] == ["string", "null"])
        #expect(field("id")?["minLength"] == 3 && field("id")?["maxLength"] == 20)
        #expect(field("born")?["format"] == nil && field("day")?["description"]?.string?.contains("dd.MM.yyyy") == true)
        #expect(field("far")?["minimum"] == .number("-9223372036854775807"))
        #expect(field("low")?["description"] == "rounded to 3 decimals")
        let required = fields?["required"]?.array?.compactMap(\.string)
        #expect(required == ["id", "at", "card", "kind", "state", "day", "lat", "yen", "level", "present"])
    }

    @Test func `what is answered is described, and what is described is answered`() throws {
        let fixture = try Fixture(apiKeys: "key")
        let json = fixture.get("/openapi.json").json
        let schema = JSONSchema(json, isClosed: true)
        fixture.setWatermark(partition: 3, next: 500, newestMillis: 1_709_294_400_000)
        func check(_ answer: Fixture.Answer, _ method: String, _ path: String) throws {
            let content = json["paths"]?[path]?[method]?["responses"]?[String(answer.status)]?["content"]
            let shape = try #require(content?["application/json"]?["schema"], "\(answer.status) of \(path)")
            #expect(schema.problems(answer.json, shape) == [], "\(path)")
        }
        let key = ["x-api-key": "key"]
        for query in [[:], ["explain": "false"], ["top": "2"], ["explanation": "object"], ["top": "0"]] {
            try check(fixture.ask(Fixture.payment, query: query, headers: key), "post", "/api/v1/predict")
            try check(
                fixture.ask("[\(Fixture.payment)]", "/api/v1/predict/batch", query: query, headers: key), "post",
                "/api/v1/predict/batch")
        }
        try check(fixture.ask("{}", headers: key), "post", "/api/v1/predict")
        try check(
            fixture.ask("[{},{\"id\":[]}]", "/api/v1/predict/batch", headers: key), "post", "/api/v1/predict/batch")
        try check(fixture.ask(Fixture.payment), "post", "/api/v1/predict")
        try check(
            fixture.ask(Fixture.payment, headers: ["content-type": "text/plain"].merging(key) { $1 }), "post",
            "/api/v1/predict")
        try check(fixture.ask(Fixture.payment, headers: ["origin": "https://evil.example"]), "post", "/api/v1/predict")
        try check(
            fixture.ask(String(repeating: " ", count: BatchPrediction.rowBytesMax + 1), headers: key), "post",
            "/api/v1/predict")
        fixture.app.otherChampion = "9"
        for path in ["/api/v1/model", "/health/ready", "/health/live", "/health", "/api/v1/health", "/"] {
            try check(fixture.get(path, headers: key), "get", path)
        }
        fixture.app.isStopping = true
        try check(fixture.get("/health/ready"), "get", "/health/ready")
        fixture.app.useNone("none")
        try check(fixture.ask(Fixture.payment, headers: key), "post", "/api/v1/predict")
        try check(fixture.get("/api/v1/model", headers: key), "get", "/api/v1/model")
    }

    @Test func `a line of an answer is what it is described as`() throws {
        let fixture = try Fixture()
        let schema = JSONSchema(Self.document(Fixture.service), isClosed: true)
        let answer = fixture.ask(
            Fixture.payment + "\n{}\n", "/api/v1/predict/batch", headers: ["content-type": LinePrediction.mediaType])
        let lines = try (answer.response?.body ?? []).split(separator: 0x0A).map { try JSONTree.parse(Array($0)) }
        #expect(lines.count == 2)
        for (line, name) in zip(lines, ["Prediction", "RefusedLine"]) {
            #expect(schema.problems(line, ["$ref": .string("#/components/schemas/\(name)")]) == [])
        }
    }

    @Test func `every member that a prediction may have is had`() throws {
        let fixture = try Fixture()
        fixture.setWatermark(partition: 3, next: 500, newestMillis: 1_709_294_400_000)
        let described = Self.document(Fixture.service)["components"]?["schemas"]
        let answer = fixture.ask(Fixture.payment).json
        func names(_ schema: String) -> Set<String> {
            Set(described?[schema]?["properties"]?.object?.map(\.key) ?? [])
        }
        #expect(names("Prediction") == Set(answer.object?.map(\.key) ?? []))
        #expect(names("FeaturesAsOf") == Set(answer["features_as_of"]?["card_activity"]?.object?.map(\.key) ?? []))
        #expect(names("Reason") == Set(answer["explanation"]?[0]?.object?.map(\.key) ?? []))
    }

    @Test func `before there is a model the awaited service is described`() throws {
        let app = PredictionApp(
            reader: MemoryReader(), log: nil, metrics: .init(), expectedService: Fixture.service)
        let response = try #require(app.respond(to: Request(.get, "/openapi.json")))
        let json = try JSONTree.parse(response.body)
        #expect(json["components"]?["schemas"]?["Transaction"]?["properties"]?["amt"] != nil)
    }

    private static func succeeds(_ words: String...) -> Bool {
        (try? TestCommand.run(["/usr/bin/env"] + words))?.exitCode == 0
    }

    @Test(.enabled(if: succeeds("node", "--version"), "Node is not installed"))
    func `the page's script is JavaScript`() throws {
        let path = TestEnvironment.packageRoot + "/services/prediction-api/Docs/page.js"
        #expect(Self.succeeds("node", "--check", path))
    }

    @Test(
        .enabled(
            if: succeeds("python3", "-c", "import openapi_spec_validator, jsonschema"),
            "Python's openapi-spec-validator and jsonschema are not installed"))
    func `other validators find the same`() throws {
        let script = """
            import json, sys, jsonschema, openapi_spec_validator
            for path in sys.argv[1:]:
                document = json.load(open(path))
                openapi_spec_validator.validate(document)
                for item in document["paths"].values():
                    for call in item.values():
                        contents = [r["content"] for r in call["responses"].values()]
                        contents += [call["requestBody"]["content"]] if "requestBody" in call else []
                        for body in (b for c in contents for b in c.values()):
                            schema = dict(body["schema"], components=document["components"])
                            examples = [e["value"] for e in body.get("examples", {}).values()]
                            examples += [body["example"]] if "example" in body else []
                            for example in examples:
                                jsonschema.Draft202012Validator(schema).validate(example)
            """
        let folder = try TestEnvironment.temporaryFolder("openapi")
        let paths = try Self.documents().enumerated().map { index, document in
            let path = "\(folder)/\(index).json"
            try Data(document.bytes()).write(to: URL(fileURLWithPath: path))
            return path
        }
        let process = try TestProcess(["python3", "-c", script] + paths, logPath: folder + "/log")
        #expect(process.waitUntilExit(seconds: 60))
        #expect(process.log == "")
    }

    @Test func `the page has a policy, and asks for nothing from elsewhere`() throws {
        let fixture = try Fixture()
        for path in ["/docs", "/docs/style.css", "/docs/page.js"] {
            let response = try #require(fixture.get(path).response)
            #expect(response.status == 200)
            let policy = response.headers.first { $0.name == "Content-Security-Policy" }?.value ?? ""
            #expect(policy.hasPrefix("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'"))
            #expect(!policy.contains("unsafe") && policy.contains("frame-ancestors 'none'"))
            #expect(response.headers.contains(.init("X-Content-Type-Options", "nosniff")))
            let text = String(decoding: response.body, as: UTF8.self)
            // What the policy would refuse is not there, and neither is another host.
            for word in [
                "http:", "https:", "//cdn", "innerHTML", "eval(", "onclick=\"", "style=\"", "<style", "javascript:",
            ] {
                #expect(!text.contains(word), "\(path) has \(word)")
            }
            for match in text.matches(of: /(?:src|href)="([^"]*)"/) {
                #expect(fixture.get(String(match.1)).status == 200, "\(match.1)")
            }
        }
    }

    @Test func `the first page sends a browser to the description and tells a program where all is`() throws {
        let fixture = try Fixture()
        let browser = fixture.get("/", headers: ["accept": "text/html,application/xhtml+xml"])
        #expect(browser.status == 307)
        #expect(browser.response?.headers.contains(.init("Location", "/docs")) == true)
        let program = fixture.get("/", headers: ["accept": "*/*"])
        #expect(program.status == 200)
        #expect(program.json["model_version"] == "7")
        for name in ["docs", "openapi", "health"] {
            #expect(fixture.get(program.json[name]?.string ?? "").status == 200)
        }
        #expect(fixture.ask(Fixture.payment, program.json["predict"]?.string ?? "").status == 200)
    }
}
