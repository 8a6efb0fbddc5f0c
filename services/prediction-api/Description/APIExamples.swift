import FeatureEngine
import FeatureStore
import JSON

/// Examples made from the definitions: what they ask for is taken, and looks like what it stands for.
struct APIExamples {
    let service: FeatureService
    /// The moment the examples happen at, ms since 1970.
    let nowMillis: Int64

    private var source: SourceSchema { service.source }

    /// A request with every field that is declared.
    var transaction: JSONTree { transaction(1) }

    private func transaction(_ number: Int) -> JSONTree {
        .object(source.fields.indices.map { .init(source.fields[$0].name, value($0, number)) })
    }

    /// A batch of two.
    var transactions: [JSONTree] { [transaction(1), transaction(2)] }

    /// The same as lines.
    var transactionLines: JSONTree { Self.lines(transactions) }

    private static func lines(_ values: [JSONTree]) -> JSONTree {
        .string(values.map { $0.text() + "\n" }.joined())
    }

    private func value(_ index: Int, _ number: Int) -> JSONTree {
        let field = source.fields[index]
        if index == source.eventTimeIndex {
            let text = source.eventTimeFormat.text(nowMillis)
            return field.type == .integer ? .number(text) : .string(text)
        }
        if let first = field.rule?.values.first?.text {
            return field.type == .string ? .string(first) : APISchemas.number(first)
        }
        switch field.type {
        case .boolean: return false
        case .string: return .string(text(index, number))
        case .integer: return Self.number(["\(number)", "0"], field)
        case .double: return Self.number(["1.5", "0.5", "0"], field)
        case .decimal(let places):
            let text = places == 0 ? "12" : "12." + "3456789012".prefix(places)
            return Self.number([text, "1", "0"], field)
        }
    }

    private func text(_ index: Int, _ number: Int) -> String {
        let field = source.fields[index]
        // 1984-05-23, which is a date of birth and the time of an account's opening alike.
        if let format = field.rule?.format { return format.text(453_168_000_000) }
        let word = index == source.eventIDIndex || index == source.keyIndex ? "example-\(number)" : "example"
        let longest = field.rule?.longest ?? word.count
        let shortest = field.rule?.shortest ?? 0
        return String(
            (word + String(repeating: "x", count: max(0, shortest - word.count))).prefix(max(longest, shortest)))
    }

    /// The first of these that the field's rule lets in, otherwise one of its bounds.
    private static func number(_ texts: [String], _ field: Field) -> JSONTree {
        guard let rule = field.rule else { return .number(texts[0]) }
        let isGood = texts.first { text in
            guard let value = FieldRule.Value(text, of: field.type) else { return false }
            return rule.least.map { !value.isLess(than: $0, as: field.type) } ?? true
                && rule.most.map { !$0.isLess(than: value, as: field.type) } ?? true
        }
        return APISchemas.number(isGood ?? rule.least?.text ?? rule.most?.text ?? texts[0])
    }

    // MARK: Answers

    /// An answer to `transaction`, with the first features as its reasons.
    var prediction: JSONTree { prediction(1) }

    private func prediction(_ number: Int) -> JSONTree {
        let reasons = zip(service.featureNames, service.kinds).prefix(3).enumerated().map {
            place, feature -> JSONTree in
            [
                "feature": .string(feature.0), "value": feature.1 == .category ? "example" : 1.5,
                "contribution": .number(["-1.25", "0.5", "-0.125"][place]),
            ]
        }
        let asOf: [JSONTree.Member] = service.views.map { view in
            .init(
                view.name,
                [
                    "generation": 1, "topic": .string(source.topic), "partition": 0, "offset": 41,
                    "as_of": .number(String(nowMillis)),
                ])
        }
        return [
            "prediction_id": .string("5f3759df5f3759df-\(number)"),
            "transaction_id": value(source.eventIDIndex, number), "is_fraud": false, "fraud_probability": 0.0123,
            "probability": 0.0123, "prediction": "LEGIT", "threshold": 0.5, "model_version": "1", "base_value": -3.5,
            "explanation": .array(Array(reasons)), "features_as_of": .object(asOf), "degraded": false,
        ]
    }

    /// The answer to a batch.
    var predictions: JSONTree {
        ["predictions": [prediction(1), prediction(2)], "count": 2]
    }

    /// The answer to lines, the second of which was refused.
    var predictionLines: JSONTree {
        Self.lines([prediction(1), .object([.init("row", 1)] + (problems.object ?? []))])
    }

    var model: JSONTree {
        [
            "version": "1", "service": .string(service.name), "definition_hash": .string(service.definitionHash),
            "threshold": 0.5, "trees": 200, "features": .array(service.featureNames.map { .string($0) }),
            "threshold_rule": "precision of at least 0.9", "data_fingerprint": "0123456789abcdef", "holdout": [:],
        ]
    }

    /// A refusal of the first field that must be there.
    var problems: JSONTree {
        let name = source.fields.first { !$0.isOptional }?.name ?? source.fields[source.eventIDIndex].name
        return ["detail": [["loc": ["body", .string(name)], "msg": "is missing", "type": "missing"]]]
    }
}
