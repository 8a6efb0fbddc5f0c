public import HTTPServer
public import Observability

/// What operators ask every service for, as answers.
public enum AdminRoutes {
    /// That the process answers.
    public static let alive = Response.json("{\"status\":\"ok\"}")

    /// All metrics in Prometheus' text format.
    public static func metrics(_ registry: MetricsRegistry) -> Response {
        Response(
            contentType: "text/plain; version=0.0.4; charset=utf-8", body: Array(registry.renderPrometheus().utf8))
    }
}
