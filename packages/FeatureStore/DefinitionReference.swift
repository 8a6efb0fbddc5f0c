import FeatureEngine

/// Everything that can be written into definitions beside their keys, from the tables the parser reads by.
public struct DefinitionReference: Sendable {
    /// Where the examples of a section stand.
    public enum Place: Sendable {
        /// A field of a source: `amt: decimal(2)`.
        case field
        /// The format of an event's time.
        case timeFormat
        /// A window.
        case duration
        /// An item of a view's aggregations.
        case aggregation
        /// An expression of an on-demand view.
        case expression
        /// A text.
        case text
    }

    /// One construct.
    public struct Entry: Sendable {
        /// How it is written.
        public let form: String
        /// What it means, a sentence.
        public let meaning: String
        /// A use of it.
        public let example: String

        init(_ form: String, _ meaning: String, _ example: String) {
            (self.form, self.meaning, self.example) = (form, meaning, example)
        }
    }

    /// The heading.
    public let title: String
    /// What holds for all of it.
    public let introduction: String
    /// Where its examples stand.
    public let place: Place
    /// The constructs.
    public let entries: [Entry]

    /// Every section, in the order a reader needs them.
    public static let all: [DefinitionReference] = [
        fieldTypes, timeFormats, durations, aggregateFunctions, operators, expressionFunctions, variables,
    ]

    static let fieldTypes = DefinitionReference(
        title: "Field types",
        introduction:
            "A ? behind a type marks what a row may lack. Reading is strict: no spaces, no thousands, a point before decimals.",
        place: .field, entries: FieldDefinition.typeNames.map { Entry($0, meaning(ofType: $0), example(ofType: $0)) })

    static let timeFormats = DefinitionReference(
        title: "Time formats", introduction: "Times are UTC, between 1970 and 2099. The machine's zone is never asked.",
        place: .timeFormat,
        entries: SourceDefinition.timeFormatNames.map { Entry($0, meaning(ofTimeFormat: $0), $0) }
            + [
                Entry(
                    "a pattern", "Of yyyy MM dd HH mm ss SSS and characters that are no letters, or T and Z.",
                    "dd.MM.yyyy HH:mm")
            ])

    static let durations = DefinitionReference(
        title: "Lengths of time", introduction: "A whole number and a unit, up to 3650d.", place: .duration,
        entries: zip(Definition.durationUnits, ["500ms", "90s", "15m", "24h", "7d", "2w"]).map { unit, example in
            Entry("N\(unit.name)", "\(unit.word.prefix(1).uppercased())\(unit.word.dropFirst()).", example)
        })

    /// What may stand behind the number of a length of time.
    public static let durationUnits = Definition.durationUnits.map(\.name)

    static let aggregateFunctions = DefinitionReference(
        title: "Aggregate functions",
        introduction:
            "A feature is called column_function_window: amt_mean_7d. Over no events, count and sum are 0 and the others are missing. Functions without a window look back over the view's retention: its longest window, or 30 days.",
        place: .aggregation,
        entries: AggregateFunction.allCases.map { Entry($0.rawValue, meaning(of: $0), example(of: $0)) })

    static let operators = DefinitionReference(
        title: "Expressions",
        introduction:
            "A missing part makes the result missing, and so does a result that is no finite number. From strongest to weakest: -x, then * and /, then + and -, then comparisons.",
        place: .expression,
        entries: operands
            + Expression.Operator.allCases.map {
                Entry("a \($0.rawValue) b", meaning(of: $0), example(of: $0))
            })

    private static let operands = [
        Entry("name", "A field of the request, or another feature of the same view.", "amt"),
        Entry("view.name", "A feature of a view that stands among the inputs.", "card_activity.amt_mean_24h"),
        Entry("event_timestamp", "The event's time, for functions of a time.", "hour_of_day(event_timestamp)"),
        Entry("`name`", "A name with other characters than letters, digits and _.", "`amt`"),
        Entry("1.5", "A number.", "amt / 1.5e3"),
        Entry("\"text\"", "A text, to compare with.", "merchant == \"fraud_shop\""),
        Entry("( )", "What is within comes first.", "(amt - 1) / 2"),
        Entry("-a", "The negative.", "-amt"),
    ]

    static let expressionFunctions = DefinitionReference(
        title: "Functions of expressions",
        introduction: "They take numbers, times and texts of the request and of views, and give a number.",
        place: .expression,
        entries: ExpressionFunction.allCases.map { function in
            let (form, meaning, example) = describe(function)
            return Entry(form, meaning, example)
        })

    static let variables = DefinitionReference(
        title: "Variables",
        introduction: "In every text behind a key. A variable that is not set and has no default is a mistake.",
        place: .text,
        entries: [
            Entry("${NAME}", "The variable NAME, or NAME in .env, or the command's setting of that name.", "${TOPIC}"),
            Entry("${NAME:-text}", "The same, and the text where it is not set.", "${TOPIC:-transactions}"),
            Entry("$$", "A dollar.", "a$$b"),
        ])

    // MARK: words

    private static func meaning(ofType name: String) -> String {
        switch FieldType.declaration(name) {
        case (.string, _)?: "Text of UTF-8 without NUL. It takes the digits of an integer too."
        case (.integer, _)?: "A whole number of 64 bits."
        case (.double, _)?: "A finite number of floating point: compared and subtracted, never summed up over events."
        case (.decimal, false)?: "A number with up to so many decimals, 0 to 9, kept exactly. Amounts are decimals."
        case (.decimal, true)?: "The same, and what has more decimals is rounded, half to even."
        case (.boolean, _)?: "true or false; 1 and 0 in a CSV."
        case nil: ""
        }
    }

    private static func example(ofType name: String) -> String {
        switch FieldType.declaration(name) {
        case (.string, _)?: "city: string?"
        case (.integer, _)?: "population: integer?"
        case (.double, _)?: "speed: double?"
        case (.decimal, false)?: "tip: decimal(2)?"
        case (.decimal, true)?: #"tip: "decimal(2, round)?""#
        case (.boolean, _)?: "online: boolean?"
        case nil: ""
        }
    }

    private static func meaning(ofTimeFormat name: String) -> String {
        switch EventTimeFormat(name) {
        case .unixSeconds?: "Whole seconds since 1970; the field is an integer."
        case .unixMillis?: "Whole milliseconds since 1970; the field is an integer."
        case .iso8601?: "ISO 8601 with T or a space, a fraction or none, Z, ±hh:mm or none, which is UTC."
        case .pattern?, nil: ""
        }
    }

    private static func meaning(of function: AggregateFunction) -> String {
        switch function {
        case .count: "How many events; a column, where one is given, only lends its name."
        case .sum: "The sum of a decimal or an integer."
        case .mean: "The arithmetic mean of a decimal or an integer."
        case .std: "The sample standard deviation of a decimal or an integer; missing below two events."
        case .min: "The smallest value of a number."
        case .max: "The largest value of a number."
        case .distinctCount: "How many different values."
        case .first: "The value of the oldest event within the retention. It takes no window."
        case .last: "The value of the newest event. It takes no window."
        case .secondsSinceLast: "Seconds since the newest event. It takes neither a column nor a window."
        }
    }

    private static func example(of function: AggregateFunction) -> String {
        switch function {
        case .count: "{functions: [count], windows: [1h, 24h]}"
        case .distinctCount: "{column: merchant, functions: [distinct_count], windows: [24h]}"
        case .first, .last: "{columns: [lat, long], functions: [\(function.rawValue)]}"
        case .secondsSinceLast: "{functions: [seconds_since_last]}"
        case .sum, .mean, .std, .min, .max:
            "{column: amt, functions: [\(function.rawValue)], windows: [24h, 7d]}"
        }
    }

    private static func meaning(of symbol: Expression.Operator) -> String {
        switch symbol {
        case .add: "Sum."
        case .subtract: "Difference."
        case .multiply: "Product. Of two comparisons it is 1 where both hold."
        case .divide: "Quotient; missing where b is 0."
        case .less: "1 where a is smaller, else 0."
        case .lessOrEqual: "1 where a is not larger, else 0."
        case .greater: "1 where a is larger, else 0."
        case .greaterOrEqual: "1 where a is not smaller, else 0."
        case .equal: "1 where both are equal, else 0; of two numbers or two texts."
        case .notEqual: "1 where they differ, else 0; of two numbers or two texts."
        }
    }

    private static func example(of symbol: Expression.Operator) -> String {
        switch symbol {
        case .add: "amt + 1"
        case .subtract: "amt - card_activity.amt_mean_24h"
        case .multiply: "(amt > 100) * (hour_of_day(event_timestamp) < 6)"
        case .divide: "amt / card_activity.amt_mean_24h"
        case .less, .lessOrEqual, .greater, .greaterOrEqual: "amt \(symbol.rawValue) 100"
        case .equal, .notEqual: "merchant \(symbol.rawValue) \"shop\""
        }
    }

    private static func describe(_ function: ExpressionFunction) -> (form: String, meaning: String, example: String) {
        let name = function.rawValue
        return switch function {
        case .hourOfDay: ("\(name)(time)", "0 to 23, UTC.", "\(name)(event_timestamp)")
        case .dayOfWeek: ("\(name)(time)", "0, Monday, to 6, Sunday; UTC.", "\(name)(event_timestamp)")
        case .haversineKm:
            (
                "\(name)(lat1, long1, lat2, long2)", "The great-circle distance of two points, in km.",
                "\(name)(lat, long, 48.2, 16.4)"
            )
        case .yearsBetween:
            ("\(name)(from, to)", "Days between two times over 365.25.", "\(name)(dob, event_timestamp)")
        case .ageYears:
            ("\(name)(from, to)", "Completed calendar years between two times.", "\(name)(dob, event_timestamp)")
        case .log1p: ("\(name)(x)", "The natural logarithm of 1 + x.", "\(name)(amt)")
        case .log: ("\(name)(x)", "The natural logarithm.", "\(name)(amt)")
        case .sqrt: ("\(name)(x)", "The square root.", "\(name)(amt)")
        case .abs: ("\(name)(x)", "The distance from 0.", "\(name)(amt - 10)")
        case .min: ("\(name)(a, b, …)", "The smallest of 2 to 16.", "\(name)(amt, 100)")
        case .max:
            (
                "\(name)(a, b, …)", "The largest of 2 to 16. Of comparisons it is 1 where one holds.",
                "\(name)(amt > 100, lat < 0)"
            )
        case .coalesce:
            (
                "\(name)(a, b, …)", "The first of 2 to 16 that is not missing.",
                "\(name)(card_activity.amt_mean_24h, amt)"
            )
        case .isMissing: ("\(name)(x)", "1 where x is missing, else 0.", "\(name)(card_activity.amt_mean_24h)")
        case .choose:
            (
                "\(name)(c, a, b)", "a where c is not 0, else b; the other one may be missing.",
                "\(name)(amt > 100, 1, 0)"
            )
        }
    }
}
