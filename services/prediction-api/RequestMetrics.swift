import Observability

/// Requests by route and status. Belongs to one loop; the counters are everybody's.
final class RequestMetrics {
    private let registry: MetricsRegistry
    private var counters: [String: [Int: Counter]]

    /// Counts those of these paths by their names, and all others together.
    init(_ registry: MetricsRegistry, paths: [String]) {
        self.registry = registry
        counters = Dictionary(paths.map { ($0, [:]) }, uniquingKeysWith: { first, _ in first })
        counters["other"] = [:]
    }

    /// Counts one answer.
    func count(_ path: String, status: Int) {
        if let counter = counters[path]?[status] { return counter.add() }
        let route = counters[path] == nil ? "other" : path
        let counter = registry.counter(
            "needletail_serve_requests_total", help: "Requests answered.",
            labels: ["route": route, "status": String(status)])
        counters[route]?[status] = counter
        counter.add()
    }
}
