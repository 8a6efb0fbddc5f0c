import FeatureEngine
import HTTPServer
import JSON
import Observability
import TransactionData

/// A batch as lines of JSON (NDJSON): a transaction a line, and a line of answer for each, in their order, as they are scored.
///
/// Other than in a batch a line that is refused refuses no other: its answer says what is wrong with it. What waits to be read by
/// the client is bounded, and so is how many rows are in hand, whatever the number of lines.
final class LinePrediction {
    /// The media type of both the request and the answer.
    static let mediaType = "application/x-ndjson"

    private let app: PredictionApp
    private let model: ActiveModel
    private let request: Request
    private let explanation: ExplanationChoice
    private let startMicros: Int64
    private let scoring: RowScoring
    private var stream: AnswerStream?
    /// Where the next line begins, and how many were there before it.
    private var cursor = 0
    private var line = 0
    /// What stands in the answer before the row of a place: the lines that were refused.
    private var refused: [(before: Int, text: [UInt8])] = []
    private var piece: [UInt8] = []

    init(
        _ request: Request, app: PredictionApp, model: ActiveModel, explanation: ExplanationChoice, startMicros: Int64
    ) {
        self.request = request
        self.app = app
        self.model = model
        self.explanation = explanation
        self.startMicros = startMicros
        scoring = RowScoring(app, model)
    }

    /// Whether a body says that it is lines.
    static func isWanted(by request: Request) -> Bool {
        request.header("content-type")?.lowercased().split(separator: ";").first.map { $0.filter { $0 != " " } }
            == mediaType
    }

    /// Goes to work; the answer begins at once.
    func start() {
        stream = request.replyStreaming(Response(contentType: Self.mediaType, body: []))
        app.turns.take { [self] in goOn() }
    }

    /// Decodes the next lines, as many as share a read, and has their rows scored.
    private func goOn() {
        guard let stream, !stream.isGone else { return app.turns.end() }
        let now = app.clocks.wallMillis()
        let end = app.clocks.micros() + RowScoring.sliceMicros
        var rows: [SourceRow] = []
        var row = SourceRow(model.decoder.schema)
        let document = request.body
        var count = 0
        while count < RowScoring.rowsPerRead, count == 0 || app.clocks.micros() <= end, let place = nextLine(document) {
            count += 1
            do throws(EventError) {
                try model.decode(document.span.extracting(place), into: &row, nowMillis: now)
                rows.append(row)
            } catch {
                app.metrics.invalid.add()
                let explained = model.explained(error, of: document.span.extracting(place))
                refused.append((rows.count, Refusal(explained).line(of: line)))
            }
            line += 1
        }
        let isLast = cursor >= document.count
        scoring.score(
            rows,
            each: { [self] place in
                appendRefused(before: place)
                app.beginPrediction()
                model.appendAnswer(rows[place], predictionID: app.predictionID, explanation, to: &piece)
                piece.append(0x0A)
                app.record(rows[place], model, since: startMicros)
            },
            done: { [self] in
                appendRefused(before: rows.count)
                refused.removeAll(keepingCapacity: true)
                stream.write(piece)
                piece.removeAll(keepingCapacity: true)
                app.turns.end()
                if isLast { return stream.finish() }
                stream.whenRoom { [self] in app.turns.take { [self] in goOn() } }
            })
    }

    private func appendRefused(before place: Int) {
        while let first = refused.first, first.before <= place {
            piece += first.text
            piece.append(0x0A)
            refused.removeFirst()
        }
    }

    /// Where the next line that is not empty lies; nil at the end, after which the cursor is there.
    private func nextLine(_ body: [UInt8]) -> Range<Int>? {
        while cursor < body.count {
            let start = cursor
            let end = body[start...].firstIndex(of: 0x0A) ?? body.count
            cursor = min(end + 1, body.count)
            if body[start..<end].contains(where: { $0 != 0x20 && $0 != 0x0D && $0 != 0x09 }) { return start..<end }
        }
        return nil
    }
}
