import FeatureStore
import HTTPServer
import JSON

/// The answers that describe the API.
struct APIDocuments {
    /// The service that is described; without one the fields of a request are unknown.
    let service: FeatureService?
    let needsKey: Bool
    let nowMillis: Int64

    /// OpenAPI 3.1.
    var openAPI: JSONTree { OpenAPIDocument(service: service, needsKey: needsKey, nowMillis: nowMillis).json }

    /// The requests for other programs; `address` is where the API is.
    func collections(address: String) -> RequestCollections {
        let examples = service.map { APIExamples(service: $0, nowMillis: nowMillis) }
        return RequestCollections(samples: APISample.all(examples), needsKey: needsKey, address: address)
    }

    /// What `/` says to a program.
    static func start(modelVersion: String?) -> Response {
        var writer = JSONWriter()
        writer.beginObject()
        for (name, value) in [
            ("service", "Needletail prediction API"), ("docs", APIOperation.docs.path),
            ("openapi", APIOperation.openAPI.path), ("predict", APIOperation.predict.path),
            ("health", APIOperation.ready.path),
        ] {
            writer.key(name)
            writer.value(value)
        }
        if let modelVersion {
            writer.key("model_version")
            writer.value(modelVersion)
        }
        writer.endObject()
        return Response(body: writer.bytes)
    }

    /// Where a browser is sent from `/`.
    static let toDocs: Response = {
        var response = Response.text("See \(APIOperation.docs.path)\n", status: 307)
        response.headers = [.init("Location", APIOperation.docs.path), .init("Vary", "Accept")]
        return response
    }()
}
