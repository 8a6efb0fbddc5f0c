import HTTPServer
import JSON

/// Every operation of the API: what is routed is described, and what is described is routed. The raw value is the operationId.
enum APIOperation: String, CaseIterable {
    case predict, predictBatch, model, health, ready, live, metrics
    case openAPI, postman, requests
    case predictShort, healthShort
    case start, docs, docsStyle, docsScript

    var path: String {
        switch self {
        case .predict: "/api/v1/predict"
        case .predictBatch: "/api/v1/predict/batch"
        case .model: "/api/v1/model"
        case .health: "/api/v1/health"
        case .ready: "/health/ready"
        case .live: "/health/live"
        case .metrics: "/metrics"
        case .openAPI: "/openapi.json"
        case .postman: "/postman.json"
        case .requests: "/requests.http"
        case .predictShort: "/predict"
        case .healthShort: "/health"
        case .start: "/"
        case .docs: "/docs"
        case .docsStyle: "/docs/style.css"
        case .docsScript: "/docs/page.js"
        }
    }

    var method: Method { bodies.isEmpty ? .get : .post }
    /// The method as a request line has it.
    var verb: String { method.rawValue }

    /// Whether it is only for those who have a key, where keys are set, and for pages of allowed origins.
    var isGuarded: Bool {
        switch self {
        case .predict, .predictShort, .predictBatch, .model: true
        default: false
        }
    }

    /// Longest body, bytes.
    var bodyLimit: Int { self == .predictBatch ? BatchPrediction.bytesMax : BatchPrediction.rowBytesMax }

    /// Files of the page are no operations that anybody would call.
    var isDescribed: Bool { self != .docsStyle && self != .docsScript }

    /// The group it stands in.
    var group: String {
        switch self {
        case .predict, .predictShort, .predictBatch, .model: "Predictions"
        case .health, .healthShort, .ready, .live, .metrics: "Operation"
        case .start, .docs, .docsStyle, .docsScript, .openAPI, .postman, .requests: "Description"
        }
    }

    var summary: String {
        switch self {
        case .predict: "Score one transaction and say why"
        case .predictShort: "The same as /api/v1/predict"
        case .predictBatch: "Score up to \(BatchPrediction.rowsMax) transactions, answered in their order"
        case .model: "The model in service"
        case .health, .healthShort: "Whether the process answers"
        case .live: "Whether the process answers, for an orchestrator"
        case .ready: "Whether a model is in service, for a balancer"
        case .metrics: "Prometheus metrics"
        case .start: "Where to go from here; browsers are sent to /docs"
        case .docs: "This description for people, with a form to try it"
        case .docsStyle, .docsScript: "A part of the page"
        case .openAPI: "This description: OpenAPI 3.1"
        case .postman: "The requests as a Postman collection, v2.1"
        case .requests: "The requests as an .http file, for editors"
        }
    }

    /// More about it, where there is more.
    var details: String? {
        switch self {
        case .predict, .predictShort:
            """
            The transaction is joined with the online features of its entities at its own time. Without them, or without them in \
            time, it is scored from the request alone and the answer says "degraded": true.
            """
        case .predictBatch:
            """
            A list of transactions, or an object with the list `transactions`. If any of them is refused, all are, each problem \
            with the index of its row, and nothing is scored.

            As application/x-ndjson a transaction a line is taken, and answered by a line for each while they are scored; a line \
            that is refused is answered by what is wrong with it, and refuses no other.
            """
        default: nil
        }
    }

    // MARK: What is sent

    /// One thing that may be asked for in the query.
    struct Parameter {
        let name: String
        let schema: APISchema
        let description: String
    }

    /// A body that is taken or given.
    struct Body {
        let schema: APISchema
        let mediaType: String
    }

    var bodies: [Body] {
        switch self {
        case .predict, .predictShort: [Body(schema: APISchemas.transaction, mediaType: "application/json")]
        case .predictBatch:
            [
                Body(schema: APISchemas.batch, mediaType: "application/json"),
                Body(
                    schema: .string.described("a Transaction a line"), mediaType: LinePrediction.mediaType),
            ]
        default: []
        }
    }

    var parameters: [Parameter] {
        guard !bodies.isEmpty else { return [] }
        let count = APISchema.integer.with("minimum", 1).with("maximum", .number(ExplanationChoice.countMax))
        return [
            Parameter(
                name: "explain",
                schema: .any(
                    of: .boolean,
                    APISchema.integer.with("minimum", 0).with("maximum", .number(ExplanationChoice.countMax))
                )
                .with("default", .bool(self != .predictBatch)),
                description: "true for all reasons, false for none, a number for so many of the strongest"),
            Parameter(
                name: "top", schema: count,
                description: "as many of the strongest reasons, also where none is the default"),
            Parameter(
                name: "explanation", schema: APISchema.one(of: "list", "object").with("default", "list"),
                description:
                    "a list of features with their values and contributions, or an object of contributions by feature"),
        ]
    }

    // MARK: What is answered

    /// One answer.
    struct Answer {
        let status: Int
        let description: String
        let bodies: [Body]

        init(_ status: Int, _ description: String, _ schema: APISchema, mediaType: String = "application/json") {
            self.status = status
            self.description = description
            bodies = [Body(schema: schema, mediaType: mediaType)]
        }

        init(_ description: String, _ bodies: [Body]) {
            status = 200
            self.description = description
            self.bodies = bodies
        }
    }

    /// The answer when all is well.
    var success: Answer {
        func text(_ description: String, _ mediaType: String) -> Answer {
            Answer(200, description, .string, mediaType: mediaType)
        }
        let any = APISchema(type: "object")
        return switch self {
        case .predict, .predictShort:
            Answer(200, "The score and why", APISchemas.prediction)
        case .predictBatch:
            Answer(
                "The scores",
                [
                    Body(schema: APISchemas.predictions, mediaType: "application/json"),
                    Body(
                        schema: .string.described("a Prediction or a RefusedLine for each line, in their order"),
                        mediaType: LinePrediction.mediaType),
                ])
        case .model: Answer(200, "The model", APISchemas.model)
        case .health, .healthShort, .live: Answer(200, "It answers", APISchemas.status)
        case .ready: Answer(200, "It has a model", APISchemas.ready)
        case .start: Answer(200, "The addresses", APISchemas.start)
        case .openAPI: Answer(200, "The document", any)
        case .postman: Answer(200, "The collection", any)
        case .metrics: text("Metrics in Prometheus' text format", "text/plain")
        case .requests: text("The requests", "text/plain")
        case .docs: text("The page", "text/html")
        case .docsStyle: text("The style sheet", "text/css")
        case .docsScript: text("The script", "text/javascript")
        }
    }

    /// What it may be refused with.
    var refusals: [Answer] {
        let statuses: [Int] =
            switch self {
            case .predict, .predictShort, .predictBatch: [400, 401, 403, 413, 415, 422, 503]
            case .model: [401, 403, 503]
            case .ready: [503]
            default: []
            }
        return statuses.map { status in
            Answer(status, Self.reason(status), status == 422 ? APISchemas.problems : APISchemas.error)
        }
    }

    private static func reason(_ status: Int) -> String {
        switch status {
        case 400: "The request's head or length can be read in two ways; the connection ends"
        case 401: "There is no valid key in X-API-Key or Authorization: Bearer"
        case 403: "A web page asks whose origin is not allowed"
        case 413: "The body is too long"
        case 415: "The body is not JSON in UTF-8, or is compressed"
        case 422: "Something in the query or the body is missing, malformed, not allowed, unknown or there twice"
        default: "No model is in service, too much is under way, or the server is stopping"
        }
    }
}
