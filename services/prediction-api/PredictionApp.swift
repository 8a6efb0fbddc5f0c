import EventLoop
import FeatureEngine
import FeatureStore
import HTTPServer
import JSON
import Observability
import RedisClient
import Text
import TransactionData

/// The API of one event loop: its routes, its model, its way to the online store. Belongs to that loop; nothing in it is
/// shared but metrics and the log's queue.
///
/// Rules for input: the body is JSON in UTF-8 whatever `Content-Type` says, except that another charset or a
/// `Content-Encoding` is answered 415. Fields that are not declared are ignored; a declared one given twice is refused.
final class PredictionApp {
    /// Most rows of one batch.
    static let batchRowsMax = 10_000
    /// Rows of a batch that share one read of the online store.
    static let batchRowsPerRead = 64
    /// Most problems one answer lists.
    static let issuesMax = 100

    private(set) var routes = Router()
    /// Set while the program stops: `/health/ready` says so, and a balancer goes elsewhere.
    var isStopping = false
    private(set) var model: ActiveModel?
    private var notReadyReason = "no model is loaded yet"

    let reader: any OnlineReader
    let metrics: PredictionMetrics
    /// Lets other requests of the loop have their turn, then calls back.
    let yield: (@escaping () -> Void) -> Void
    private let log: (any PredictionLog)?
    private let apiKeys: APIKeys
    private let idPrefix: [UInt8]
    private var nextID: UInt64 = 0
    private var predictionID: [UInt8] = []
    private var record: [UInt8] = []
    private var keys = OnlineKeyList()
    private var partitionCounts: [String: Int] = [:]

    /// An app without a model. Without a loop to yield to, batches go on at once.
    init(
        reader: any OnlineReader, log: (any PredictionLog)?, metrics registry: MetricsRegistry,
        apiKeys: APIKeys = APIKeys(nil), yield: @escaping (@escaping () -> Void) -> Void = { $0() }
    ) {
        self.reader = reader
        self.log = log
        self.apiKeys = apiKeys
        self.yield = yield
        metrics = PredictionMetrics(registry)
        idPrefix = Array((Padding.hexadecimal(UInt64.random(in: 0...UInt64.max), 16) + "-").utf8)
        routes = AdminServer.routes(metrics: registry) { [unowned self] in readiness }
        routes.get("/api/v1/health") { _ in .json("{\"status\":\"ok\"}") }
        for path in ["/api/v1/predict", "/predict"] {
            routes.on(.post, path, bodyLimit: 65_536) { [unowned self] in predict($0) }
        }
        routes.on(.post, "/api/v1/predict/batch", bodyLimit: 16 << 20) { [unowned self] in predictBatch($0) }
        routes.on(.get, "/api/v1/model") { [unowned self] in describeModel($0) }
        routes.get("/openapi.json") { [unowned self] _ in
            APIDescription.openAPI(source: model?.served.service.source, needsKey: apiKeys.areNeeded)
        }
        routes.get("/docs") { _ in APIDescription.page }
    }

    /// Answers a request that has no connection, for tests.
    func respond(to request: Request) -> Response? {
        routes.handle(request)
        return request.response
    }

    // MARK: Model

    /// Puts a model into service from the next request on; those under way end with theirs.
    func use(_ served: ServedModel) {
        let active = ActiveModel(served)
        active.join.partitionCount = partitionCounts[served.service.source.topic]
        model = active
        metrics.modelLoads.add()
    }

    /// Takes the model out of service, or says why there is none.
    func useNone(_ reason: String) {
        model = nil
        notReadyReason = reason
    }

    /// The number of partitions of a topic. Until it is known for the model's source, answers are degraded.
    func use(partitionCount count: Int, of topic: String) {
        partitionCounts[topic] = count
        if let model, model.served.service.source.topic == topic { model.join.partitionCount = count }
    }

    private var readiness: Readiness {
        if isStopping { return .notReady("the server is stopping") }
        return model == nil ? .notReady(notReadyReason) : .ready
    }

    private func describeModel(_ request: Request) {
        guard isAllowed(request) else { return }
        guard let model else { return request.reply(.error(503, notReadyReason)) }
        request.reply(Response(body: ModelDescription.json(model.served)))
    }

    // MARK: Requests

    private func isAllowed(_ request: Request) -> Bool {
        guard apiKeys.areNeeded else { return true }
        var key = request.header("x-api-key") ?? ""
        if key.isEmpty, let bearer = request.header("authorization"), bearer.hasPrefix("Bearer ") {
            key = String(bearer.dropFirst(7))
        }
        if apiKeys.allow(key) { return true }
        var response = Response.error(401, "A valid X-API-Key is needed")
        response.headers = [.init("WWW-Authenticate", "Bearer")]
        request.reply(response)
        return false
    }

    /// The model for a request that may be scored; otherwise the request is answered.
    private func accept(_ request: Request) -> ActiveModel? {
        guard isAllowed(request) else { return nil }
        if let reason = Self.unsupported(request) {
            request.reply(.error(415, reason))
            return nil
        }
        guard let model else {
            request.reply(.error(503, notReadyReason))
            return nil
        }
        return model
    }

    private static func unsupported(_ request: Request) -> String? {
        if let encoding = request.header("content-encoding"), encoding.lowercased() != "identity" {
            return "The body must not be compressed"
        }
        guard let type = request.header("content-type"), let mark = type.firstIndex(of: ";") else { return nil }
        for parameter in type[mark...].dropFirst().lowercased().split(separator: ";") {
            let parts = parameter.split(separator: "=", maxSplits: 1).map { part in
                part.filter { $0 != " " && $0 != "\"" && $0 != "\t" }
            }
            guard parts.count == 2, parts[0] == "charset" else { continue }
            guard ["utf-8", "utf8", "us-ascii"].contains(parts[1]) else { return "The body must be UTF-8" }
        }
        return nil
    }

    private func predict(_ request: Request) {
        let start = EventLoop.monotonicMicros()
        guard let model = accept(request) else { return }
        let prediction = model.takePrediction()
        do throws(EventError) {
            try model.decoder.decode(request.body.span, into: &prediction.row)
        } catch {
            model.giveBack(prediction)
            return refuse(request, error.issues.map { Problem(row: nil, issue: $0) })
        }
        prediction.request = request
        prediction.startMicros = start
        prediction.explains = request.query("explain") != "false"
        guard model.join.keysPerRow > 0 else {
            return finish(prediction, model, isComplete: true)
        }
        guard model.join.partitionCount != nil else {
            metrics.onlineFailures.add()
            model.join.makeMissing(&model.viewVectors, &model.positions)
            return finish(prediction, model, isComplete: false)
        }
        keys.removeAll()
        prediction.partition = model.join.appendKeys(prediction.row, to: &keys)
        reader.read(keys) { [self] values in
            if values.failure != nil { metrics.onlineFailures.add() }
            let isComplete = model.join.evaluate(
                values, from: 0, row: prediction.row, partition: prediction.partition, into: &model.viewVectors,
                positions: &model.positions)
            finish(prediction, model, isComplete: isComplete)
        }
    }

    private func finish(_ prediction: Prediction, _ model: ActiveModel, isComplete: Bool) {
        model.score(prediction.row, isComplete: isComplete)
        var body: [UInt8] = []
        body.reserveCapacity(prediction.explains ? 4_096 : 512)
        model.appendAnswer(prediction.row, explains: prediction.explains, to: &body)
        prediction.request?.reply(Response(body: body))
        record(prediction.row, model, since: prediction.startMicros)
        model.giveBack(prediction)
    }

    /// Counts and logs the row scored last.
    private func record(_ row: SourceRow, _ model: ActiveModel, since startMicros: Int64) {
        let latency = EventLoop.monotonicMicros() - startMicros
        metrics.latency.observe(Double(latency) / 1e6)
        if model.isFraud { metrics.fraud.add() } else { metrics.legit.add() }
        if model.isDegraded { metrics.degraded.add() }
        guard let log else { return }
        nextID += 1
        predictionID.removeAll(keepingCapacity: true)
        predictionID.append(contentsOf: idPrefix)
        JSONWriter.append(integer: Int64(nextID), to: &predictionID)
        let now = EventLoop.wallClockMillis()
        record.removeAll(keepingCapacity: true)
        model.appendRecord(
            row, predictionID: predictionID, createdMillis: now, latencyMicros: latency, to: &record)
        let keyIndex = row.schema.keyIndex
        let key = row.bits(keyIndex) == nil ? Array(row.bytes(keyIndex)) : Array(row.key.utf8)
        log.append(key: key, value: record, timestampMillis: now)
    }

    // MARK: Batches

    /// A batch on its way.
    private final class Batch {
        let request: Request
        let rows: [SourceRow]
        let explains: Bool
        let startMicros: Int64
        var next = 0
        var partitions: [Int32] = []
        var body: [UInt8] = Array("{\"predictions\":[".utf8)
        /// The store failed once: the rows that are left are not worth a deadline each.
        var isOffline = false
        init(_ request: Request, _ rows: [SourceRow], explains: Bool, startMicros: Int64) {
            self.request = request
            self.rows = rows
            self.explains = explains
            self.startMicros = startMicros
            body.reserveCapacity(rows.count * (explains ? 3_072 : 384) + 64)
        }
    }

    /// Scores an array of requests, or an object with an array `transactions`; the answers are in their order. If any row is
    /// bad, all are refused, each by its index, and nothing is scored or logged. `?explain=true` adds the explanations.
    private func predictBatch(_ request: Request) {
        let start = EventLoop.monotonicMicros()
        guard let model = accept(request) else { return }
        var rows: [SourceRow] = []
        var problems: [Problem] = []
        do throws(EventError) {
            try model.batchParser.parse(request.body.span, onError: EventDecoder.invalid) { (root) throws(EventError) in
                try Self.decode(root, model.decoder, into: &rows, &problems)
            }
        } catch {
            problems = error.issues.map { Problem(row: nil, issue: $0) }
        }
        guard problems.isEmpty else { return refuse(request, problems) }
        let batch = Batch(request, rows, explains: request.query("explain") == "true", startMicros: start)
        batch.isOffline = model.join.partitionCount == nil
        if batch.isOffline { metrics.onlineFailures.add() }
        advance(batch, model)
    }

    private static func decode(
        _ root: JSONValue, _ decoder: EventDecoder, into rows: inout [SourceRow], _ problems: inout [Problem]
    ) throws(EventError) {
        switch root.kind {
        case .array: try decode(elements: root, decoder, into: &rows, &problems)
        case .object:
            var isFound = false
            var members = root.children
            while let member = members.next() {
                guard member.isNamed("transactions") else { continue }
                guard !isFound else {
                    throw EventError([.init(field: "transactions", message: "is there twice", type: "duplicate_field")])
                }
                isFound = true
                guard member.kind == .array else {
                    throw EventError([.init(field: "transactions", message: "is not an array", type: "type_error")])
                }
                try decode(elements: member, decoder, into: &rows, &problems)
            }
            guard isFound else {
                throw EventError([.init(field: "transactions", message: "is missing", type: "missing")])
            }
        default:
            throw EventError([
                .init(
                    field: nil, message: "the batch is neither an array nor an object with the array `transactions`",
                    type: "type_error")
            ])
        }
    }

    private static func decode(
        elements array: JSONValue, _ decoder: EventDecoder, into rows: inout [SourceRow], _ problems: inout [Problem]
    ) throws(EventError) {
        var count = 0
        var counted = array.children
        while counted.next() != nil { count += 1 }
        guard count <= batchRowsMax else {
            throw EventError([
                .init(
                    field: nil, message: "the batch has \(count) rows, \(batchRowsMax) are allowed", type: "too_long")
            ])
        }
        rows.reserveCapacity(count)
        var row = SourceRow(decoder.schema)
        var index = 0
        var elements = array.children
        while let element = elements.next() {
            do throws(EventError) {
                try decoder.decode(element, into: &row)
                rows.append(row)
            } catch {
                for issue in error.issues where problems.count < issuesMax {
                    problems.append(Problem(row: index, issue: issue))
                }
            }
            index += 1
        }
    }

    /// Scores the next rows of a batch, and the next after them, until all are answered.
    private func advance(_ batch: Batch, _ model: ActiveModel) {
        let range = batch.next..<min(batch.rows.count, batch.next + Self.batchRowsPerRead)
        guard !range.isEmpty else {
            batch.body.append("],\"count\":")
            JSONWriter.append(integer: Int64(batch.rows.count), to: &batch.body)
            batch.body.append(0x7D)
            return batch.request.reply(Response(body: batch.body))
        }
        batch.next = range.upperBound
        let width = model.join.keysPerRow
        guard width > 0, !batch.isOffline else {
            for index in range {
                model.join.makeMissing(&model.viewVectors, &model.positions)
                append(batch, index, model, isComplete: width == 0)
            }
            return yield { [self] in advance(batch, model) }
        }
        keys.removeAll()
        batch.partitions.removeAll(keepingCapacity: true)
        for index in range { batch.partitions.append(model.join.appendKeys(batch.rows[index], to: &keys)) }
        reader.read(keys) { [self] values in
            if values.failure != nil {
                metrics.onlineFailures.add()
                batch.isOffline = true
            }
            for (place, index) in range.enumerated() {
                let isComplete = model.join.evaluate(
                    values, from: place * width, row: batch.rows[index], partition: batch.partitions[place],
                    into: &model.viewVectors, positions: &model.positions)
                append(batch, index, model, isComplete: isComplete)
            }
            yield { [self] in advance(batch, model) }
        }
    }

    private func append(_ batch: Batch, _ index: Int, _ model: ActiveModel, isComplete: Bool) {
        model.score(batch.rows[index], isComplete: isComplete)
        if index > 0 { batch.body.append(0x2C) }
        model.appendAnswer(batch.rows[index], explains: batch.explains, to: &batch.body)
        record(batch.rows[index], model, since: batch.startMicros)
    }

    // MARK: Refusals

    /// One thing that is wrong with a request, and in which row of a batch.
    private struct Problem {
        let row: Int?
        let issue: EventError.Issue
    }

    /// 422: every problem with its place, what is wrong, and a stable name of the kind.
    private func refuse(_ request: Request, _ problems: [Problem]) {
        metrics.invalid.add()
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("detail")
        writer.beginArray()
        for problem in problems.prefix(Self.issuesMax) {
            writer.beginObject()
            writer.key("loc")
            writer.beginArray()
            writer.value("body")
            if let row = problem.row { writer.value(row) }
            if let field = problem.issue.field { writer.value(field) }
            writer.endArray()
            writer.key("msg")
            writer.value(problem.issue.message)
            writer.key("type")
            writer.value(problem.issue.type)
            writer.endObject()
        }
        writer.endArray()
        writer.endObject()
        request.reply(Response(status: 422, body: writer.bytes))
    }
}
