import FeatureEngine
import HTTPServer
import JSON
import Observability
import Pipeline
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

    private let app: PredictionApp
    private let model: ActiveModel
    private let request: Request
    private let explanation: ExplanationChoice
    private let startMicros: Int64
    private var places: [Range<Int>?] = []
    private var rows: [SourceRow] = []
    private var refusal = Refusal()
    /// The next row to be decoded.
    private var next = 0
    private var body: [UInt8] = Array("{\"predictions\":[".utf8)

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
        app.turns.take { [self] in decodeNext() }
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
        let end = app.clocks.micros() + RowScoring.sliceMicros
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
            if next % 16 == 0, app.clocks.micros() > end { return app.turns.pass { [self] in decodeNext() } }
        }
        places = []
        guard refusal.isEmpty else {
            app.turns.end()
            return app.refuse(request, refusal)
        }
        body.reserveCapacity(rows.count * (explanation.count > 0 ? 3_072 : 384) + 64)
        RowScoring(app, model).score(rows, each: { [self] in append($0) }, done: { [self] in finish() })
    }

    private func append(_ place: Int) {
        if place > 0 { body.append(0x2C) }
        app.beginPrediction()
        model.appendAnswer(rows[place], predictionID: app.predictionID, explanation, to: &body)
        app.record(rows[place], model, since: startMicros)
    }

    private func finish() {
        app.turns.end()
        body.append("],\"count\":")
        JSONWriter.append(integer: Int64(rows.count), to: &body)
        body.append(0x7D)
        request.reply(Response(body: body))
    }
}
