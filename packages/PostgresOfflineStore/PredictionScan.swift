import PostgresClient

/// A stored answer with what it was made of, as JSON.
public struct StoredPrediction: Sendable {
    /// The answer's own id.
    public let id: String
    /// The request's fields.
    public let request: [UInt8]
    /// The features in the service's order.
    public let vector: [UInt8]
    /// The position of each view's state.
    public let featuresAsOf: [UInt8]
}

extension PostgresOfflineStore {
    /// The stored answers of a service under its present definitions that had all features, in the order they are kept in.
    public func scanPredictions(
        service: String, definitionHash: String, _ sample: EntitySample, _ body: (StoredPrediction) throws -> Void
    ) throws {
        try connection.copyOut(
            """
            SELECT prediction_id, request::text, vector::text, features_as_of::text FROM predictions
            WHERE service = \(PostgresQuoting.literal(service)) AND NOT degraded
            AND definition_hash = \(PostgresQuoting.literal(definitionHash))
            AND event_timestamp >= \(sample.since) AND \(sample.condition("entity"))
            ORDER BY _topic, _partition, _offset
            """
        ) { stored in
            try body(
                StoredPrediction(
                    id: stored.text(0) ?? "", request: Array(stored.bytes(1)), vector: Array(stored.bytes(2)),
                    featuresAsOf: Array(stored.bytes(3))))
        }
    }
}
