import FeatureEngine
package import FeatureStore
import JSON
package import Pipeline

/// A prediction that was called a fraud.
package struct Alert: Hashable, Sendable {
    package let transactionID: String
    /// The key of the entity the features are kept for, masked unless the user asked to see it.
    package let entity: String
    /// Event time, ms UTC.
    package let eventTimeMillis: Int64
    /// What the request said, in the order of `AlertColumns.texts`.
    package let texts: [String]
    /// As the request wrote it, in major units.
    package let amount: String
    /// The model's probability of fraud, and the one from which on it is called so; NaN for one that is none.
    package let probability: Double, threshold: Double
    package let modelVersion: String
    /// Whether it was scored without all of its online features.
    package let isDegraded: Bool

    package init(
        transactionID: String, entity: String, eventTimeMillis: Int64, texts: [String], amount: String,
        probability: Double, threshold: Double, modelVersion: String, isDegraded: Bool
    ) {
        self.transactionID = transactionID
        self.entity = entity
        self.eventTimeMillis = eventTimeMillis
        self.texts = texts
        self.amount = amount
        self.probability = probability
        self.threshold = threshold
        self.modelVersion = modelVersion
        self.isDegraded = isDegraded
    }

    /// Whether it lies in the upper half of what the model calls a fraud. Without a threshold nothing does.
    package var isStrong: Bool { probability >= threshold + (1 - threshold) / 2 }
}

/// Which fields of a source an alert shows, by the names that the definitions give them.
///
/// Nothing about a data set is compiled in. The key's caption is its entity's name. The amount is the first number that the
/// service's views aggregate: whoever keeps windows of a column cares for it. Without one it is the first decimal, else the
/// first integer that is neither key, id nor time. Beside it stand the first two texts that are none of those.
package struct AlertColumns: Sendable {
    /// Longest text of one cell that is kept, in scalars: a row never shows more.
    private static let longestText = 300

    package let keyCaption: String
    package let texts: [String]
    package let amount: String?
    /// Whether keys are shown whole.
    package let reveals: Bool

    package init(_ repository: FeatureRepository, reveals: Bool = false) {
        self.reveals = reveals
        let service = repository.services.first
        guard let schema = service?.source ?? repository.sources.first else {
            (keyCaption, texts, amount) = ("key", [], nil)
            return
        }
        let views = service?.views ?? repository.views(of: schema)
        let key = schema.fields[schema.keyIndex].name
        keyCaption = views.first { $0.source === schema && $0.joinKeyIndex == schema.keyIndex }?.entityName ?? key
        let taken = [schema.keyIndex, schema.eventIDIndex, schema.eventTimeIndex]
        let others = schema.fields.indices.filter { !taken.contains($0) }
        texts = Array(others.filter { schema.fields[$0].type == .string }.prefix(2)).map { schema.fields[$0].name }
        let aggregated = views.filter { $0.source === schema }.flatMap(\.features).compactMap(\.field)
        let chosen =
            aggregated.first { schema.fields[$0].type.isMoneyLike && !taken.contains($0) }
            ?? others.first { schema.fields[$0].type.isDecimal }
            ?? others.first { schema.fields[$0].type == .integer }
        amount = chosen.map { schema.fields[$0].name }
    }

    /// The alert of a prediction; nil for one that is none.
    package func alert(_ record: PredictionRecord) -> Alert? {
        guard record.isFraud, let request = try? JSONTree.parse(record.request) else { return nil }
        let entity = Self.cut(record.entity.description)
        return Alert(
            transactionID: masked(Self.cut(record.transactionID.description)),
            entity: reveals ? entity : Masking.key(entity), eventTimeMillis: record.eventMillis,
            texts: texts.map { masked(Self.text(request[$0])) }, amount: amount.map { Self.text(request[$0]) } ?? "",
            probability: Self.share(record.probability), threshold: Self.share(record.threshold),
            modelVersion: Self.cut(record.modelVersion), isDegraded: record.isDegraded)
    }

    private func masked(_ text: String) -> String { reveals ? text : Masking.digits(in: text) }

    private static func text(_ value: JSONTree?) -> String {
        switch value {
        case .string(let text)?, .number(let text)?: cut(text)
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
