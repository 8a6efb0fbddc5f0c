import FeatureEngine
import JSON

/// The schemas of everything that is asked and answered.
enum APISchemas {
    static let transaction = APISchema.named("Transaction")
    static let prediction = APISchema.named("Prediction")
    static let batch = APISchema.named("Batch")
    static let predictions = APISchema.named("Predictions")
    static let model = APISchema.named("Model")
    static let status = APISchema.named("Status")
    static let ready = APISchema.named("Ready")
    static let problems = APISchema.named("Problems")
    static let error = APISchema.named("Error")
    static let start = APISchema.named("Start")

    /// All of them by name; a request's fields are those of the source.
    static func all(_ source: SourceSchema?) -> [JSONTree.Member] {
        let schemas: [(String, APISchema)] = [
            ("Transaction", fields(source)),
            ("Batch", .any(of: rows, .object([.always("transactions", rows)]))),
            ("Prediction", .object(answer)),
            ("Reason", reason), ("FeaturesAsOf", asOf),
            ("Predictions", .object([.always("predictions", .list(prediction)), .always("count", .integer)])),
            ("Model", .object(served)),
            ("Status", .object([.always("status", .one(of: "ok"))])),
            (
                "Ready",
                .object([
                    .always("status", .one(of: "ok")), .maybe("model_version", .string),
                    .maybe("registry_champion", .string.described("the registry's champion, where it is another")),
                ])
            ),
            ("Problems", .object([.always("detail", .list(.named("Problem")))])),
            (
                "RefusedLine",
                .object([
                    .always("row", .integer.described("the line, counted from 0 without empty ones")),
                    .always("detail", .list(.named("Problem"))),
                ])
            ),
            ("Problem", problem), ("Error", .object([.always("detail", .string)])),
            (
                "Start",
                .object(
                    ["service", "docs", "openapi", "predict", "health"].map { .always($0, .string) }
                        + [.maybe("model_version", .string)])
            ),
        ]
        return schemas.map { .init($0.0, $0.1.json) }
    }

    private static let rows = APISchema.list(transaction).with("maxItems", .number(BatchPrediction.rowsMax))

    private static let answer: [APISchema.Property] = [
        .always("prediction_id", .string.described("names this answer in the predictions topic and table")),
        .always("transaction_id", .string), .always("is_fraud", .boolean),
        .always("fraud_probability", .number.described("the same as probability")),
        .always("probability", share), .always("prediction", .one(of: "FRAUD", "LEGIT")),
        .always("threshold", share.described("the probability from which on it is called fraud")),
        .always("model_version", .string),
        .maybe("base_value", .number.described("the margin before any reason; with all contributions the margin")),
        .maybe(
            "explanation",
            .any(
                of: .list(.named("Reason")).described("the strongest first"),
                .map(.number).described("the contribution of each feature, with explanation=object"))),
        .always(
            "features_as_of",
            .map(.named("FeaturesAsOf")).described("for each view the log position that its state was read at")),
        .always(
            "degraded",
            .boolean.described(
                "some online features were missing, older than allowed, or of a time whose history was deleted")),
    ]

    private static let share = APISchema.number.with("minimum", 0).with("maximum", 1)

    private static let reason = APISchema.object([
        .always("feature", .string),
        .always("value", APISchema(type: "number", "string", "null").described("null where it is missing")),
        .always("contribution", .number.described("SHAP value: what it adds to the margin, in log odds")),
    ])

    private static let asOf = APISchema.object([
        .always("generation", .integer), .always("topic", .string), .always("partition", .integer),
        .always("offset", .integer.described("the last record applied; -1 for none")),
        .maybe("as_of", .integer.described("until when it is known to be applied, milliseconds since 1970")),
    ])

    private static let served: [APISchema.Property] = [
        .always("version", .string),
        .maybe(
            "registry_champion", .string.described("the registry's champion, where it could not be put into service")),
        .always("service", .string), .always("definition_hash", .string), .always("threshold", .number),
        .always("trees", .integer), .always("features", .list(.string).described("in the order of the model's input")),
        .maybe("threshold_rule", .string), .maybe("data_fingerprint", .string),
        .maybe("holdout", APISchema(type: "object").described("the metrics on the newest rows, which no model saw")),
    ]

    private static let problem = APISchema.object([
        .always(
            "loc",
            .list(APISchema(type: "string", "integer")).described("body or query, the row of a batch, the field")),
        .always("msg", .string),
        .always("type", .string.described("a stable name of the kind, such as missing, value_error or unknown_field")),
    ])

    // MARK: The source

    private static func fields(_ source: SourceSchema?) -> APISchema {
        guard let source else { return .object([]) }
        let transaction = APISchema.object(
            source.fields.enumerated().map { index, field in
                .init(name: field.name, schema: self.field(index, of: source), isRequired: !field.isOptional)
            })
        return source.refusesUnknownFields ? transaction.with("additionalProperties", false) : transaction
    }

    private static func field(_ index: Int, of source: SourceSchema) -> APISchema {
        let field = source.fields[index]
        var notes: [String] = []
        let name =
            switch field.type {
            case .string: "string"
            case .integer: "integer"
            case .double, .decimal: "number"
            case .boolean: "boolean"
            }
        var schema = field.isOptional ? APISchema(type: name, "null") : APISchema(type: name)
        if case .decimal(let places) = field.type {
            notes.append(field.rounds ? "rounded to \(places) decimals" : "at most \(places) decimals")
        }
        if index == source.eventTimeIndex {
            notes.append("the event time, \(source.eventTimeFormat.name), UTC, at most 5 minutes ahead of now")
        }
        if field.type == .string, index == source.keyIndex || index == source.eventIDIndex {
            schema = schema.with("minLength", 1)
            notes.append("at most \(KeyRule.longest) bytes, not blank")
        }
        if let rule = field.rule {
            schema = add(rule, field, to: schema)
            if let format = rule.format { notes.append("of the form \(format.name)") }
        }
        return notes.isEmpty ? schema : schema.described(notes.joined(separator: "; "))
    }

    private static func add(_ rule: FieldRule, _ field: Field, to schema: APISchema) -> APISchema {
        // An optional text may be empty whatever the rule says, which a bound of its length would deny.
        let hasBounds = !(field.isOptional && field.type == .string)
        var values = rule.values.map { field.type == .string ? .string($0.text) : number($0.text) }
        if field.isOptional, !values.isEmpty { values += field.type == .string ? ["", .null] : [.null] }
        return schema.with("minimum", rule.least.map { number($0.text) })
            .with("maximum", rule.most.map { number($0.text) })
            .with("enum", values.isEmpty ? nil : .array(values))
            .with("minLength", hasBounds ? rule.shortest.map { .number($0) } : nil)
            .with("maxLength", rule.longest.map { .number($0) })
            .with("format", hasBounds && rule.format?.name == "yyyy-MM-dd" ? "date" : nil)
    }

    /// A number that was declared as text, as JSON has it.
    static func number(_ text: String) -> JSONTree { Int(text).map { .number($0) } ?? .number(Double(text) ?? 0) }
}
