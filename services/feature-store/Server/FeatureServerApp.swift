import AdminServer
import FeatureEngine
import FeatureStore
import HTTPServer
import JSON
import Observability
import RedisClient
import RedisOnlineStore
import ServiceRuntime

/// Answers as `feast serve` does. Belongs to its loop's thread: it reads Redis before it answers, with a round trip or two a
/// partition.
final class FeatureServerApp {
    /// Where the states of entities come from.
    typealias Read = (_ entities: [String], _ feed: ViewFeed) throws -> [[OnlineState]]

    private let repository: FeatureRepository
    private let read: Read
    private let nowMillis: () -> Int64
    private let metrics: MetricsRegistry

    init(
        _ repository: FeatureRepository, metrics: MetricsRegistry, nowMillis: @escaping () -> Int64,
        read: @escaping Read
    ) {
        (self.repository, self.metrics, self.nowMillis, self.read) = (repository, metrics, nowMillis, read)
    }

    var routes: Router {
        var router = Router()
        router.get("/health") { _ in Response(body: []) }
        router.get("/metrics") { [metrics] _ in AdminRoutes.metrics(metrics) }
        router.on(.post, "/get-online-features", bodyLimit: 8 << 20) { [self] request in request.reply(answer(request))
        }
        for path in ["/push", "/write-to-online-store", "/materialize", "/materialize-incremental"] {
            router.on(.post, path, bodyLimit: 8 << 20) { request in
                request.reply(
                    .error(
                        501,
                        "Features come from the log alone: send the event to its topic, and transform does the rest"))
            }
        }
        return router
    }

    private func answer(_ request: Request) -> Response {
        let type = request.header("content-type")?.lowercased().prefix { $0 != ";" }
        // A web page can send other types anywhere without asking.
        guard type == "application/json" else { return .error(422, "The body must be application/json") }
        do {
            return try answer(FeatureQuery(request.body, repository, nowMillis: nowMillis()))
        } catch FeatureRefusal.unknown(let name, let message) {
            // Feast's errors are JSON texts that hold JSON.
            var inner = JSONWriter()
            inner.beginObject()
            for (key, value) in [("module", "feast.errors"), ("class", name), ("message", message)] {
                inner.key(key)
                inner.value(value)
            }
            inner.endObject()
            var outer: [UInt8] = []
            JSONWriter.append(string: inner.text, to: &outer)
            return Response(status: 404, body: outer)
        } catch FeatureRefusal.invalid(let place, let message) {
            return Self.invalid(place, message)
        } catch let error as CommandError {
            return .error(503, error.message)
        } catch {
            return .error(503, "The online store does not answer: \(error)")
        }
    }

    private static func invalid(_ place: String, _ message: String) -> Response {
        var json = JSONWriter()
        json.beginObject()
        json.key("detail")
        json.beginArray()
        json.beginObject()
        json.key("loc")
        json.beginArray()
        json.value("body")
        json.value(place)
        json.endArray()
        json.key("msg")
        json.value("\(place) \(message)")
        json.key("type")
        json.value("value_error")
        json.endObject()
        json.endArray()
        json.endObject()
        return Response(status: 422, body: json.bytes)
    }

    // MARK: Answering

    private func answer(_ query: FeatureQuery) throws -> Response {
        var states: [[OnlineState?]] = query.rows.map { _ in query.views.map { _ in nil } }
        for feed in ViewFeed.feeds(of: query.views) {
            let places = feed.views.map { view in query.views.firstIndex { $0 === view } ?? 0 }
            for start in stride(from: 0, to: query.rows.count, by: OnlineEntityReader.batch) {
                let rows = start..<min(query.rows.count, start + OnlineEntityReader.batch)
                let keys = rows.map { query.rows[$0].canonicalText(feed.keyIndex) ?? "" }
                for (row, found) in zip(rows, try read(keys, feed)) {
                    for (place, state) in zip(places, found) { states[row][place] = state }
                }
            }
        }
        var values = query.columns.map { _ in [Value]() }
        for (row, found) in zip(query.rows, states) {
            for (index, value) in Self.values(query, row, found).enumerated() { values[index].append(value) }
        }
        return Response(body: Self.json(query, values))
    }

    /// One value of one entity.
    struct Value {
        let number: Double
        let text: String?
        let status: String
        let eventMillis: Int64

        init(_ vector: FeatureVector, _ slot: Int, isKnown: Bool, isNew: Bool, eventMillis: Int64) {
            (number, text, self.eventMillis) = (vector.numbers[slot], vector.texts[slot], eventMillis)
            let isMissing = number.isNaN && text == nil
            status = !isKnown ? "INVALID" : !isMissing ? "PRESENT" : isNew ? "NOT_FOUND" : "NULL_VALUE"
        }
    }

    private static func values(_ query: FeatureQuery, _ row: SourceRow, _ states: [OnlineState?]) -> [Value] {
        var vectors = query.views.map { FeatureVector(count: $0.features.count) }
        for (index, view) in query.views.enumerated() {
            // The current event counts where the request has what is aggregated of it.
            let isWhole = view.features.compactMap(\.field).allSatisfy { row.isPresent($0) }
            states[index]?.state?.evaluate(
                atMillis: row.eventTimeMillis, current: isWhole ? row : nil, into: &vectors[index])
        }
        let assembled = query.services.map { service in
            let own = service.views.map { view in vectors[query.views.firstIndex { $0 === view } ?? 0] }
            var vector = service.makeVector()
            service.assemble(row: row, viewVectors: own, into: &vector)
            return vector
        }
        return query.columns.map { _, column in
            switch column {
            case .stream(let view, let slot):
                let state = states[view]?.state
                return Value(
                    vectors[view], slot, isKnown: state != nil, isNew: state?.count == 0,
                    eventMillis: state?.newestMillis ?? 0)
            case .service(let service, let slot):
                let isKnown = query.services[service].views.allSatisfy { view in
                    query.views.firstIndex { $0 === view }.map { states[$0]?.state != nil } ?? false
                }
                return Value(assembled[service], slot, isKnown: isKnown, isNew: false, eventMillis: row.eventTimeMillis)
            }
        }
    }

    private static func json(_ query: FeatureQuery, _ values: [[Value]]) -> [UInt8] {
        var json = JSONWriter(reserving: 4_096)
        json.beginObject()
        json.key("results")
        json.beginArray()
        for key in query.keys {
            write(
                &json, count: query.rows.count,
                value: { json, index in
                    if let number = query.rows[index].bits(key.field),
                        query.rows[index].schema.fields[key.field].type == .integer
                    {
                        json.value(number)
                    } else {
                        json.value(query.rows[index].canonicalText(key.field))
                    }
                }, status: { _ in "PRESENT" }, millis: { _ in 0 })
        }
        for column in values {
            write(
                &json, count: column.count,
                value: { json, index in
                    if let text = column[index].text { json.value(text) } else { json.value(column[index].number) }
                }, status: { column[$0].status }, millis: { column[$0].eventMillis })
        }
        json.endArray()
        json.key("metadata")
        json.beginObject()
        json.key("feature_names")
        json.beginArray()
        for name in query.keys.map(\.name) + query.columns.map(\.name) { json.value(name) }
        json.endArray()
        if query.wantsViewNames {
            json.key("feature_view_metadata")
            json.beginArray()
            for name in query.viewNames {
                json.beginObject()
                json.key("name")
                json.value(name)
                json.endObject()
            }
            json.endArray()
        }
        json.endObject()
        json.endObject()
        return json.bytes
    }

    /// One column, as Feast has it: values, what each is worth, and the time of the newest event it is of.
    private static func write(
        _ json: inout JSONWriter, count: Int, value: (inout JSONWriter, Int) -> Void, status: (Int) -> String,
        millis: (Int) -> Int64
    ) {
        json.beginObject()
        json.key("values")
        json.beginArray()
        for index in 0..<count { value(&json, index) }
        json.endArray()
        json.key("statuses")
        json.beginArray()
        for index in 0..<count { json.value(status(index)) }
        json.endArray()
        json.key("event_timestamps")
        json.beginArray()
        for index in 0..<count { json.value(CivilTime.iso8601(millis(index))) }
        json.endArray()
        json.endObject()
    }
}
