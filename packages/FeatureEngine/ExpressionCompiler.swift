/// Checks types and lays out the steps.
struct ExpressionCompiler {
    typealias Resolve = ExpressionProgram.Resolve

    let schema: SourceSchema
    private var scope: String
    var steps: [ExpressionProgram.Step] = []
    var literals: [[UInt8]] = []
    private var depth = 0
    private var nesting = 0

    init(schema: SourceSchema, scope: String) {
        self.schema = schema
        self.scope = scope
    }

    private mutating func push(_ step: ExpressionProgram.Step, at column: Int, taking: Int = 0) throws(ExpressionError)
    {
        depth += 1 - taking
        guard depth <= ExpressionProgram.stackLimit, steps.count < 4_096 else {
            throw ExpressionError(
                column: column, message: "the expression is too large", fix: "Split it into two features of the service"
            )
        }
        steps.append(step)
    }

    /// The text an expression stands for, or nil when it is a number.
    mutating func text(_ expression: Expression, resolve: Resolve) throws(ExpressionError) -> ExpressionProgram.Text? {
        switch expression.node {
        case .text(let text):
            literals.append(Array(text.utf8))
            return .literal(literals.count - 1)
        case .reference(let view, let name):
            switch try resolve(scope, view, name, expression.column) {
            case .field(let field): return schema.fields[field].type == .string ? .field(field) : nil
            case .feature(let view, let index, kind: .category): return .feature(view: view, index: index)
            case .output(let index, kind: .category): return .output(index)
            case .expression(let other, let scope):
                return try inlined(expression.column, scope) { compiler throws(ExpressionError) in
                    try compiler.text(other, resolve: resolve)
                }
            case .feature, .output, .eventTime: return nil
            }
        case .number, .negate, .binary, .call: return nil
        }
    }

    mutating func number(_ expression: Expression, resolve: Resolve) throws(ExpressionError) {
        let column = expression.column
        switch expression.node {
        case .number(let value): try push(.constant(value), at: column)
        case .text:
            throw ExpressionError(
                column: column, message: "a text stands where a number is needed", fix: "Compare with it: ==")
        case .reference(let view, let name):
            switch try resolve(scope, view, name, column) {
            case .field(let field):
                guard schema.fields[field].type != .string else { throw notNumber(name, column) }
                try push(.field(field), at: column)
            case .feature(let view, let index, let kind):
                guard kind == .number else { throw notNumber(name, column) }
                try push(.feature(view: view, index: index), at: column)
            case .output(let index, let kind):
                guard kind == .number else { throw notNumber(name, column) }
                try push(.output(index), at: column)
            case .expression(let other, let scope):
                guard try text(expression, resolve: resolve) == nil else { throw notNumber(name, column) }
                try inlined(column, scope) { compiler throws(ExpressionError) in
                    try compiler.number(other, resolve: resolve)
                }
            case .eventTime:
                throw ExpressionError(
                    column: column, message: "`event_timestamp` is a time, not a number",
                    fix: "Give it to hour_of_day, day_of_week, years_between or age_years")
            }
        case .negate(let operand):
            try number(operand, resolve: resolve)
            try push(.negate, at: column, taking: 1)
        case .binary(let symbol, let left, let right): try binary(symbol, left, right, column, resolve)
        case .call(let function, let arguments): try call(function, arguments, column, resolve)
        }
    }

    /// Compiles inside another view's scope. A mistake in there is not this expression's.
    private mutating func inlined<Result>(
        _ column: Int, _ scope: String, _ body: (inout ExpressionCompiler) throws(ExpressionError) -> Result
    ) throws(ExpressionError) -> Result {
        nesting += 1
        defer { nesting -= 1 }
        guard nesting <= 16 else {
            throw ExpressionError(
                column: column, message: "more than 16 features refer to one another in a row",
                fix: "Write some of them out", isInlined: false, isLimit: true)
        }
        let outer = self.scope
        self.scope = scope
        defer { self.scope = outer }
        do throws(ExpressionError) {
            return try body(&self)
        } catch {
            throw ExpressionError(
                column: column, message: error.message, fix: error.fix, isInlined: !error.isLimit,
                isLimit: error.isLimit)
        }
    }

    private mutating func binary(
        _ symbol: Expression.Operator, _ left: Expression, _ right: Expression, _ column: Int, _ resolve: Resolve
    ) throws(ExpressionError) {
        if symbol == .equal || symbol == .notEqual {
            let leftText = try text(left, resolve: resolve)
            let rightText = try text(right, resolve: resolve)
            if let leftText, let rightText {
                return try push(.equalText(leftText, rightText, negated: symbol == .notEqual), at: column)
            }
            guard leftText == nil, rightText == nil else {
                throw ExpressionError(
                    column: column, message: "a text and a number are never equal",
                    fix: "Compare two texts or two numbers")
            }
        }
        try number(left, resolve: resolve)
        try number(right, resolve: resolve)
        let step: ExpressionProgram.Step =
            switch symbol {
            case .add: .add
            case .subtract: .subtract
            case .multiply: .multiply
            case .divide: .divide
            case .less: .less
            case .lessOrEqual: .lessOrEqual
            case .greater: .greater
            case .greaterOrEqual: .greaterOrEqual
            case .equal: .equal
            case .notEqual: .notEqual
            }
        try push(step, at: column, taking: 2)
    }

    private mutating func call(
        _ function: ExpressionFunction, _ arguments: [Expression], _ column: Int, _ resolve: Resolve
    ) throws(ExpressionError) {
        switch function {
        case .hourOfDay: try push(.hourOfDay(try time(arguments[0], resolve)), at: column)
        case .dayOfWeek: try push(.dayOfWeek(try time(arguments[0], resolve)), at: column)
        case .yearsBetween:
            try push(.yearsBetween(try time(arguments[0], resolve), try time(arguments[1], resolve)), at: column)
        case .ageYears:
            try push(.ageYears(try time(arguments[0], resolve), try time(arguments[1], resolve)), at: column)
        case .isMissing:
            if let text = try text(arguments[0], resolve: resolve) { return try push(.isMissingText(text), at: column) }
            try number(arguments[0], resolve: resolve)
            try push(.isMissing, at: column, taking: 1)
        case .min, .max, .coalesce:
            let step: ExpressionProgram.Step = function == .min ? .min : function == .max ? .max : .coalesce
            try number(arguments[0], resolve: resolve)
            for argument in arguments.dropFirst() {
                try number(argument, resolve: resolve)
                try push(step, at: column, taking: 2)
            }
        case .log1p, .log, .sqrt, .abs, .choose, .haversineKm:
            for argument in arguments { try number(argument, resolve: resolve) }
            let step: ExpressionProgram.Step =
                switch function {
                case .log1p: .log1p
                case .log: .log
                case .sqrt: .sqrt
                case .abs: .abs
                case .choose: .choose
                default: .haversineKm
                }
            try push(step, at: column, taking: arguments.count)
        }
    }

    private func time(_ expression: Expression, _ resolve: Resolve) throws(ExpressionError) -> ExpressionProgram.Time {
        if case .reference(let view, let name) = expression.node {
            switch try resolve(scope, view, name, expression.column) {
            case .eventTime: return .event
            case .field(let field):
                if field == schema.eventTimeIndex { return .event }
                if schema.fields[field].type == .string { return .field(field) }
            case .feature, .output, .expression: break
            }
        }
        throw ExpressionError(
            column: expression.column, message: "a time is needed here",
            fix: "Give `event_timestamp`, or a string field with a date like 1988-03-09")
    }

    private func notNumber(_ name: String, _ column: Int) -> ExpressionError {
        ExpressionError(
            column: column, message: "`\(name)` is a text, and a number is needed here",
            fix: "Compare it with a text (==), or use it alone as a category")
    }
}
