import JSON
import TransactionData

/// Where each row of a batch lies in its body, nil for one that is no object; or why the body is no batch. The parser's values do not
/// outlive its call, and to decode all rows within it would keep whoever calls.
typealias BatchListing = Result<[Range<Int>?], EventError>

extension BatchListing {
    /// Reads a body on any thread, with a parser that is that thread's.
    static func list(_ document: [UInt8], _ parser: JSONParser, valuesMax: Int) -> BatchListing {
        do throws(EventError) {
            return .success(
                try parser.parse(document.span, onError: { Self.error($0, valuesMax: valuesMax) }) {
                    (root) throws(EventError) in try list(root, of: document.span)
                })
        } catch {
            return .failure(error)
        }
    }

    private static func error(_ error: JSONError, valuesMax: Int) -> EventError {
        guard error.reason == .tooManyValues else { return EventDecoder.invalid(error) }
        return EventError([.init(field: nil, message: "the batch has more than \(valuesMax) values", type: "too_long")])
    }

    private static func list(_ root: JSONValue, of document: Span<UInt8>) throws(EventError) -> [Range<Int>?] {
        switch root.kind {
        case .array: return try list(elements: root, of: document)
        case .object:
            var found: [Range<Int>?]?
            var members = root.children
            while let member = members.next() {
                guard member.isNamed("transactions") else { continue }
                guard found == nil else {
                    throw EventError([.init(field: "transactions", message: "is there twice", type: "duplicate_field")])
                }
                guard member.kind == .array else {
                    throw EventError([.init(field: "transactions", message: "is not an array", type: "type_error")])
                }
                found = try list(elements: member, of: document)
            }
            guard let found else {
                throw EventError([.init(field: "transactions", message: "is missing", type: "missing")])
            }
            return found
        default:
            throw EventError([
                .init(
                    field: nil, message: "the batch is neither an array nor an object with the array `transactions`",
                    type: "type_error")
            ])
        }
    }

    private static func list(elements array: JSONValue, of document: Span<UInt8>) throws(EventError) -> [Range<Int>?] {
        var places: [Range<Int>?] = []
        var count = 0
        var elements = array.children
        while let element = elements.next() {
            count += 1
            if count <= BatchPrediction.rowsMax { places.append(element.range(in: document)) }
        }
        guard count <= BatchPrediction.rowsMax else {
            throw EventError([
                .init(
                    field: nil, message: "the batch has \(count) rows, \(BatchPrediction.rowsMax) are allowed",
                    type: "too_long")
            ])
        }
        return places
    }
}
