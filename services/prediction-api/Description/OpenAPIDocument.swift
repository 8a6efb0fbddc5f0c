import FeatureStore
import JSON

/// The API described for machines: OpenAPI 3.1.
struct OpenAPIDocument {
    /// The service that is described; without one the fields of a request are unknown.
    let service: FeatureService?
    /// Whether keys must be shown.
    let needsKey: Bool
    /// The moment of the examples, ms since 1970.
    let nowMillis: Int64

    private var examples: APIExamples? { service.map { APIExamples(service: $0, nowMillis: nowMillis) } }

    var json: JSONTree {
        let operations = APIOperation.allCases.filter(\.isDescribed)
        var components: [JSONTree.Member] = [.init("schemas", .object(APISchemas.all(service?.source)))]
        if needsKey {
            components.append(
                .init(
                    "securitySchemes",
                    [
                        "key": ["type": "apiKey", "in": "header", "name": "X-API-Key"],
                        "bearer": ["type": "http", "scheme": "bearer"],
                    ]))
        }
        return [
            "openapi": "3.1.0",
            "info": [
                "title": "Needletail prediction API", "version": "1",
                "description": "Scores transactions for fraud while they happen, and says why.",
                "license": ["name": "MIT", "identifier": "MIT"],
            ],
            "servers": [["url": "/"]],
            "tags": .array(["Predictions", "Operation", "Description"].map { ["name": .string($0)] }),
            "paths": .object(operations.map { .init($0.path, path($0)) }),
            "components": .object(components),
        ]
    }

    private func path(_ operation: APIOperation) -> JSONTree {
        var members: [JSONTree.Member] = [
            .init("operationId", .string(operation.rawValue)), .init("tags", [.string(operation.group)]),
            .init("summary", .string(operation.summary)),
        ]
        if let details = operation.details { members.append(.init("description", .string(details))) }
        if operation.isGuarded, needsKey { members.append(.init("security", [["key": []], ["bearer": []]])) }
        let parameters = operation.parameters.map { parameter -> JSONTree in
            [
                "name": .string(parameter.name), "in": "query", "description": .string(parameter.description),
                "schema": parameter.schema.json,
            ]
        }
        if !parameters.isEmpty { members.append(.init("parameters", .array(parameters))) }
        if !operation.bodies.isEmpty {
            let content = operation.bodies.map { JSONTree.Member($0.mediaType, body($0, of: operation)) }
            members.append(.init("requestBody", ["required": true, "content": .object(content)]))
        }
        let answers = [operation.success] + operation.refusals.filter { needsKey || $0.status != 401 }
        members.append(
            .init("responses", .object(answers.map { .init(String($0.status), answer($0, of: operation)) })))
        return .object([.init(operation.verb.lowercased(), .object(members))])
    }

    private func body(_ body: APIOperation.Body, of operation: APIOperation) -> JSONTree {
        let samples = APISample.all(of: operation, examples).filter { $0.mediaType == body.mediaType }
        let examples = samples.map { JSONTree.Member($0.id, ["summary": .string($0.name), "value": $0.json]) }
        let schema = JSONTree.Member("schema", body.schema.json)
        return .object(examples.isEmpty ? [schema] : [schema, .init("examples", .object(examples))])
    }

    private func answer(_ answer: APIOperation.Answer, of operation: APIOperation) -> JSONTree {
        let content = answer.bodies.map { body -> JSONTree.Member in
            let schema = JSONTree.Member("schema", body.schema.json)
            let example = example(answer, body, of: operation).map { JSONTree.Member("example", $0) }
            return .init(body.mediaType, .object([schema, example].compactMap(\.self)))
        }
        var members: [JSONTree.Member] = [.init("description", .string(answer.description))]
        if operation.isGuarded {
            members.append(
                .init(
                    "headers",
                    [
                        "X-Request-ID": [
                            "description": "the request's own, or one made for an answer that is an error",
                            "schema": APISchema.string.json,
                        ]
                    ]))
        }
        members.append(.init("content", .object(content)))
        return .object(members)
    }

    private func example(
        _ answer: APIOperation.Answer, _ body: APIOperation.Body, of operation: APIOperation
    ) -> JSONTree? {
        guard answer.status == 200 else {
            return answer.status == 422 ? examples?.problems : ["detail": .string(answer.description)]
        }
        return switch operation {
        case .predict, .predictShort: examples?.prediction
        case .predictBatch where body.mediaType == LinePrediction.mediaType: examples?.predictionLines
        case .predictBatch: examples?.predictions
        case .model: examples?.model
        case .health, .healthShort, .live: ["status": "ok"]
        case .ready: ["status": "ok", "model_version": "1"]
        default: nil
        }
    }
}
