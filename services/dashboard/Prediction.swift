import FeatureEngine
package import FeatureStore
import JSON
package import Pipeline

/// One answer of the API: a record of the predictions topic, or a row of its table.
package struct Prediction: Hashable, Sendable {
    /// The answer's own id; empty when the record does not say.
    package let predictionID: String
    package let transactionID: String
    /// The key of the entity the features are kept for, masked unless the user asked to see it.
    package let entity: String
    /// Event time, ms UTC; nil when it is not said.
    package let eventTimeMillis: Int64?
    /// What the request said, in the order of `PredictionColumns.texts`.
    package let texts: [String]
    /// As the request wrote it, in major units.
    package let amount: String
    /// The model's probability of fraud, and the one from which on it is called so; NaN for one that is none.
    package let probability: Double, threshold: Double
    package let modelVersion: String
    /// Whether it was called a fraud.
    package let isFraud: Bool
    /// Whether it was scored without all of its online features.
    package let isDegraded: Bool

    package init(
        predictionID: String = "", transactionID: String, entity: String, eventTimeMillis: Int64?, texts: [String],
        amount: String, probability: Double, threshold: Double, modelVersion: String, isFraud: Bool = true,
        isDegraded: Bool
    ) {
        self.predictionID = predictionID
        self.transactionID = transactionID
        self.entity = entity
        self.eventTimeMillis = eventTimeMillis
        self.texts = texts
        self.amount = amount
        self.probability = probability
        self.threshold = threshold
        self.modelVersion = modelVersion
        self.isFraud = isFraud
        self.isDegraded = isDegraded
    }

    /// Whether it lies in the upper half of what the model calls a fraud. Without a threshold nothing does.
    package var isStrong: Bool { probability >= threshold + (1 - threshold) / 2 }

    /// The mark beside the score: it says without colours what the colours say.
    package var mark: String { isDegraded ? "~" : isFraud && isStrong ? "!" : isFraud ? "·" : "" }

    /// What is lost when it is a fraud and nobody stops it, weighted with how likely that is; NaN without an amount.
    package var expectedLoss: Double { (Double(amount) ?? .nan) * probability }
}

/// Which fields of a source a prediction shows, by the names that the definitions give them.
///
/// Nothing about a data set is compiled in. The key's caption is its entity's name. The amount is the field that the source names.
/// Where it names none it is the first number that the service's views aggregate: whoever keeps windows of a column cares for it.
/// Without one it is the first decimal, else the first integer that is neither key, id nor time. Beside it stand the first two texts
/// that are none of those and not sensitive.
package struct PredictionColumns: Sendable {
    /// Longest text of one cell that is kept, in scalars: a row never shows more.
    private static let longestText = 300

    package let keyCaption: String
    package let texts: [String]
    package let amount: String?
    private let key: String
    private let display: SourceDisplay?
    /// Whether keys are shown whole.
    package let reveals: Bool

    package init(_ repository: FeatureRepository, reveals: Bool = false) {
        self.reveals = reveals
        let service = repository.services.first
        guard let schema = service?.source ?? repository.sources.first else {
            (key, keyCaption, texts, amount, display) = ("", "key", [], nil, nil)
            return
        }
        let views = service?.views ?? repository.views(of: schema)
        let key = schema.fields[schema.keyIndex].name
        self.key = key
        let display = repository.display(of: schema)
        self.display = display
        keyCaption = views.first { $0.source === schema && $0.joinKeyIndex == schema.keyIndex }?.entityName ?? key
        let taken = [schema.keyIndex, schema.eventIDIndex, schema.eventTimeIndex]
        let others = schema.fields.indices.filter { !taken.contains($0) }
        let shown = others.filter { schema.fields[$0].type == .string && !display.isSensitive(schema.fields[$0].name) }
        texts = shown.prefix(2).map { schema.fields[$0].name }
        let aggregated = views.filter { $0.source === schema }.flatMap(\.features).compactMap(\.field)
        let chosen =
            aggregated.first { schema.fields[$0].type.isMoneyLike && !taken.contains($0) }
            ?? others.first { schema.fields[$0].type.isDecimal }
            ?? others.first { schema.fields[$0].type == .integer }
        amount = display.amountField ?? chosen.map { schema.fields[$0].name }
    }

    /// The prediction of a record of the topic; nil for one whose request cannot be read.
    package func prediction(_ record: PredictionRecord) -> Prediction? {
        guard let request = try? JSONTree.parse(record.request) else { return nil }
        return prediction(
            predictionID: record.predictionID.description, transactionID: record.transactionID.description,
            entity: record.entity.description, eventTimeMillis: record.eventMillis, request: request,
            probability: record.probability, threshold: record.threshold, modelVersion: record.modelVersion,
            isFraud: record.isFraud, isDegraded: record.isDegraded)
    }

    /// The prediction of what the API logged, wherever it was read.
    func prediction(
        predictionID: String, transactionID: String, entity: String, eventTimeMillis: Int64?, request: JSONTree,
        probability: Double, threshold: Double, modelVersion: String, isFraud: Bool, isDegraded: Bool
    ) -> Prediction {
        Prediction(
            predictionID: Self.cut(predictionID), transactionID: masked(Self.cut(transactionID)),
            entity: shownKey(Self.cut(entity)), eventTimeMillis: eventTimeMillis,
            texts: texts.map { masked(Self.text(request[$0])) },
            amount: amount.map { shown(Self.text(request[$0]), of: $0) } ?? "",
            probability: Self.share(probability), threshold: Self.share(threshold),
            modelVersion: Self.cut(modelVersion), isFraud: isFraud,
            isDegraded: isDegraded)
    }

    /// A key as it may be shown.
    func shownKey(_ key: String) -> String {
        guard !reveals else { return key }
        return display?.isSensitive(self.key) == true ? Masking.sensitive(key) : Masking.key(key)
    }

    /// Every field of a request by name, in its order, as it may be shown.
    func fields(of request: JSONTree) -> [(name: String, text: String)] {
        (request.object ?? []).map { member in
            (Self.cut(member.key), shown(Self.text(member.value), of: member.key))
        }
    }

    /// A value of a field as it may be shown.
    func shown(_ text: String, of field: String) -> String {
        if ByteString(field) == ByteString(key) { return shownKey(Self.cut(text)) }
        guard !reveals, display?.isSensitive(field) == true else { return shown(text) }
        return Masking.sensitive(Self.cut(text))
    }

    /// A record as it came, which may be damaged or cut off, as it may be shown: behind the name of a sensitive field only a part of
    /// its value.
    package func shownRecord(_ text: String) -> String {
        guard !reveals, let display else { return shown(text) }
        var bytes = Array(text.utf8)
        for field in display.sensitiveFields { Self.mask(field, in: &bytes) }
        return shown(String(decoding: bytes, as: UTF8.self))
    }

    /// Masks every value of a field in JSON: behind `"field":` a text up to its quote, or anything up to a comma or brace.
    private static func mask(_ field: ByteString, in bytes: inout [UInt8]) {
        let name = [UInt8(ascii: "\"")] + field.bytes + [UInt8(ascii: "\"")]
        let (quote, escape, ends) = (UInt8(ascii: "\""), UInt8(ascii: "\\"), Array(",}\n".utf8))
        var index = 0
        while index + name.count < bytes.count {
            guard bytes[index...].starts(with: name) else {
                index += 1
                continue
            }
            index += name.count
            while index < bytes.count, [0x20, 0x09, UInt8(ascii: ":")].contains(bytes[index]) { index += 1 }
            let isText = index < bytes.count && bytes[index] == quote
            if isText { index += 1 }
            var end = index
            while end < bytes.count, isText ? bytes[end] != quote : !ends.contains(bytes[end]) {
                end += isText && bytes[end] == escape ? 2 : 1
            }
            end = min(end, bytes.count)
            let masked = Array(Masking.sensitive(String(decoding: bytes[index..<end], as: UTF8.self)).utf8)
            bytes.replaceSubrange(index..<end, with: masked)
            index += masked.count
        }
    }

    /// Any other text as it may be shown.
    func shown(_ text: String) -> String { masked(Self.cut(text)) }

    private func masked(_ text: String) -> String { reveals ? text : Masking.digits(in: text) }

    private static func text(_ value: JSONTree?) -> String {
        switch value {
        case .string(let text)?, .number(let text)?: cut(text)
        case .bool(let flag)?: flag ? "true" : "false"
        default: ""
        }
    }

    /// A number from 0 to 1, else NaN.
    private static func share(_ value: Double) -> Double { (0...1).contains(value) ? value : .nan }

    private static func cut(_ text: String) -> String {
        guard text.utf8.count > longestText else { return text }
        return String(String.UnicodeScalarView(text.unicodeScalars.prefix(longestText)))
    }
}

extension FieldType {
    fileprivate var isDecimal: Bool { if case .decimal = self { true } else { false } }
    fileprivate var isMoneyLike: Bool { isDecimal || self == .integer }
}
