import FeatureEngine
import PostgresClient

/// The kinds of answers one writer has met, by their numbers in `prediction_kinds`. Forgotten with everything else that is known of the
/// tables: another database has other numbers.
public struct PredictionKinds {
    /// Most kinds that are remembered: a model, a threshold and a form of requests are one. What is beyond keeps the long form.
    private static let most = 256

    private var numbers: [ByteString: Int32] = [:]
    /// The one learned last: most answers are of it.
    private var newest: (kind: ByteString, number: Int32)?

    /// Knows none.
    public init() {}

    /// The number of an answer's kind; nil for one that is not known.
    func number(of prediction: CompactPrediction) -> Int32? {
        if let newest, newest.kind == prediction.kind { return newest.number }
        return numbers[prediction.kind]
    }

    /// Whether the kind of this answer is to be looked up.
    public func lacks(_ prediction: CompactPrediction) -> Bool {
        number(of: prediction) == nil && numbers.count < Self.most
    }

    /// Finds the number of a kind, or gives it one.
    public mutating func learn(_ prediction: CompactPrediction, in store: PostgresOfflineStore) throws {
        guard lacks(prediction) else { return }
        let content = prediction.kind.description
        try store.connection.query(
            "INSERT INTO prediction_kinds (content) VALUES ($1::jsonb) ON CONFLICT (md5(content::text)) DO NOTHING",
            [.text(content)])
        let result = try store.connection.query(
            "SELECT id FROM prediction_kinds WHERE md5(content::text) = md5(($1::jsonb)::text) AND content = $1::jsonb",
            [.text(content)])
        guard result.count == 1, let number = result.integer(0, 0).flatMap({ Int32(exactly: $0) }) else { return }
        numbers[prediction.kind] = number
        newest = (prediction.kind, number)
    }
}
