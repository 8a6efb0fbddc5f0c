import FeatureEngine
import Glibc
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
    /// Most bytes of white space that are gone over at once.
    private static let blankMax = 65_536

    private let app: PredictionApp
    private let model: ActiveModel
    private let request: Request
    private let explanation: ExplanationChoice
    private let scoring: RowScoring
    private var stream: AnswerStream?
    /// Where the next line begins, and how many were there before it.
    private var cursor = 0
    private var line = 0
    /// What stands in the answer before the row of a place: the lines that were refused.
    private var refused: [(before: Int, text: [UInt8])] = []
    private var piece: [UInt8] = []

    init(_ request: Request, app: PredictionApp, model: ActiveModel, explanation: ExplanationChoice) {
        self.request = request
        self.app = app
        self.model = model
        self.explanation = explanation
        scoring = RowScoring(app, model)
    }

    /// Whether a body says that it is lines.
    static func isWanted(by request: Request) -> Bool {
        // What nearly every client sends needs no parsing.
        guard request.header("content-type", is: "application/json") == false else { return false }
        return request.header("content-type").map(RequestGate.mediaType) == mediaType
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
        repeat {
            guard let place = nextLine(document) else { continue }
            do throws(EventError) {
                try model.decode(document.span.extracting(place), into: &row, nowMillis: now)
                rows.append(row)
            } catch {
                app.metrics.invalid.add()
                let explained = model.explained(error, of: document.span.extracting(place))
                refused.append((rows.count, Refusal(explained).line(of: line)))
            }
            line += 1
        } while cursor < document.count && rows.count + refused.count < RowScoring.rowsPerRead
            && app.clocks.micros() <= end
        let isLast = cursor >= document.count
        scoring.score(
            rows,
            each: { [self] place in
                appendRefused(before: place)
                app.beginPrediction()
                model.appendAnswer(rows[place], predictionID: app.predictionID, explanation, to: &piece)
                piece.append(0x0A)
                app.record(rows[place], model, since: request.startMicros)
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

    private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0D || byte == 0x0A }

    /// Where the next line lies, without the white space before it; nil where there is only white space, or much of it: then the
    /// caller asks again, so that no number of empty lines keeps the loop.
    private func nextLine(_ body: [UInt8]) -> Range<Int>? {
        let blank = cursor
        while cursor < body.count, Self.isBlank(body[cursor]) {
            cursor += 1
            guard cursor - blank < Self.blankMax else { return nil }
        }
        guard cursor < body.count else { return nil }
        let start = cursor
        let end = body.withUnsafeBytes { bytes -> Int in
            guard let base = bytes.baseAddress,
                let found = memchr(base + start, 0x0A, bytes.count - start)
            else { return bytes.count }
            return base.distance(to: UnsafeRawPointer(found))
        }
        cursor = min(end + 1, body.count)
        return start..<end
    }
}
