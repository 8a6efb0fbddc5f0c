import FeatureEngine
import HTTPServer
import JSON

/// The API described for machines (`/openapi.json`) and people (`/docs`).
enum APIDescription {
    /// OpenAPI 3.1; the request's fields are those of the source, once a model says which.
    static func openAPI(source: SourceSchema?, needsKey: Bool) -> Response {
        var properties: [JSONTree.Member] = []
        var required: [JSONTree] = []
        for field in source?.fields ?? [] {
            let type: JSONTree =
                switch field.type {
                case .string: ["type": "string"]
                case .integer: ["type": "integer"]
                case .double: ["type": "number"]
                case .decimal(let places): ["type": "number", "description": .string("at most \(places) decimals")]
                case .boolean: ["type": "boolean"]
                }
            properties.append(.init(field.name, type))
            if !field.isOptional { required.append(.string(field.name)) }
        }
        let number: JSONTree = ["type": "number"]
        let text: JSONTree = ["type": "string"]
        let prediction: JSONTree = [
            "type": "object",
            "properties": [
                "transaction_id": text, "is_fraud": ["type": "boolean"], "fraud_probability": number,
                "probability": number, "prediction": ["type": "string", "enum": ["FRAUD", "LEGIT"]],
                "threshold": number, "model_version": text, "base_value": number,
                "explanation": [
                    "type": "array",
                    "items": [
                        "type": "object",
                        "properties": [
                            "feature": text, "value": ["type": ["number", "string", "null"]], "contribution": number,
                        ],
                    ],
                ],
                "features_as_of": ["type": "object"], "degraded": ["type": "boolean"],
            ],
        ]
        let transaction: JSONTree = [
            "type": "object", "properties": .object(properties), "required": .array(required),
        ]
        let problems: JSONTree = [
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
        func reference(_ name: String) -> JSONTree { ["$ref": .string("#/components/schemas/\(name)")] }
        func answer(_ description: String, _ schema: JSONTree) -> JSONTree {
            ["description": .string(description), "content": ["application/json": ["schema": schema]]]
        }
        let invalid = answer("A field is missing, malformed or given twice", reference("Problems"))
        func explain(_ byDefault: Bool) -> JSONTree {
            [
                [
                    "name": "explain", "in": "query",
                    "schema": ["type": "boolean", "default": .bool(byDefault)],
                ]
            ]
        }
        func get(_ summary: String) -> JSONTree {
            ["get": ["summary": .string(summary), "responses": ["200": ["description": "OK"]]]]
        }
        let predict: JSONTree = [
            "post": [
                "summary": "Score one transaction", "parameters": explain(true),
                "requestBody": [
                    "required": true, "content": ["application/json": ["schema": reference("Transaction")]],
                ],
                "responses": ["200": answer("The score and why", reference("Prediction")), "422": invalid],
            ]
        ]
        let batch: JSONTree = [
            "post": [
                "summary": "Score up to 10,000 transactions, answered in their order", "parameters": explain(false),
                "requestBody": [
                    "required": true,
                    "content": [
                        "application/json": [
                            "schema": ["type": "array", "maxItems": 10_000, "items": reference("Transaction")]
                        ]
                    ],
                ],
                "responses": [
                    "200": answer(
                        "The scores",
                        [
                            "type": "object",
                            "properties": [
                                "predictions": ["type": "array", "items": reference("Prediction")],
                                "count": ["type": "integer"],
                            ],
                        ]), "422": invalid,
                ],
            ]
        ]
        var document: JSONTree = [
            "openapi": "3.1.0", "info": ["title": "Needletail", "version": "1"],
            "paths": [
                "/api/v1/predict": predict, "/predict": predict, "/api/v1/predict/batch": batch,
                "/api/v1/model": get("The model in service"), "/api/v1/health": get("Whether the process answers"),
                "/health/live": get("Whether the process answers"),
                "/health/ready": get("Whether a model is in service"),
                "/metrics": get("Prometheus metrics"),
            ],
        ]
        var components: [JSONTree.Member] = [
            .init("schemas", ["Transaction": transaction, "Prediction": prediction, "Problems": problems])
        ]
        if needsKey, case .object(var members) = document {
            components.append(
                .init("securitySchemes", ["key": ["type": "apiKey", "in": "header", "name": "X-API-Key"]]))
            members.append(.init("security", [["key": []]]))
            document = .object(members)
        }
        if case .object(var members) = document {
            members.append(.init("components", .object(components)))
            document = .object(members)
        }
        return Response(body: document.bytes())
    }

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
