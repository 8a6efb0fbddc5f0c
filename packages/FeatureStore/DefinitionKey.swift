import FeatureEngine

/// One key of a definition: what it is for, what may stand behind it, an example. The parser takes the keys it allows from these
/// tables, and so do the reference and the JSON Schema: a key that works is a key that is explained.
public struct DefinitionKey: Sendable {
    /// What may stand behind a key.
    public indirect enum Shape: Sendable {
        /// One word or a quoted text; `${NAME}` stands for a variable.
        case text
        /// A name for tables and features: letters, digits, single underscores.
        case identifier
        /// One of these words.
        case choice([String])
        /// A length of time, such as `7d`.
        case duration
        /// A field's type, such as `decimal(2)?`.
        case fieldType
        /// An on-demand expression.
        case expression
        /// A whole number.
        case integer
        /// `true` or `false`.
        case truth
        /// A list of one or more.
        case list(Shape)
        /// A mapping of these keys.
        case keys([DefinitionKey])
        /// A mapping of names of the user's own.
        case names(Shape)
        /// One of several.
        case either(Shape, Shape)
    }

    /// The key.
    public let name: String
    /// What it is for, a sentence.
    public let meaning: String
    /// What may stand behind it.
    public let shape: Shape
    /// Whether a definition lacks something without it.
    public let isRequired: Bool
    /// One line of YAML that says it; of a field's or an aggregation's keys, that field or item.
    public let example: String

    init(_ name: String, _ shape: Shape, required: Bool = false, _ meaning: String, _ example: String) {
        self.name = name
        self.meaning = meaning
        self.shape = shape
        isRequired = required
        self.example = example
    }
}

/// One kind of definition, with the keys it has.
public struct DefinitionKind: Sendable {
    /// What stands behind `kind:`; nil for the project, which has no kind.
    public let name: String?
    /// What it is for, a sentence.
    public let meaning: String
    /// Its keys, in the order one would write them.
    public let keys: [DefinitionKey]

    /// Every kind, in the order a reader needs them.
    public static let all: [DefinitionKind] = [project, source, streamView, onDemandView, service]

    static let project = DefinitionKind(
        name: nil, meaning: "The project, once in a folder: a part of every online key, and where its stores are.",
        keys: [
            DefinitionKey(
                "project", .identifier, required: true, "Its name, the first part of every online key.",
                "project: fraud"),
            description,
            DefinitionKey(
                "online_store", .keys(store("redis")),
                "Where features are read from; without it, the setting REDIS_URL.",
                #"online_store: {type: redis, url: "${REDIS_URL}"}"#),
            DefinitionKey(
                "offline_store", .keys(store("postgres")),
                "Where events and features are kept; without it, the setting DATABASE_URL.",
                #"offline_store: {type: postgres, url: "${DATABASE_URL}"}"#),
        ])

    static let source = DefinitionKind(
        name: "source", meaning: "What one event looks like, and the topic it comes on.",
        keys: [
            kind, named("The source's name, which is its table's too.", "name: transactions"), description,
            DefinitionKey(
                "topic", .text, required: true, "The Kafka topic of its events, one of its own.", "topic: transactions"),
            DefinitionKey(
                "event_id", .text, required: true,
                "The field that tells events apart, a string: an event whose id was there before is dropped.",
                "event_id: trans_num"),
            DefinitionKey(
                "event_timestamp", .either(.text, .keys(eventTimestamp)), required: true,
                "The field with the event's time, and how it is written.",
                #"event_timestamp: {field: time, format: "yyyy-MM-dd HH:mm:ss"}"#),
            DefinitionKey(
                "key", .text,
                "The field whose text is the record's key on the topic; without it, the join key that the source's views share. "
                    + "A view of another key gets the events from a topic that transform writes by it.",
                "key: cc_num"),
            DefinitionKey(
                "partitioner", .choice(Partitioner.allCases.map(\.rawValue)),
                "How its producers choose the partition of a key: murmur2, the default, as Java's clients and librdkafka's murmur2_random, or consistent, as librdkafka by default (kcat, the Confluent clients of Python, Go and .NET).",
                "partitioner: consistent"),
            DefinitionKey(
                "fields", .names(.either(.fieldType, .keys(field))), required: true,
                "Every column of an event with its type; a ? behind it marks what a row may lack.",
                "fields: {trans_num: string, time: string, cc_num: string, merchant: string, amt: decimal(2), lat: double, long: double, dob: string?}"
            ),
            DefinitionKey(
                "amount", .text,
                "The field that says how much money an event moves, a number: what the dashboard weighs cases by.",
                "amount: amt"),
            DefinitionKey(
                "unknown_fields", .choice(SourceDefinition.unknownFields.map(\.0)),
                "Whether a field that is not declared is ignored, the default, or makes the event refused.",
                "unknown_fields: refuse"),
            DefinitionKey(
                "label", .keys(label), "What a model learns. It is no part of the event: it arrives later, as 0 or 1.",
                "label: {field: is_fraud, topic: labels, delay: 7d}"),
        ])

    static let streamView = DefinitionKind(
        name: "stream_feature_view", meaning: "Windows over the events of one entity, kept as the stream runs.",
        keys: [
            kind, named("The view's name, which is its table's and the prefix of its features.", "name: card_activity"),
            description,
            DefinitionKey("source", .text, required: true, "The source whose events it reads.", "source: transactions"),
            DefinitionKey(
                "entity", .keys(entity), required: true, "What the windows are kept for.",
                "entity: {name: card, join_key: cc_num, type: string}"),
            DefinitionKey(
                "aggregations", .list(.keys(aggregation)), required: true,
                "What is computed: each of the columns with each of the functions over each of the windows.",
                "aggregations: [{column: amt, functions: [count, sum, mean], windows: [1h, 24h]}]"),
            DefinitionKey(
                "bounds", .choice(StreamViewDefinition.bounds.map(\.0)),
                "Whether a window of length W at t is [t − W, t), the default, or (t − W, t].", "bounds: left_closed"),
            DefinitionKey(
                "current_event", .choice(StreamViewDefinition.currentEvent.map(\.0)),
                "Whether the event that asks counts itself; the default is exclude.", "current_event: exclude"),
        ])

    static let onDemandView = DefinitionKind(
        name: "on_demand_feature_view", meaning: "Features that are computed when a request comes.",
        keys: [
            kind, named("The view's name, the prefix of its features.", "name: request_features"), description,
            DefinitionKey(
                "inputs", .list(.text), required: true,
                "The views its expressions read, and `request` for the fields of the event.",
                "inputs: [card_activity, request]"),
            DefinitionKey(
                "source", .text, "The source of the request, where the inputs leave it open.", "source: transactions"),
            DefinitionKey(
                "features", .names(.expression), required: true, "A name and an expression each.",
                "features: {amt_over_mean_24h: amt / card_activity.amt_mean_24h}"),
        ])

    static let service = DefinitionKind(
        name: "feature_service", meaning: "What a model is given: features in an order.",
        keys: [
            kind, named("The service's name.", "name: fraud_v1"), description,
            DefinitionKey(
                "features", .list(.text), required: true,
                "Views, or view:feature for one of them. Their order is the model's input order.",
                #"features: ["card_activity:amt_mean_24h", request_features]"#),
        ])

    // MARK: keys of keys

    static let eventTimestamp = [
        DefinitionKey(
            "field", .text, required: true, "The field with the time.", "event_timestamp: {field: time}"),
        DefinitionKey(
            "format", .text, "How it is written; without it, iso8601.",
            #"event_timestamp: {field: time, format: "yyyy-MM-dd HH:mm:ss"}"#),
    ]

    static let field = [
        DefinitionKey(
            "type", .fieldType, required: true, "The type.", "amt: {type: decimal(2), min: 0}"),
        DefinitionKey(
            "min", .text, "The smallest value that is allowed, of a number.",
            "amt: {type: decimal(2), min: 0.01}"),
        DefinitionKey(
            "max", .text, "The largest value that is allowed, of a number.",
            "amt: {type: decimal(2), min: 0, max: 99999.99}"),
        DefinitionKey(
            "enum", .list(.text), "The values that are allowed, of a string, an integer or a decimal.",
            "merchant: {type: string, enum: [a, b]}"),
        DefinitionKey(
            "length", .keys(length), "How many characters are allowed, of a string.",
            "merchant: {type: string, length: {min: 1, max: 40}}"),
        DefinitionKey(
            "format", .text, "How a time is written in it, of a string: iso8601 or a pattern.",
            #"dob: {type: string?, format: "yyyy-MM-dd"}"#),
        DefinitionKey(
            "sensitive", .truth,
            "Whether the dashboard shows people only its first six and last four characters, or less of a short one.",
            "cc_num: {type: string, sensitive: true}"),
    ]

    static let length = [
        DefinitionKey("min", .integer, "At least.", "merchant: {type: string, length: {min: 1}}"),
        DefinitionKey("max", .integer, "At most.", "merchant: {type: string, length: {max: 40}}"),
    ]

    static let label = [
        DefinitionKey("field", .text, required: true, "Its column in the CSV.", "label: {field: is_fraud}"),
        DefinitionKey(
            "topic", .text, "The Kafka topic it arrives on; without it, labels.",
            "label: {field: is_fraud, topic: labels}"),
        DefinitionKey(
            "delay", .duration, "How long after its event it is known; without it, at once.",
            "label: {field: is_fraud, delay: 7d}"),
    ]

    static let entity = [
        DefinitionKey(
            "name", .identifier, "Its name; without it, the join key's.", "entity: {name: card, join_key: cc_num}"),
        DefinitionKey(
            "join_key", .text, required: true,
            "The field whose values tell entities apart, a string or an integer that every row has.",
            "entity: {join_key: cc_num}"),
        DefinitionKey(
            "type", .choice(["string", "integer"]), "The join key's type, to be checked against the source.",
            "entity: {join_key: cc_num, type: string}"),
        DefinitionKey(
            "description", .text, "Words for readers.", "entity: {join_key: cc_num, description: A payment card}"),
    ]

    static let aggregation = [
        DefinitionKey(
            "column", .text, "The field that is aggregated; count and seconds_since_last need none.",
            "{column: amt, functions: [max], windows: [24h]}"),
        DefinitionKey(
            "columns", .list(.text), "The same for several fields.",
            "{columns: [lat, long], functions: [last]}"),
        DefinitionKey(
            "functions", .list(.choice(AggregateFunction.allCases.map(\.rawValue))), "What is computed.",
            "{functions: [count], windows: [1h]}"),
        DefinitionKey(
            "function", .list(.choice(AggregateFunction.allCases.map(\.rawValue))), "The same word for one.",
            "{function: count, windows: [1h]}"),
        DefinitionKey(
            "windows", .list(.duration), "The lengths of the windows, for the functions that have one.",
            "{column: amt, functions: [sum], windows: [90s, 15m, 1h, 7d]}"),
    ]

    private static let kind = DefinitionKey("kind", .text, required: true, "Which kind of definition it is.", "")
    private static let description = DefinitionKey(
        "description", .text, "Words for readers. They change nothing, not even a hash.",
        "description: \"As the terminals send them\"")

    private static func named(_ meaning: String, _ example: String) -> DefinitionKey {
        DefinitionKey("name", .identifier, required: true, meaning, example)
    }

    /// The keys of a store of a type.
    static func store(_ type: String) -> [DefinitionKey] {
        let example =
            "\(type == "redis" ? "online" : "offline")_store: {type: \(type), url: \"${\(type == "redis" ? "REDIS" : "DATABASE")_URL}\"}"
        return [
            DefinitionKey("type", .choice([type]), "What it is.", example),
            DefinitionKey("url", .text, "Its address.", example),
        ]
    }
}

extension [DefinitionKey] {
    var names: [String] { map(\.name) }
}
