internal import Glibc
internal import Text

/// What a name in an expression stands for.
public enum ExpressionOperand: Sendable {
    /// A field of the request row.
    case field(Int)
    /// A feature of one of the views' vectors.
    case feature(view: Int, index: Int, kind: FeatureKind)
    /// A feature that stands earlier in the vector under construction.
    case output(Int, kind: FeatureKind)
    /// Another feature's expression, put in its place; the names in it are looked up in `scope`.
    case expression(Expression, scope: String)
    /// The event time.
    case eventTime
}

/// An expression compiled against a schema: a short stack program, evaluated without allocating.
///
/// `amt / card_activity.amt_mean_7d` becomes `field 4 · feature (0, 6) · divide`: each step takes its operands from the top of a
/// stack of doubles and leaves its result there. Missing is NaN, and NaN runs through arithmetic by itself, so a missing part
/// makes a missing result without a test at each step; comparisons with NaN, division by zero and logarithms of what has none
/// are made missing by their step. Text never enters the stack: the few steps that look at text name where it lies.
///
/// The depth is known when it is compiled, so the stack has a fixed size and lies in the caller's frame. Names are resolved once;
/// an expression that uses another feature of the same view takes that feature's steps in its place.
public struct ExpressionProgram: Sendable {
    enum Time: Hashable, Sendable {
        case event
        case field(Int)
    }
    enum Text: Hashable, Sendable {
        case field(Int)
        case feature(view: Int, index: Int)
        case output(Int)
        case literal(Int)
    }
    enum Step: Hashable, Sendable {
        case constant(Double)
        case field(Int)
        case feature(view: Int, index: Int)
        case output(Int)
        case negate, add, subtract, multiply, divide
        case less, lessOrEqual, greater, greaterOrEqual, equal, notEqual
        case log1p, log, sqrt, abs, min, max, coalesce, isMissing, choose, haversineKm
        case isMissingText(Text)
        case equalText(Text, Text, negated: Bool)
        case hourOfDay(Time), dayOfWeek(Time)
        case yearsBetween(Time, Time), ageYears(Time, Time)
    }

    /// The deepest stack a program may need.
    static let stackLimit = 24

    /// Whether it gives a number or a category.
    public let kind: FeatureKind
    private let steps: [Step]
    private let text: Text?
    private let literals: [[UInt8]]

    /// Says what `name`, or `view.name`, in an expression of the view `scope` stands for, or throws.
    public typealias Resolve = (_ scope: String, _ view: String?, _ name: String, _ column: Int) throws(ExpressionError)
        ->
        ExpressionOperand

    /// Compiles an expression of the view `scope`. Expressions that refer to each other in a circle never end: check before.
    public init(
        _ expression: Expression, scope: String, schema: SourceSchema, resolve: Resolve
    ) throws(ExpressionError) {
        var compiler = ExpressionCompiler(schema: schema, scope: scope)
        if let text = try compiler.text(expression, resolve: resolve) {
            if case .literal = text {
                throw ExpressionError(
                    column: expression.column, message: "a constant text is no feature",
                    fix: "Compare a field with it: ==")
            }
            kind = .category
            self.text = text
        } else {
            try compiler.number(expression, resolve: resolve)
            kind = .number
            text = nil
        }
        steps = compiler.steps
        literals = compiler.literals
    }

    /// Writes the result into slot `slot` of `vector`. `views` are the vectors of the views, in the order `resolve` counted.
    public func evaluate(_ row: SourceRow, _ views: [FeatureVector], into vector: inout FeatureVector, at slot: Int) {
        guard let text else {
            vector.numbers[slot] = number(row, views, vector)
            vector.texts[slot] = nil
            return
        }
        vector.numbers[slot] = .nan
        switch text {
        case .field(let field): vector.texts[slot] = row.string(field)
        case .feature(let view, let index): vector.texts[slot] = views[view].texts[index]
        case .output(let index): vector.texts[slot] = vector.texts[index]
        case .literal: vector.texts[slot] = nil
        }
    }

    private func number(_ row: SourceRow, _ views: [FeatureVector], _ outputs: FeatureVector) -> Double {
        var stack = InlineArray<24, Double>(repeating: 0)
        var top = -1
        for step in steps {
            switch step {
            case .constant(let value): top += 1; stack[top] = value
            case .field(let field): top += 1; stack[top] = row.number(field)
            case .feature(let view, let index): top += 1; stack[top] = views[view].numbers[index]
            case .output(let index): top += 1; stack[top] = outputs.numbers[index]
            case .negate: stack[top] = -stack[top]
            case .log1p: stack[top] = Self.finite(Glibc.log1p(stack[top]))
            case .log: stack[top] = Self.finite(Glibc.log(stack[top]))
            case .sqrt: stack[top] = Self.finite(stack[top].squareRoot())
            case .abs: stack[top] = stack[top].magnitude
            case .isMissing: stack[top] = stack[top].isNaN ? 1 : 0
            case .add, .subtract, .multiply, .divide, .less, .lessOrEqual, .greater, .greaterOrEqual, .equal, .notEqual,
                .min, .max, .coalesce:
                let right = stack[top]
                top -= 1
                stack[top] = Self.combine(step, stack[top], right)
            case .choose:
                let condition = stack[top - 2]
                stack[top - 2] = condition.isNaN ? .nan : condition != 0 ? stack[top - 1] : stack[top]
                top -= 2
            case .haversineKm:
                stack[top - 3] = Self.haversine(stack[top - 3], stack[top - 2], stack[top - 1], stack[top])
                top -= 3
            case .isMissingText(let text):
                top += 1
                stack[top] = isMissing(text, row, views, outputs) ? 1 : 0
            case .equalText(let left, let right, let negated):
                top += 1
                if isMissing(left, row, views, outputs) || isMissing(right, row, views, outputs) {
                    stack[top] = .nan
                } else {
                    stack[top] = isEqual(left, right, row, views, outputs) == negated ? 0 : 1
                }
            case .hourOfDay(let time):
                top += 1
                stack[top] = Self.millis(time, row).map { Double(Self.floorModulo($0, 86_400_000) / 3_600_000) } ?? .nan
            case .dayOfWeek(let time):
                top += 1
                // 1970-01-01 was a Thursday.
                stack[top] =
                    Self.millis(time, row).map { Double(Self.floorModulo(floorDivide($0, 86_400_000) + 3, 7)) }
                    ?? .nan
            case .yearsBetween(let from, let to):
                top += 1
                if let from = Self.millis(from, row), let to = Self.millis(to, row) {
                    stack[top] = Double(to - from) / (365.25 * 86_400_000)
                } else {
                    stack[top] = .nan
                }
            case .ageYears(let from, let to):
                top += 1
                if let from = Self.millis(from, row), let to = Self.millis(to, row) {
                    stack[top] = Self.completedYears(from, to)
                } else {
                    stack[top] = .nan
                }
            }
        }
        return stack[0]
    }

    /// A finite result, or missing.
    @inline(__always) private static func finite(_ value: Double) -> Double { value.isFinite ? value : .nan }

    private static func combine(_ step: Step, _ left: Double, _ right: Double) -> Double {
        if case .coalesce = step { return left.isNaN ? right : left }
        guard !left.isNaN, !right.isNaN else { return .nan }
        switch step {
        case .add: return finite(left + right)
        case .subtract: return finite(left - right)
        case .multiply: return finite(left * right)
        case .divide: return finite(left / right)
        case .less: return left < right ? 1 : 0
        case .lessOrEqual: return left <= right ? 1 : 0
        case .greater: return left > right ? 1 : 0
        case .greaterOrEqual: return left >= right ? 1 : 0
        case .equal: return left == right ? 1 : 0
        case .notEqual: return left != right ? 1 : 0
        case .min: return right < left ? right : left
        case .max: return right > left ? right : left
        default: return .nan
        }
    }

    /// On a sphere of 6371.0088 km, the mean radius of the Earth.
    private static func haversine(_ lat1: Double, _ lon1: Double, _ lat2: Double, _ lon2: Double) -> Double {
        let radians = Double.pi / 180
        let halfLat = Glibc.sin((lat2 - lat1) * radians / 2)
        let halfLon = Glibc.sin((lon2 - lon1) * radians / 2)
        let chord = halfLat * halfLat + Glibc.cos(lat1 * radians) * Glibc.cos(lat2 * radians) * halfLon * halfLon
        guard !chord.isNaN else { return .nan }
        return finite(2 * 6371.0088 * Glibc.asin(Swift.min(1, chord.squareRoot())))
    }

    private static func completedYears(_ from: Int64, _ to: Int64) -> Double {
        let (a, b) = (CivilTime(millis: from), CivilTime(millis: to))
        let monthsAndDays = { (time: CivilTime) in (time.month, time.day) }
        let isBefore =
            monthsAndDays(b) < monthsAndDays(a)
            || (monthsAndDays(b) == monthsAndDays(a)
                && floorModulo(to, 86_400_000) < floorModulo(from, 86_400_000))
        return Double(b.year - a.year - (isBefore ? 1 : 0))
    }

    private static func millis(_ time: Time, _ row: SourceRow) -> Int64? {
        switch time {
        case .event: row.eventTimeMillis
        case .field(let field): CivilTime.parseDate(row.bytes(field).span)
        }
    }

    private static func floorModulo(_ value: Int64, _ divisor: Int64) -> Int64 {
        let rest = value % divisor
        return rest < 0 ? rest + divisor : rest
    }

    private func isMissing(_ text: Text, _ row: SourceRow, _ views: [FeatureVector], _ outputs: FeatureVector) -> Bool {
        switch text {
        case .field(let field): !row.isPresent(field)
        case .feature(let view, let index): views[view].texts[index] == nil
        case .output(let index): outputs.texts[index] == nil
        case .literal: false
        }
    }

    private func isEqual(
        _ left: Text, _ right: Text, _ row: SourceRow, _ views: [FeatureVector], _ outputs: FeatureVector
    ) -> Bool {
        switch left {
        case .field(let field): isEqual(row.bytes(field), right, row, views, outputs)
        case .feature(let view, let index): isEqual((views[view].texts[index] ?? "").utf8, right, row, views, outputs)
        case .output(let index): isEqual((outputs.texts[index] ?? "").utf8, right, row, views, outputs)
        case .literal(let index): isEqual(literals[index], right, row, views, outputs)
        }
    }

    private func isEqual(
        _ bytes: some Sequence<UInt8>, _ right: Text, _ row: SourceRow, _ views: [FeatureVector],
        _ outputs: FeatureVector
    ) -> Bool {
        switch right {
        case .field(let field): bytes.elementsEqual(row.bytes(field))
        case .feature(let view, let index): bytes.elementsEqual((views[view].texts[index] ?? "").utf8)
        case .output(let index): bytes.elementsEqual((outputs.texts[index] ?? "").utf8)
        case .literal(let index): bytes.elementsEqual(literals[index])
        }
    }
}
