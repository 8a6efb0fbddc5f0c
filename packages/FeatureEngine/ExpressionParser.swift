import Text

/// Cuts an expression's text into tokens.
struct ExpressionLexer {
    enum Token: Hashable {
        case number(Double)
        case text(String)
        case name(String)
        case symbol(String)
        case end

        var words: String {
            switch self {
            case .number(let value): "the number \(value)"
            case .text(let text): "the text \"\(text)\""
            case .name(let name): "`\(name)`"
            case .symbol(let symbol): "`\(symbol)`"
            case .end: "the end"
            }
        }
    }

    /// What other languages have, and how it is said here.
    static let missing = [
        "=": "Compare with ==", "**": "Multiply: x * x", "^": "Multiply: x * x", "//": "Divide with /",
        "%": "There is no remainder; hour_of_day and day_of_week give parts of a time",
        "&&": "Multiply the comparisons: (a > 1) * (b < 2)", "||": "Write max(a > 1, b < 2)", "!": "Write 1 - (a > 1)",
        "?": "Write if(condition, then, otherwise)", "<>": "Compare with !=",
    ]
    static let missingWords = [
        "and": "Multiply the comparisons: (a > 1) * (b < 2)", "or": "Write max(a > 1, b < 2)",
        "not": "Write 1 - (a > 1)", "if": "Write if(condition, then, otherwise)",
        "else": "Write if(condition, then, otherwise)", "then": "Write if(condition, then, otherwise)",
        "is": "Compare with ==, or write is_missing(x)", "in": "Compare with each: max(x == \"a\", x == \"b\")",
    ]

    private let characters: [Character]
    private var cursor = 0

    init(_ text: String) { characters = Array(text) }

    private var current: Character? { cursor < characters.count ? characters[cursor] : nil }

    mutating func next() throws(ExpressionError) -> (token: Token, column: Int) {
        while let character = current, character.isWhitespace { cursor += 1 }
        let column = cursor + 1
        guard let character = current else { return (.end, column) }
        if Self.isDigit(character) || character == "." { return (.number(try number(column)), column) }
        if Self.startsName(character) {
            let first = cursor
            while let letter = current, Self.startsName(letter) || Self.isDigit(letter) { cursor += 1 }
            return (.name(String(characters[first..<cursor])), column)
        }
        if character == "`" || character == "\"" || character == "'" {
            cursor += 1
            let first = cursor
            while let letter = current, letter != character { cursor += 1 }
            guard current != nil else {
                throw ExpressionError(
                    column: column, message: "the \(character) is never closed",
                    fix: "Close it with another \(character)")
            }
            let content = String(characters[first..<cursor])
            cursor += 1
            return (character == "`" ? .name(content) : .text(content), column)
        }
        if cursor + 1 < characters.count {
            let pair = String(characters[cursor...cursor + 1])
            if let fix = Self.missing[pair] {
                throw ExpressionError(column: column, message: "there is no operator `\(pair)`", fix: fix)
            }
            if ["<=", ">=", "==", "!="].contains(pair) {
                cursor += 2
                return (.symbol(pair), column)
            }
        }
        guard "+-*/()<>,.".contains(character) else {
            throw ExpressionError(
                column: column, message: "`\(character)` means nothing here",
                fix: Self.missing[String(character)] ?? "Use + - * / < <= > >= == != ( ) and function names")
        }
        cursor += 1
        return (.symbol(String(character)), column)
    }

    /// Whether a dot follows directly: `view.feature` has no spaces.
    mutating func takeDot() -> Bool {
        guard current == ".", cursor + 1 < characters.count else { return false }
        cursor += 1
        return true
    }

    private mutating func number(_ column: Int) throws(ExpressionError) -> Double {
        let first = cursor
        while let character = current {
            let isSign = character == "+" || character == "-"
            let followsExponent = cursor > first && (characters[cursor - 1] == "e" || characters[cursor - 1] == "E")
            guard
                Self.isDigit(character) || character == "." || Self.startsName(character) || (isSign && followsExponent)
            else { break }
            cursor += 1
        }
        let text = String(characters[first..<cursor])
        guard text.first.map(Self.isDigit) == true, let value = Decimals.double(Array(text.utf8).span) else {
            throw ExpressionError(
                column: column, message: "`\(text)` is not a number", fix: "Write it like 12, 0.5 or 1e-3")
        }
        return value
    }

    private static func isDigit(_ character: Character) -> Bool { ("0"..."9").contains(character) }

    private static func startsName(_ character: Character) -> Bool {
        ("a"..."z").contains(character) || ("A"..."Z").contains(character) || character == "_"
    }
}

/// Turns tokens into an expression, by recursive descent.
struct ExpressionParser {
    private static let depthLimit = 48
    private static let tokenLimit = 400

    private var lexer: ExpressionLexer
    private var token: ExpressionLexer.Token
    private var column: Int
    private var depth = 0
    private var tokens = 0

    init(_ text: String) throws(ExpressionError) {
        lexer = ExpressionLexer(text)
        (token, column) = try lexer.next()
    }

    mutating func parse() throws(ExpressionError) -> Expression {
        let expression = try comparison()
        guard token == .end else {
            if let error = missingOperator { throw error }
            throw ExpressionError(
                column: column, message: "\(token.words) follows a complete expression",
                fix: "Put an operator before it, or remove it")
        }
        return expression
    }

    private mutating func advance() throws(ExpressionError) {
        (token, column) = try lexer.next()
        tokens += 1
        guard tokens <= Self.tokenLimit else {
            throw ExpressionError(
                column: column, message: "the expression is too long", fix: "Split it into two features")
        }
    }

    /// Takes one of the symbols, or returns nil.
    private mutating func take(_ symbols: String...) throws(ExpressionError) -> String? {
        guard case .symbol(let symbol) = token, symbols.contains(symbol) else { return nil }
        try advance()
        return symbol
    }

    private mutating func comparison() throws(ExpressionError) -> Expression {
        depth += 1
        defer { depth -= 1 }
        guard depth <= Self.depthLimit else {
            throw ExpressionError(
                column: column, message: "the expression is nested too deeply", fix: "Split it into two features")
        }
        let left = try sum()
        guard let symbol = try take("<", "<=", ">", ">=", "==", "!="),
            let binary = Expression.Operator(rawValue: symbol)
        else { return left }
        let right = try sum()
        if case .symbol(let next) = token, ["<", "<=", ">", ">=", "==", "!="].contains(next) {
            throw ExpressionError(
                column: column, message: "comparisons do not chain", fix: "Put the first one into parentheses")
        }
        return Expression(.binary(binary, left, right), column: left.column)
    }

    private mutating func sum() throws(ExpressionError) -> Expression {
        var left = try product()
        while let symbol = try take("+", "-"), let binary = Expression.Operator(rawValue: symbol) {
            left = Expression(.binary(binary, left, try product()), column: left.column)
        }
        return left
    }

    private mutating func product() throws(ExpressionError) -> Expression {
        var left = try unary()
        while let symbol = try take("*", "/"), let binary = Expression.Operator(rawValue: symbol) {
            left = Expression(.binary(binary, left, try unary()), column: left.column)
        }
        return left
    }

    private mutating func unary() throws(ExpressionError) -> Expression {
        let start = column
        var count = 0
        while try take("-") != nil { count += 1 }
        let operand = try primary()
        return count.isMultiple(of: 2) ? operand : Expression(.negate(operand), column: start)
    }

    private mutating func primary() throws(ExpressionError) -> Expression {
        let start = column
        switch token {
        case .number(let value):
            try advance()
            return Expression(.number(value), column: start)
        case .text(let text):
            try advance()
            return Expression(.text(text), column: start)
        case .name(let name):
            if lexer.takeDot() {
                try advance()
                guard case .name(let feature) = token else {
                    throw ExpressionError(
                        column: column, message: "a feature's name must follow `\(name).`", fix: "Write view.feature")
                }
                try advance()
                return Expression(.reference(view: name, name: feature), column: start)
            }
            try advance()
            // `not a`: a word that could be a name, were it not followed by another operand.
            if let fix = ExpressionLexer.missingWords[name], startsOperand {
                throw ExpressionError(column: start, message: "there is no operator `\(name)`", fix: fix)
            }
            guard try take("(") != nil else { return Expression(.reference(view: nil, name: name), column: start) }
            return try call(name, at: start)
        case .symbol("("):
            try advance()
            let inner = try comparison()
            guard try take(")") != nil else { throw unclosed(start) }
            return inner
        case .symbol, .end:
            throw ExpressionError(
                column: column, message: "a number, a name or a function should stand where \(token.words) is",
                fix: "Complete the expression")
        }
    }

    /// Whether the token begins an operand that no operator precedes.
    private var startsOperand: Bool {
        switch token {
        case .number, .text, .name: true
        case .symbol, .end: false
        }
    }

    private mutating func call(_ name: String, at start: Int) throws(ExpressionError) -> Expression {
        var arguments: [Expression] = []
        if try take(")") == nil {
            repeat { arguments.append(try comparison()) } while try take(",") != nil
            guard try take(")") != nil else { throw unclosed(start) }
        }
        let names = ExpressionFunction.allCases.map(\.rawValue)
        guard let function = ExpressionFunction(rawValue: name) else {
            throw ExpressionError(
                column: start, message: "there is no function `\(name)`",
                fix: Suggestion.nearest(to: name, among: names).map { "Did you mean `\($0)`?" }
                    ?? "The functions are \(names.joined(separator: ", "))")
        }
        guard function.arity.contains(arguments.count) else {
            let count =
                function.arity.count == 1
                ? "\(function.arity.lowerBound)" : "\(function.arity.lowerBound) to \(function.arity.upperBound)"
            throw ExpressionError(
                column: start,
                message: "`\(name)` takes \(count) argument\(count == "1" ? "" : "s"), not \(arguments.count)",
                fix: arguments.count < function.arity.lowerBound ? "Add what is missing" : "Remove what is too much")
        }
        return Expression(.call(function, arguments), column: start)
    }

    /// The token as an operator of other languages.
    private var missingOperator: ExpressionError? {
        guard case .name(let word) = token, let fix = ExpressionLexer.missingWords[word] else { return nil }
        return ExpressionError(column: column, message: "there is no operator `\(word)`", fix: fix)
    }

    private func unclosed(_ start: Int) -> ExpressionError {
        missingOperator
            ?? ExpressionError(
                column: column, message: "a `)` should stand where \(token.words) is",
                fix: "Close the parenthesis opened at character \(start)")
    }
}
