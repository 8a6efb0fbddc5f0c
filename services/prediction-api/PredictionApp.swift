import AdminServer
import EventLoop
import FeatureEngine
import FeatureStore
import HTTPServer
import JSON
import Observability
import Pipeline
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
    /// The service that a model is awaited of, to be described until there is one.
    private let expectedService: FeatureService?
    /// Why the online store is not good enough, for `/health/ready`; requests are answered all the same.
    var storeRefusal: String?

    let reader: any OnlineReader
    let metrics: PredictionMetrics
    /// Which batch goes on.
    let turns: Turns
    /// Does the first on another thread, then calls the second with its result on the loop.
    let offload: (@escaping @Sendable () -> BatchListing, _ then: @escaping (BatchListing) -> Void) -> Void
    let clocks: Clocks
    private let log: (any PredictionLog)?
    private let gate: RequestGate
    private let unauthorized: Complaints
    private let journal: RequestJournal
    private let limits: ServingLimits
    private let idPrefix: [UInt8]
    private var nextID: UInt64 = 0
    private var probesOut = 0
    private(set) var predictionID: [UInt8] = []
    private var record: [UInt8] = []
    private var keys = OnlineKeyList()
    private var partitionCounts: [String: Int] = [:]
    private var horizons: [String: HistoryHorizon] = [:]

    /// An app without a model. Without a loop to yield to, batches go on at once.
    init(
        reader: any OnlineReader, log: (any PredictionLog)?, metrics registry: MetricsRegistry,
        gate: RequestGate = RequestGate(), limits: ServingLimits = ServingLimits(),
        clocks: Clocks = Clocks(), events: Log = .silent, journal: RequestJournal? = nil,
        expectedService: FeatureService? = nil,
        yield: @escaping (@escaping () -> Void) -> Void = { $0() },
        offload: @escaping (@escaping @Sendable () -> BatchListing, @escaping (BatchListing) -> Void) -> Void = {
            $1($0())
        }
    ) {
        self.offload = offload
        self.reader = reader
        self.log = log
        self.gate = gate
        self.limits = limits
        self.clocks = clocks
        self.expectedService = expectedService
        self.journal = journal ?? RequestJournal(events, slowMillis: 0)
        unauthorized = Complaints("requests without a valid key are refused", events)
        turns = Turns(yield)
        metrics = PredictionMetrics(registry)
        idPrefix = Array((Padding.hexadecimal(UInt64.random(in: 0...UInt64.max), 16) + "-").utf8)
        makeRoutes(registry)
    }

    private static let requestIDHeader = "X-Request-ID"

    /// What a client calls its request: given back as it came, if it can be a header.
    private static func requestID(of request: Request) -> String? {
        guard let id = request.header("x-request-id"), !id.isEmpty, id.utf8.count <= 128,
            id.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F })
        else { return nil }
        return id
    }

    /// Notes an answer before it is sent: one that is an error gets an id to be found by, if the client gave it none.
    func answered(_ request: Request, _ status: Int) {
        let now = clocks.micros()
        let micros = request.startMicros > 0 ? now - request.startMicros : 0
        var id = request.answerHeaders.first { $0.name == Self.requestIDHeader }?.value
        if status >= 400, id == nil {
            let made = Self.requestID(of: request) ?? makeID()
            request.answerHeaders.append(.init(Self.requestIDHeader, made))
            id = made
        }
        journal.note(id: id ?? "", path: request.path, status: status, micros: micros, nowMillis: now / 1_000)
    }

    private func makeID() -> String {
        nextID += 1
        return "\(String(decoding: idPrefix, as: UTF8.self))\(nextID)"
    }

    private func makeRoutes(_ registry: MetricsRegistry) {
        for operation in APIOperation.allCases {
            let answer = handler(of: operation, registry)
            guard operation.isGuarded else {
                routes.on(operation.method, operation.path, bodyLimit: operation.bodyLimit, answer)
                continue
            }
            routes.on(operation.method, operation.path, bodyLimit: operation.bodyLimit) { [unowned self] request in
                if letIn(request) { answer(request) }
            }
            // What a browser asks before it lets another origin's page use it.
            guard gate.origins.areSet else { continue }
            routes.on(.options, operation.path) { [gate] in
                $0.reply(gate.preflight($0, method: operation.method.rawValue))
            }
        }
    }

    private func handler(of operation: APIOperation, _ registry: MetricsRegistry) -> Router.Handler {
        switch operation {
        case .predict, .predictShort: { [unowned self] in predict($0) }
        case .predictBatch: { [unowned self] in predictBatch($0) }
        case .model: { [unowned self] in describeModel($0) }
        case .health, .healthShort, .live: { $0.reply(AdminRoutes.alive) }
        case .ready: { [unowned self] in $0.reply(readiness) }
        case .metrics: { $0.reply(AdminRoutes.metrics(registry)) }
        case .openAPI: { [unowned self] in $0.reply(Response(body: documents.openAPI.bytes())) }
        case .postman: { [unowned self] in $0.reply(Response(body: collections($0).postman.bytes(pretty: true))) }
        case .requests: { [unowned self] in $0.reply(.text(collections($0).http)) }
        case .docs: { $0.reply(DocsPage.page) }
        case .docsStyle: { $0.reply(DocsPage.style) }
        case .docsScript: { $0.reply(DocsPage.script) }
        case .start:
            { [unowned self] request in
                let isBrowser = request.header("accept")?.contains("text/html") == true
                request.reply(
                    isBrowser ? APIDocuments.toDocs : APIDocuments.start(modelVersion: model?.served.version))
            }
        }
    }

    private var documents: APIDocuments {
        APIDocuments(
            service: model?.served.service ?? expectedService, needsKey: gate.apiKeys.areNeeded,
            nowMillis: clocks.wallMillis())
    }

    private func collections(_ request: Request) -> RequestCollections {
        documents.collections(address: "http://\(request.header("host") ?? "127.0.0.1:8000")")
    }

    /// Whether a request may go on; otherwise it is answered.
    private func letIn(_ request: Request) -> Bool {
        request.startMicros = clocks.micros()
        if let id = Self.requestID(of: request) { request.answerHeaders.append(.init(Self.requestIDHeader, id)) }
        guard let refusal = gate.refusal(of: request) else { return true }
        if refusal.status == 401 {
            metrics.unauthorized.add()
            unauthorized.add("the key is missing or wrong")
            unauthorized.sayIfDue(nowMillis: clocks.micros() / 1_000)
        } else {
            metrics.foreign.add()
        }
        request.reply(refusal)
        return false
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
        for (topic, count) in partitionCounts { active.join.use(partitionCount: count, of: topic) }
        for (topic, horizon) in horizons { active.join.use(horizon, of: topic) }
        model = active
        metrics.modelLoads.add()
    }

    /// Takes the model out of service, or says why there is none.
    func useNone(_ reason: String) {
        model = nil
        notReadyReason = reason
    }

    /// The number of partitions of a topic. Until it is known for all that feed the model's views, answers are degraded.
    func use(partitionCount count: Int, of topic: String) {
        partitionCounts[topic] = count
        model?.join.use(partitionCount: count, of: topic)
    }

    /// How far back the history of a topic reaches. Until it is known all of it is taken to be there.
    func use(_ horizon: HistoryHorizon, of topic: String) {
        horizons[topic] = horizon
        model?.join.use(horizon, of: topic)
    }

    /// Whether it can do its work, with the model that does and the one that the registry would have.
    private var readiness: Response {
        guard !isStopping else { return .error(503, "the server is stopping") }
        guard let model else { return .error(503, notReadyReason) }
        if let storeRefusal { return .error(503, storeRefusal) }
        return Response(body: ModelDescription.ready(model.served, otherChampion: otherChampion))
    }

    private func describeModel(_ request: Request) {
        guard let model else { return request.reply(.error(503, notReadyReason)) }
        request.reply(Response(body: ModelDescription.json(model.served, otherChampion: otherChampion)))
    }

    // MARK: Requests

    /// The model for a request that may be scored; otherwise the request is answered.
    private func accept(_ request: Request, isBatch: Bool = false) -> ActiveModel? {
        if let reason = RequestGate.unsupported(request, isBatch: isBatch) {
            request.reply(.error(415, reason))
            return nil
        }
        guard let model else {
            request.reply(.error(503, notReadyReason))
            return nil
        }
        return model
    }

    /// Which reasons the answer is to have; nil, and answered, when the query says nothing that can be.
    private func explanation(_ request: Request, byDefault: ExplanationChoice) -> ExplanationChoice? {
        do {
            return try ExplanationChoice(request, byDefault: byDefault)
        } catch {
            refuse(request, error)
            return nil
        }
    }

    /// 422, with what is wrong.
    func refuse(_ request: Request, _ refusal: Refusal) {
        metrics.invalid.add()
        request.reply(refusal.response)
    }

    private func predictBatch(_ request: Request) {
        guard let model = accept(request, isBatch: true), let explanation = explanation(request, byDefault: .none)
        else { return }
        if LinePrediction.isWanted(by: request) {
            LinePrediction(request, app: self, model: model, explanation: explanation).start()
        } else {
            BatchPrediction(request, app: self, model: model, explanation: explanation).start()
        }
    }

    private func predict(_ request: Request) {
        let start = request.startMicros
        guard let model = accept(request), let explanation = explanation(request, byDefault: .all) else { return }
        let pending = model.takePending()
        do throws(EventError) {
            try model.decode(request.body.span, into: &pending.row, nowMillis: clocks.wallMillis())
        } catch {
            model.giveBack(pending)
            return refuse(request, Refusal(model.explained(error, of: request.body.span)))
        }
        pending.request = request
        pending.startMicros = start
        pending.explanation = explanation
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
        body.reserveCapacity(pending.explanation.count > 0 ? 4_096 : 512)
        beginPrediction()
        model.appendAnswer(pending.row, predictionID: predictionID, pending.explanation, to: &body)
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
        let value = record
        row.withKeyBytes { key in log.append(key: key, value: value.span, timestampMillis: now) }
    }
}
