import HTTPServer
import JSON
import TransactionData

/// What is wrong with the body of a request: the answer 422, each problem with its place, what is wrong, and a stable name of
/// the kind.
struct Refusal: Error {
    /// Most problems one answer lists.
    static let problemsMax = 100

    private struct Problem {
        let place: StaticString
        let row: Int?
        let issue: EventError.Issue
    }

    private var problems: [Problem] = []

    /// Nothing is wrong so far.
    init() {}

    /// A request that is refused for what its body says.
    init(_ error: EventError) { add(error) }

    /// A request that is refused for an argument of its query.
    init(query name: String, _ message: String, type: String) {
        problems = [.init(place: "query", row: nil, issue: .init(field: name, message: message, type: type))]
    }

    var isEmpty: Bool { problems.isEmpty }
    /// Whether no more problems are listed.
    var isFull: Bool { problems.count >= Self.problemsMax }

    /// Adds what is wrong with a row of a batch, or with the whole.
    mutating func add(_ error: EventError, row: Int? = nil) {
        for issue in error.issues where !isFull { problems.append(.init(place: "body", row: row, issue: issue)) }
    }

    var response: Response {
        var writer = JSONWriter()
        writer.beginObject()
        writeDetail(to: &writer)
        writer.endObject()
        return Response(status: 422, body: writer.bytes)
    }

    /// The answer to one line of many, counted from 0.
    func line(of row: Int) -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("row")
        writer.value(row)
        writeDetail(to: &writer)
        writer.endObject()
        return writer.bytes
    }

    private func writeDetail(to writer: inout JSONWriter) {
        writer.key("detail")
        writer.beginArray()
        for problem in problems {
            writer.beginObject()
            writer.key("loc")
            writer.beginArray()
            writer.value(problem.place.description)
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
    }
}
