import HTTPServer

/// What of a model's reasons an answer has: how many, the strongest first, and in which form.
struct ExplanationChoice: Equatable {
    /// No reasons.
    static let none = ExplanationChoice(count: 0)
    /// All of them.
    static let all = ExplanationChoice(count: .max)

    /// The most that can be asked for by number.
    static let countMax = 10_000

    /// Most reasons of an answer.
    var count: Int
    /// As an object `{"feature": contribution}`; otherwise a list that has the features' values, too.
    var isObject = false

    /// Reads `explain=true|false|N`, `top=N` and `explanation=list|object`; nothing said means all, or none by default.
    init(_ request: Request, byDefault: ExplanationChoice) throws(Refusal) {
        count = byDefault.count
        let top = request.query("top")
        if let top {
            guard let number = Self.count(top), number > 0 else {
                throw Refusal(query: "top", "is not a number of 1 to \(Self.countMax)", type: "int_parsing")
            }
            count = number
        }
        switch request.query("explain") {
        case nil: break
        case "true": if top == nil { count = .max }
        case "false": count = 0
        case let text?:
            guard let number = Self.count(text) else {
                throw Refusal(
                    query: "explain", "is neither true nor false nor a number of 0 to \(Self.countMax)",
                    type: "value_error")
            }
            count = min(number, top == nil ? .max : count)
        }
        switch request.query("explanation") {
        case nil, "list": isObject = false
        case "object": isObject = true
        default: throw Refusal(query: "explanation", "is neither list nor object", type: "value_error")
        }
    }

    private init(count: Int) { self.count = count }

    private static func count(_ text: String) -> Int? {
        guard text.utf8.count <= 5, text.utf8.allSatisfy({ $0 &- 0x30 < 10 }), let count = Int(text),
            count <= countMax
        else { return nil }
        return count
    }
}
