import JSON

/// A request of the examples: what the description shows, the collections hold and the tests send.
struct APISample {
    /// A name without spaces.
    let id: String
    /// What it shows.
    let name: String
    let operation: APIOperation
    /// The query, without its question mark; empty for none.
    var query = ""
    var mediaType = "application/json"
    /// The body, where there is one; of lines their text.
    var json: JSONTree = .null

    /// The path and the query.
    var target: String { query.isEmpty ? operation.path : "\(operation.path)?\(query)" }
    /// The body's text, for people to read.
    var text: String? {
        if json.isNull { return nil }
        return mediaType == LinePrediction.mediaType ? json.string : json.text(pretty: true)
    }

    /// The samples of one operation. Without examples only those that send nothing.
    static func all(of operation: APIOperation, _ examples: APIExamples?) -> [APISample] {
        guard !operation.bodies.isEmpty else {
            return [APISample(id: operation.rawValue, name: operation.summary, operation: operation)]
        }
        guard let examples else { return [] }
        func sample(_ id: String, _ name: String, _ query: String, _ json: JSONTree) -> APISample {
            APISample(id: id, name: name, operation: operation, query: query, json: json)
        }
        let rows = JSONTree.array(examples.transactions)
        return switch operation {
        case .predictBatch:
            [
                sample("list", "Two transactions as a list", "", rows),
                sample("object", "The same as an object, with the strongest reason", "top=1", ["transactions": rows]),
                APISample(
                    id: "lines", name: "The same as lines", operation: operation, mediaType: LinePrediction.mediaType,
                    json: examples.transactionLines),
            ]
        default:
            [
                sample("all", "With all reasons", "", examples.transaction),
                sample(
                    "strongest", "With the three strongest reasons", "top=3&explanation=object", examples.transaction),
                sample("score", "The score alone", "explain=false", examples.transaction),
            ]
        }
    }

    /// All samples, in the order of the operations.
    static func all(_ examples: APIExamples?) -> [APISample] {
        APIOperation.allCases.filter(\.isDescribed).flatMap { all(of: $0, examples) }
    }
}
