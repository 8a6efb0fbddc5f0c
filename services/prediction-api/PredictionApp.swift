import EventLoop
import FeatureEngine
import FeatureStore
import HTTPServer
import JSON
import Observability
import RedisClient
import Text
import TransactionData

/// What the API allows itself for one prediction.
struct ServingLimits: Sendable {
    /// How long a prediction may wait for its features and evaluate them; what is not there by then is missing.
    var deadlineMillis = 20
    /// Most retained events of one entity that are evaluated.
    var eventsMax = 50_000
    /// How long ago a partition may have been known to be applied, ms; features that are older make an answer degraded. 0
    /// lets them be of any age.
    var featureAgeMillisMax: Int64 = 30_000
}

/// The clocks of an app; tests bring their own.
struct Clocks {
    /// Wall clock, ms since 1970.
    var wallMillis: () -> Int64 = EventLoop.wallClockMillis
    /// A clock that never goes back, µs.
    var micros: () -> Int64 = EventLoop.monotonicMicros
}

/// The API of one event loop: its routes, its model, its way to the online store. Belongs to that loop; nothing in it is
/// shared but metrics and the log's queue.
///
/// Rules for input: the body is JSON in UTF-8 (see `RequestGate`). Fields that are not declared are ignored, unless the
/// source refuses them; a declared one given twice is refused. What the stream would not take as an event is refused, too: a prediction of it could never be
/// joined with one.
final class PredictionApp {
    /// Most headers that are being read.
    private static let probesMax = 16

    private(set) var routes = Router()
    /// Set while the program stops: `/health/ready` says so, and a balancer goes elsewhere.
    var isStopping = false
    private(set) var model: ActiveModel?
    /// The version of the model that the registry names, where that is not the one in service.
    var otherChampion: String?
    private var notReadyReason = "no model is loaded yet"

    let reader: any OnlineReader
    let metrics: PredictionMetrics
    /// Lets other requests of the loop have their turn, then calls back.
    let yield: (@escaping () -> Void) -> Void
    let clocks: Clocks
    private let log: (any PredictionLog)?
    private let gate: RequestGate
    private let unauthorized: Complaints
    private let limits: ServingLimits
    private let idPrefix: [UInt8]
    private var nextID: UInt64 = 0
    private var probesOut = 0
    private(set) var predictionID: [UInt8] = []
    private var record: [UInt8] = []
    private var keys = OnlineKeyList()
    private var partitionCounts: [String: Int] = [:]

    /// An app without a model. Without a loop to yield to, batches go on at once.
    init(
        reader: any OnlineReader, log: (any PredictionLog)?, metrics registry: MetricsRegistry,
        gate: RequestGate = RequestGate(), limits: ServingLimits = ServingLimits(),
        clocks: Clocks = Clocks(), events: Log = .silent,
        yield: @escaping (@escaping () -> Void) -> Void = { $0() }
    ) {
        self.reader = reader
        self.log = log
        self.gate = gate
        self.limits = limits
        self.clocks = clocks
        unauthorized = Complaints("requests without a valid key are refused", events)
        self.yield = yield
        metrics = PredictionMetrics(registry)
        idPrefix = Array((Padding.hexadecimal(UInt64.random(in: 0...UInt64.max), 16) + "-").utf8)
        makeRoutes(registry)
    }

    /// What a client calls its request: given back as it came, if it can be a header.
    private static func isRequestID(_ id: String) -> Bool {
        !id.isEmpty && id.utf8.count <= 128 && id.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
    }

    private func makeRoutes(_ registry: MetricsRegistry) {
        routes = AdminServer.routes(metrics: registry) { [unowned self] in readiness }
        routes.get("/api/v1/health") { _ in .json("{\"status\":\"ok\"}") }
        for path in ["/api/v1/predict", "/predict"] {
            on(.post, path, bodyLimit: BatchPrediction.rowBytesMax) { [unowned self] in predict($0) }
        }
        on(.post, "/api/v1/predict/batch", bodyLimit: 16 << 20) { [unowned self] in predictBatch($0) }
        on(.get, "/api/v1/model") { [unowned self] in describeModel($0) }
        routes.get("/openapi.json") { [unowned self] _ in
            APIDescription.openAPI(source: model?.served.service.source, needsKey: gate.apiKeys.areNeeded)
        }
        routes.get("/docs") { _ in APIDescription.page }
        routes.get("/health") { _ in .json("{\"status\":\"ok\"}") }
        routes.get("/") { _ in
            var response = Response.json("{\"docs\":\"/docs\",\"openapi\":\"/openapi.json\"}", status: 307)
            response.headers = [.init("Location", "/docs")]
            return response
        }
    }

    /// Adds a route that is not for everybody, and what a browser asks before it lets another origin's page use it.
    private func on(_ method: Method, _ path: String, bodyLimit: Int = 1 << 20, _ body: @escaping (Request) -> Void) {
        routes.on(method, path, bodyLimit: bodyLimit) { [unowned self] request in
            if let id = request.header("x-request-id"), Self.isRequestID(id) {
                request.answerHeaders.append(.init("X-Request-ID", id))
            }
            if let refusal = gate.refusal(of: request) {
                if refusal.status == 401 {
                    metrics.unauthorized.add()
                    unauthorized.add("the key is missing or wrong")
                    unauthorized.sayIfDue(nowMillis: clocks.micros() / 1_000)
                } else {
                    metrics.foreign.add()
                }
                return request.reply(refusal)
            }
            body(request)
        }
        guard gate.origins.areSet else { return }
        routes.on(.options, path) { [gate] in $0.reply(gate.preflight($0, method: method.rawValue)) }
    }

    /// Answers a request that has no connection, for tests.
    func respond(to request: Request) -> Response? {
        routes.handle(request)
        return request.response
    }

    // MARK: Model

    /// Puts a model into service from the next request on; those under way end with theirs.
    func use(_ served: ServedModel) {
        let active = ActiveModel(served, limits: limits, micros: clocks.micros)
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
        guard let model else { return request.reply(.error(503, notReadyReason)) }
        request.reply(Response(body: ModelDescription.json(model.served, otherChampion: otherChampion)))
    }

    // MARK: Requests

    /// The model for a request that may be scored; otherwise the request is answered.
    private func accept(_ request: Request) -> ActiveModel? {
        if let reason = RequestGate.unsupported(request) {
            request.reply(.error(415, reason))
            return nil
        }
        guard let model else {
            request.reply(.error(503, notReadyReason))
            return nil
        }
        return model
    }

    /// Whether the answer is to say why; nil, and answered, when the query says neither.
    private func explains(_ request: Request, byDefault: Bool) -> Bool? {
        switch request.query("explain") {
        case nil: return byDefault
        case "true", "1": return true
        case "false", "0": return false
        default:
            refuse(request, Refusal(query: "explain", "is neither true nor false", type: "bool_parsing"))
            return nil
        }
    }

    /// 422, with what is wrong.
    func refuse(_ request: Request, _ refusal: Refusal) {
        metrics.invalid.add()
        request.reply(refusal.response)
    }

    private func predictBatch(_ request: Request) {
        let start = clocks.micros()
        guard let model = accept(request), let explains = explains(request, byDefault: false) else { return }
        BatchPrediction(request, app: self, model: model, explains: explains, startMicros: start).start()
    }

    private func predict(_ request: Request) {
        let start = clocks.micros()
        guard let model = accept(request), let explains = explains(request, byDefault: true) else { return }
        let pending = model.takePending()
        do throws(EventError) {
            try model.decode(request.body.span, into: &pending.row, nowMillis: clocks.wallMillis())
        } catch {
            model.giveBack(pending)
            return refuse(request, Refusal(model.explained(error, of: request.body.span)))
        }
        pending.request = request
        pending.startMicros = start
        pending.explains = explains
        guard model.join.keysPerRow > 0 else { return finish(pending, model, []) }
        guard model.join.isReady else {
            metrics.onlineFailures.add()
            model.join.makeMissing(&model.viewVectors, &model.positions)
            return finish(pending, model, .offline)
        }
        keys.removeAll()
        model.join.appendKeys(pending.row, to: &keys, nowMicros: start, into: &pending.read)
        reader.read(keys) { [self] values in
            if values.failure != nil { metrics.onlineFailures.add() }
            let degradation = model.join.evaluate(
                values, pending.read, row: pending.row, now: Moment(wallMillis: clocks.wallMillis(), micros: start),
                deadlineMicros: start + Int64(limits.deadlineMillis) * 1_000, into: &model.viewVectors,
                positions: &model.positions)
            probe(pending.row, model, values.failure, degradation)
            guard !model.join.unproven.isEmpty else { return finish(pending, model, degradation) }
            let lookups = KnownLookups(reader, model, sinceMicros: start) { [self] rows in
                model.take(rows[0])
                finish(pending, model, rows[0].degradation)
            }
            lookups.add(model.joined(degradation), pending.row, pending.read)
            lookups.start()
        }
    }

    /// Reads the headers of blobs that may be too large, so that they are not read whole once more.
    func probe(_ row: SourceRow, _ model: ActiveModel, _ failure: RedisReadFailure?, _ degradation: Degradation) {
        guard failure == .deadline || degradation.contains(.tooManyEvents), probesOut < Self.probesMax else { return }
        let now = clocks.micros()
        for blob in model.join.blobsToProbe(row, isLate: failure == .deadline, nowMicros: now) {
            probesOut += 1
            reader.readHeader(blob.bytes) { [self] header in
                probesOut -= 1
                if let header { model.join.note(blob, header: header, nowMicros: now) }
            }
        }
    }

    private func finish(_ pending: PendingRequest, _ model: ActiveModel, _ degradation: Degradation) {
        model.score(pending.row, degradation)
        var body: [UInt8] = []
        body.reserveCapacity(pending.explains ? 4_096 : 512)
        beginPrediction()
        model.appendAnswer(pending.row, predictionID: predictionID, explains: pending.explains, to: &body)
        pending.request?.reply(Response(body: body))
        record(pending.row, model, since: pending.startMicros)
        model.giveBack(pending)
    }

    /// Gives the row scored last its id.
    func beginPrediction() {
        nextID += 1
        predictionID.removeAll(keepingCapacity: true)
        predictionID.append(contentsOf: idPrefix)
        JSONWriter.append(integer: Int64(nextID), to: &predictionID)
    }

    /// Counts and logs the row scored last.
    func record(_ row: SourceRow, _ model: ActiveModel, since startMicros: Int64) {
        let latency = clocks.micros() - startMicros
        metrics.latency.observe(Double(latency) / 1e6)
        if model.isFraud { metrics.fraud.add() } else { metrics.legit.add() }
        if !model.degradation.isEmpty { metrics.count(model.degradation) }
        guard let log else { return }
        let now = clocks.wallMillis()
        record.removeAll(keepingCapacity: true)
        model.appendRecord(
            row, predictionID: predictionID, createdMillis: now, latencyMicros: latency, to: &record)
        log.append(key: row.keyBytes.bytes, value: record, timestampMillis: now)
    }
}
