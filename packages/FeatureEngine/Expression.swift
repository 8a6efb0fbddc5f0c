/// A parsed on-demand expression: what is written, before names are looked up.
///
///     comparison := sum (("<" | "<=" | ">" | ">=" | "==" | "!=") sum)?
///     sum        := product (("+" | "-") product)*
///     product    := unary (("*" | "/") unary)*
///     unary      := "-" unary | primary
///     primary    := number | text | function "(" arguments ")" | name ("." name)? | "(" comparison ")"
///
/// A name is letters, digits and `_`, or anything between backquotes.
public struct Expression: Hashable, Sendable {
    /// An operator between two numbers, or between two texts for equality.
    public enum Operator: String, Hashable, Sendable, CaseIterable {
        case add = "+"
        case subtract = "-"
        case multiply = "*"
        case divide = "/"
        case less = "<"
        case lessOrEqual = "<="
        case greater = ">"
        case greaterOrEqual = ">="
        case equal = "=="
        case notEqual = "!="
    }

    indirect enum Node: Hashable, Sendable {
        case number(Double)
        case text(String)
        case reference(view: String?, name: String)
        case negate(Expression)
        case binary(Operator, Expression, Expression)
        case call(ExpressionFunction, [Expression])
    }

    let node: Node
    /// Where it starts in the text, in characters from 1.
    public let column: Int

    /// Parses an expression.
    public init(parsing text: String) throws(ExpressionError) {
        var parser = try ExpressionParser(text)
        self = try parser.parse()
    }

    init(_ node: Node, column: Int) {
        self.node = node
        self.column = column
    }

    /// Every `name` and `view.name` it refers to, in order of appearance.
    public var references: [(view: String?, name: String, column: Int)] {
        switch node {
        case .number, .text: []
        case .reference(let view, let name): [(view, name, column)]
        case .negate(let operand): operand.references
        case .binary(_, let left, let right): left.references + right.references
        case .call(_, let arguments): arguments.flatMap(\.references)
        }
    }

    /// The expression in one fixed spelling: the same for all texts that differ only in spaces and needless parentheses.
    public var canonicalText: String {
        switch node {
        case .number(let value): "\(value)"
        case .text(let text): "\"\(text)\""
        case .reference(let view, let name): view.map { "`\($0)`.`\(name)`" } ?? "`\(name)`"
        case .negate(let operand): "(-\(operand.canonicalText))"
        case .binary(let symbol, let left, let right): "(\(left.canonicalText)\(symbol.rawValue)\(right.canonicalText))"
        case .call(let function, let arguments):
            "\(function.rawValue)(\(arguments.map(\.canonicalText).joined(separator: ",")))"
        }
    }
}

/// The functions of on-demand expressions. A missing argument makes the result missing, except where it says otherwise; so
/// does a result that is no finite number.
public enum ExpressionFunction: String, Hashable, Sendable, CaseIterable {
    /// 0 to 23, UTC.
    case hourOfDay = "hour_of_day"
    /// 0 (Monday) to 6 (Sunday), UTC.
    case dayOfWeek = "day_of_week"
    /// Great-circle distance of two points (latitude, longitude, latitude, longitude), in km.
    case haversineKm = "haversine_km"
    /// Days between two times over 365.25.
    case yearsBetween = "years_between"
    /// Completed calendar years between two times.
    case ageYears = "age_years"
    case log1p
    case log
    case sqrt
    case abs
    /// The smallest of two or more.
    case min
    /// The largest of two or more.
    case max
    /// The first argument that is not missing.
    case coalesce
    /// 1 for a missing argument, 0 otherwise.
    case isMissing = "is_missing"
    /// The second argument where the first is not 0, else the third. The branch not taken may be missing.
    case choose = "if"

    /// The number of arguments it takes.
    public var arity: ClosedRange<Int> {
        switch self {
        case .hourOfDay, .dayOfWeek, .log1p, .log, .sqrt, .abs, .isMissing: 1...1
        case .yearsBetween, .ageYears: 2...2
        case .choose: 3...3
        case .haversineKm: 4...4
        case .min, .max, .coalesce: 2...16
        }
    }
}

/// Why an expression was refused: where, what is wrong and what to do.
public struct ExpressionError: Error, Hashable, Sendable {
    /// The place in the expression's text, in characters from 1.
    public let column: Int
    /// What is wrong, a sentence without its period.
    public let message: String
    /// What to do, a sentence without its period.
    public let fix: String
    /// Whether the mistake is in another feature's expression that this one refers to, where it is told too.
    public let isInlined: Bool
    /// Whether it is the expression with all it refers to that is too large.
    let isLimit: Bool

    /// Describes a mistake.
    public init(column: Int, message: String, fix: String) {
        self.init(column: column, message: message, fix: fix, isInlined: false, isLimit: false)
    }

    init(column: Int, message: String, fix: String, isInlined: Bool, isLimit: Bool) {
        self.column = column
        self.message = message
        self.fix = fix
        self.isInlined = isInlined
        self.isLimit = isLimit
    }
}
