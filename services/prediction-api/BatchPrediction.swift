import FeatureEngine
import HTTPServer
import JSON
import Observability
import Pipeline
import RedisClient
import TransactionData

/// A batch on its way: an array of requests, or an object with an array `transactions`, answered in their order.
///
/// The body is checked as JSON at once; its rows are decoded, then joined and scored, in slices of a few milliseconds with a
/// turn for everybody else of the loop between them. If any row is bad, all are refused, each by its index, and nothing is
/// scored or logged.
final class BatchPrediction {
    /// Most rows.
    static let rowsMax = 10_000
    /// Most bytes.
    static let bytesMax = 16 << 20
    /// Most bytes of one row, as of a request alone.
    static let rowBytesMax = 65_536
    /// Most rows that share one read of the online store.
    static let rowsPerRead = 64
    /// How long a slice may keep the loop, µs; it ends after the row that it is at.
    static let sliceMicros: Int64 = 3_000

    private let app: PredictionApp
    private let model: ActiveModel
    private let request: Request
    private let explanation: ExplanationChoice
    private let startMicros: Int64
    private var places: [Range<Int>?] = []
    private var rows: [SourceRow] = []
    private var refusal = Refusal()
    private var keys = OnlineKeyList()
    private var reads: [OnlineRead] = []
    /// The next row to be decoded, then the next to be scored.
    private var next = 0
    private var heldFrom = 0
    private var width = BatchPrediction.rowsPerRead
    private var body: [UInt8] = Array("{\"predictions\":[".utf8)
    /// The store failed once: the rows that are left are not worth a deadline each.
    private var isOffline = false

    init(
        _ request: Request, app: PredictionApp, model: ActiveModel, explanation: ExplanationChoice, startMicros: Int64
    ) {
        self.request = request
        self.app = app
        self.model = model
        self.explanation = explanation
        self.startMicros = startMicros
    }

    /// Goes to work; the request is answered when all is done.
    func start() {
        do throws(EventError) {
            let document = request.body
            try model.batchParser.parse(document.span, onError: { Self.error($0, limit: model.batchValuesMax) }) {
                (root) throws(EventError) in
                try list(root, of: document.span)
            }
        } catch {
            return app.refuse(request, Refusal(error))
        }
        rows.reserveCapacity(places.count)
        decodeNext()
    }

    // MARK: Reading

    private static func error(_ error: JSONError, limit: Int) -> EventError {
        guard error.reason == .tooManyValues else { return EventDecoder.invalid(error) }
        return EventError([.init(field: nil, message: "the batch has more than \(limit) values", type: "too_long")])
    }

    private func list(_ root: JSONValue, of document: Span<UInt8>) throws(EventError) {
        switch root.kind {
        case .array: try list(elements: root, of: document)
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
                try list(elements: member, of: document)
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

    /// Notes where each row lies: the parser's values do not outlive its call, and to decode all rows in it would keep the loop.
    private func list(elements array: JSONValue, of document: Span<UInt8>) throws(EventError) {
        var count = 0
        var elements = array.children
        while let element = elements.next() {
            count += 1
            if count <= Self.rowsMax { places.append(element.range(in: document)) }
        }
        guard count <= Self.rowsMax else {
            throw EventError([
                .init(
                    field: nil, message: "the batch has \(count) rows, \(Self.rowsMax) are allowed", type: "too_long")
            ])
        }
    }

    private func decodeNext() {
        let now = app.clocks.wallMillis()
        let end = app.clocks.micros() + Self.sliceMicros
        let document = request.body
        var row = SourceRow(model.decoder.schema)
        while next < places.count {
            do throws(EventError) {
                guard let place = places[next] else {
                    throw EventError([.init(field: nil, message: "the event is not a JSON object", type: "type_error")])
                }
                try model.decode(document.span.extracting(place), into: &row, nowMillis: now)
                rows.append(row)
            } catch {
                if !refusal.isFull {
                    let explained = places[next].map { model.explained(error, of: document.span.extracting($0)) }
                    refusal.add(explained ?? error, row: next)
                }
            }
            next += 1
            if next % 16 == 0, app.clocks.micros() > end { return app.yield { [self] in decodeNext() } }
        }
        places = []
        guard refusal.isEmpty else { return app.refuse(request, refusal) }
        next = 0
        body.reserveCapacity(rows.count * (explanation.count > 0 ? 3_072 : 384) + 64)
        isOffline = !model.join.isReady
        if isOffline { app.metrics.onlineFailures.add() }
        scoreNext()
    }

    // MARK: Scoring

    /// Scores the next rows, and the next after them, until all are answered.
    private func scoreNext() {
        guard next < rows.count else {
            body.append("],\"count\":")
            JSONWriter.append(integer: Int64(rows.count), to: &body)
            body.append(0x7D)
            return request.reply(Response(body: body))
        }
        guard model.join.keysPerRow > 0, !isOffline else { return scoreWithoutStore() }
        keys.removeAll()
        let now = app.clocks.micros()
        let count = min(rows.count - next, width)
        while reads.count < count { reads.append(OnlineRead()) }
        for place in 0..<count {
            model.join.appendKeys(rows[next + place], to: &keys, isShared: true, nowMicros: now, into: &reads[place])
        }
        app.reader.read(keys) { [self] values in
            if values.failure != nil {
                app.metrics.onlineFailures.add()
                isOffline = true
            }
            let moment = Moment(wallMillis: app.clocks.wallMillis(), micros: now)
            let end = app.clocks.micros() + Self.sliceMicros
            var scored = 0
            var lookups: KnownLookups?
            model.join.beginSharing()
            while scored < count, scored == 0 || app.clocks.micros() <= end {
                let row = rows[next + scored]
                let degradation = model.join.evaluate(
                    values, reads[scored], row: row, now: moment, deadlineMicros: .max, into: &model.viewVectors,
                    positions: &model.positions)
                app.probe(row, model, values.failure, degradation)
                if lookups == nil, !model.join.unproven.isEmpty {
                    lookups = KnownLookups(app.reader, model, sinceMicros: now) { [self] in finish($0) }
                    // From here on the rows wait for one another, to be answered in their order.
                    heldFrom = next + scored
                }
                if let lookups {
                    lookups.add(model.joined(degradation), row, reads[scored])
                } else {
                    append(next + scored, degradation)
                }
                scored += 1
            }
            model.join.endSharing()
            // Rows of many events are read a few at a time, for what was not scored is read once more.
            width = scored < count ? scored : min(Self.rowsPerRead, width * 2)
            next += scored
            if let lookups { lookups.start() } else { app.yield { [self] in scoreNext() } }
        }
    }

    /// Scores the rows that waited for an answer.
    private func finish(_ joined: [JoinedRow]) {
        for (place, row) in joined.enumerated() {
            model.take(row)
            append(heldFrom + place, row.degradation)
        }
        app.yield { [self] in scoreNext() }
    }

    private func scoreWithoutStore() {
        let end = app.clocks.micros() + Self.sliceMicros
        let degradation: Degradation = model.join.keysPerRow == 0 ? [] : .offline
        repeat {
            model.join.makeMissing(&model.viewVectors, &model.positions)
            append(next, degradation)
            next += 1
        } while next < rows.count && app.clocks.micros() <= end
        app.yield { [self] in scoreNext() }
    }

    private func append(_ index: Int, _ degradation: Degradation) {
        model.score(rows[index], degradation)
        if index > 0 { body.append(0x2C) }
        app.beginPrediction()
        model.appendAnswer(rows[index], predictionID: app.predictionID, explanation, to: &body)
        app.record(rows[index], model, since: startMicros)
    }
}
