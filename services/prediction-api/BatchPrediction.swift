import FeatureEngine
import HTTPServer
import JSON
import Observability
import Pipeline
import TransactionData

/// A batch on its way: an array of requests, or an object with an array `transactions`, answered in their order.
///
/// The body is checked as JSON first; its rows are decoded, then joined and scored, in slices of a few milliseconds with a turn for
/// everybody else of the loop between them. If any row is bad, all are refused, each by its index, and nothing is
/// scored or logged.
final class BatchPrediction {
    /// Most rows.
    static let rowsMax = 10_000
    /// Most bytes.
    static let bytesMax = 16 << 20
    /// Most bytes of one row, as of a request alone.
    static let rowBytesMax = 65_536
    /// Most bytes of a body that the loop lists itself: about a millisecond.
    static let inlineBytes = 262_144

    private let app: PredictionApp
    private let model: ActiveModel
    private let request: Request
    private let explanation: ExplanationChoice
    private var places: [Range<Int>?] = []
    private var rows: [SourceRow] = []
    private var refusal = Refusal()
    /// The next row to be decoded.
    private var next = 0
    private var body: [UInt8] = Array("{\"predictions\":[".utf8)

    init(_ request: Request, app: PredictionApp, model: ActiveModel, explanation: ExplanationChoice) {
        self.request = request
        self.app = app
        self.model = model
        self.explanation = explanation
    }

    /// Goes to work; the request is answered when all is done. A large body is listed on another thread: one of 16 MiB takes 100 ms
    /// and more, most of it for memory, and it cannot be done in slices.
    func start() {
        let (document, limit) = (request.body, model.batchValuesMax)
        guard document.count > Self.inlineBytes else {
            return begin(BatchListing.list(document, model.batchParser, valuesMax: limit))
        }
        app.offload({ .list(document, JSONParser(maximumValues: limit), valuesMax: limit) }, { [self] in begin($0) })
    }

    // MARK: Reading

    private func begin(_ listing: BatchListing) {
        switch listing {
        case .failure(let error): app.refuse(request, Refusal(error))
        case .success(let found):
            places = found
            rows.reserveCapacity(places.count)
            app.turns.take { [self] in decodeNext() }
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
        app.record(rows[place], model, since: request.startMicros)
    }

    private func finish() {
        app.turns.end()
        body.append("],\"count\":")
        JSONWriter.append(integer: Int64(rows.count), to: &body)
        body.append(0x7D)
        request.reply(Response(body: body))
    }
}
