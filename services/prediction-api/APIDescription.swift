import FeatureEngine
import HTTPServer
import JSON

/// The API described for machines (`/openapi.json`) and people (`/docs`).
enum APIDescription {
    /// OpenAPI 3.1; the request's fields are those of the source, once a model says which.
    static func openAPI(source: SourceSchema?, needsKey: Bool) -> Response {
        var components: [JSONTree.Member] = [
            .init(
                "schemas",
                ["Transaction": transaction(source), "Prediction": prediction, "Problems": problems, "Error": error])
        ]
        if needsKey {
            components.append(
                .init("securitySchemes", ["key": ["type": "apiKey", "in": "header", "name": "X-API-Key"]]))
        }
        let document: JSONTree = [
            "openapi": "3.1.0", "info": ["title": "Needletail", "version": "1"],
            "paths": [
                "/api/v1/predict": predict(id: "predict"), "/predict": predict(id: "predictShort"),
                "/api/v1/predict/batch": batch,
                "/api/v1/model": get("model", "The model in service", refusals(["401", "403", "503"])),
                "/api/v1/health": get("health", "Whether the process answers"),
                "/health": get("healthShort", "Whether the process answers"),
                "/health/live": get("live", "Whether the process answers"),
                "/health/ready": get("ready", "Whether a model is in service", refusals(["503"])),
                "/metrics": get("metrics", "Prometheus metrics"),
            ],
            "components": .object(components), "security": needsKey ? [["key": []]] : [],
        ]
        return Response(body: document.bytes())
    }

    // MARK: Schemas

    private static let text: JSONTree = ["type": "string"]
    private static let number: JSONTree = ["type": "number"]

    private static func transaction(_ source: SourceSchema?) -> JSONTree {
        var properties: [JSONTree.Member] = []
        var required: [JSONTree] = []
        for (index, field) in (source?.fields ?? []).enumerated() {
            let isKey = index == source?.keyIndex || index == source?.eventIDIndex
            let type: JSONTree =
                switch field.type {
                case .string where isKey:
                    [
                        "type": "string", "minLength": 1,
                        "description": .string("at most \(KeyRule.longest) bytes, not blank"),
                    ]
                case .string: text
                case .integer: ["type": "integer"]
                case .double: number
                case .decimal(let places): ["type": "number", "description": .string("at most \(places) decimals")]
                case .boolean: ["type": "boolean"]
                }
            properties.append(.init(field.name, type))
            if !field.isOptional { required.append(.string(field.name)) }
        }
        return ["type": "object", "properties": .object(properties), "required": .array(required)]
    }

    private static let prediction: JSONTree = [
        "type": "object",
        "properties": [
            "prediction_id": text, "transaction_id": text, "is_fraud": ["type": "boolean"], "fraud_probability": number,
            "probability": number, "prediction": ["type": "string", "enum": ["FRAUD", "LEGIT"]], "threshold": number,
            "model_version": text, "base_value": number,
            "explanation": [
                "type": "array",
                "items": [
                    "type": "object",
                    "properties": [
                        "feature": text, "value": ["type": ["number", "string", "null"]], "contribution": number,
                    ],
                ],
            ],
            "features_as_of": [
                "type": "object",
                "description": "for each view the log position of its state, and when it was known to be applied",
                "additionalProperties": [
                    "type": "object",
                    "properties": [
                        "generation": ["type": "integer"], "topic": text, "partition": ["type": "integer"],
                        "offset": ["type": "integer"],
                        "as_of": ["type": "integer", "description": "milliseconds since 1970"],
                    ],
                ],
            ],
            "degraded": ["type": "boolean", "description": "some online features were missing, or older than allowed"],
        ],
    ]

    private static let problems: JSONTree = [
        "type": "object",
        "properties": [
            "detail": [
                "type": "array",
                "items": [
                    "type": "object",
                    "properties": ["loc": ["type": "array", "items": [:]], "msg": text, "type": text],
                ],
            ]
        ],
    ]

    private static let error: JSONTree = ["type": "object", "properties": ["detail": text]]

    private static func reference(_ name: String) -> JSONTree { ["$ref": .string("#/components/schemas/\(name)")] }

    // MARK: Operations

    private static func answer(_ description: String, _ schema: JSONTree) -> JSONTree {
        ["description": .string(description), "content": ["application/json": ["schema": schema]]]
    }

    /// What an operation may be refused with.
    private static func refusals(_ statuses: [String]) -> [JSONTree.Member] {
        let reasons = [
            "401": "No valid key", "403": "The page's origin is not allowed", "413": "The body is too long",
            "415": "The body is not JSON in UTF-8", "503": "No model is in service, or too much is under way",
        ]
        return statuses.map { .init($0, answer(reasons[$0] ?? "", reference("Error"))) }
    }

    private static func get(_ id: String, _ summary: String, _ refusals: [JSONTree.Member] = []) -> JSONTree {
        [
            "get": [
                "operationId": .string(id), "summary": .string(summary),
                "responses": .object([.init("200", ["description": "OK"])] + refusals),
            ]
        ]
    }

    private static func post(
        _ id: String, _ summary: String, explains: Bool, _ body: JSONTree, _ description: String, _ result: JSONTree
    ) -> JSONTree {
        [
            "post": [
                "operationId": .string(id), "summary": .string(summary),
                "parameters": [
                    ["name": "explain", "in": "query", "schema": ["type": "boolean", "default": .bool(explains)]]
                ],
                "requestBody": ["required": true, "content": ["application/json": ["schema": body]]],
                "responses": .object(
                    [
                        .init("200", answer(description, result)),
                        .init("422", answer("A field is missing, malformed or given twice", reference("Problems"))),
                    ] + refusals(["401", "403", "413", "415", "503"])),
            ]
        ]
    }

    private static func predict(id: String) -> JSONTree {
        post(
            id, "Score one transaction", explains: true, reference("Transaction"), "The score and why",
            reference("Prediction"))
    }

    private static let batch = post(
        "predictBatch", "Score up to 10,000 transactions, answered in their order", explains: false,
        ["type": "array", "maxItems": 10_000, "items": reference("Transaction")], "The scores",
        [
            "type": "object",
            "properties": [
                "predictions": ["type": "array", "items": reference("Prediction")], "count": ["type": "integer"],
            ],
        ])

    /// A page that reads `/openapi.json` and lists what it says; it loads nothing from elsewhere.
    static let page = Response(
        contentType: "text/html; charset=utf-8",
        body: Array(
            """
            <!doctype html><html lang="en"><meta charset="utf-8"><title>Needletail API</title>
            <style>body{font:16px/1.5 system-ui;max-width:60em;margin:2em auto;padding:0 1em}code,pre{font:14px ui-monospace,monospace}
            pre{background:#8881;padding:1em;overflow:auto}b{display:inline-block;width:4em}</style>
            <h1>Needletail API</h1><p>The machine-readable form is <a href="/openapi.json">/openapi.json</a>.</p><div id="paths"></div>
            <h2>A transaction</h2><pre id="fields"></pre>
            <script>
            fetch('/openapi.json').then(r => r.json()).then(api => {
              for (const [path, methods] of Object.entries(api.paths)) for (const [method, call] of Object.entries(methods)) {
                const line = document.createElement('p'), name = document.createElement('b'), code = document.createElement('code');
                name.textContent = method.toUpperCase(); code.textContent = path;
                line.append(name, code, ' ', call.summary); document.getElementById('paths').append(line);
              }
              const t = api.components.schemas.Transaction;
              document.getElementById('fields').textContent = Object.entries(t.properties)
                .map(([n, p]) => n + ': ' + p.type + (t.required.includes(n) ? '' : ' (optional)')).join('\\n');
            });
            </script></html>
            """.utf8))
}
