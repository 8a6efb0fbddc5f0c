public import FeatureEngine
public import FeatureStore
public import Pipeline

extension PostgresOfflineStore {
    /// Makes the tables of every source and view of the definitions.
    public func createTables(_ repository: FeatureRepository) throws {
        try createTables(sources: repository.sources, views: repository.views)
    }

    /// What a service's model is trained on: every event with features under the present definitions, by event time. The
    /// vectors are in the order of `service.views`; the label is nil until one has arrived. With
    /// `fromMillis` only events from that event time on.
    public func scanTrainingRows(
        _ service: FeatureService, streamHash: String, fromMillis: Int64? = nil,
        _ body: (_ row: SourceRow, _ vectors: [FeatureVector], _ label: Int?, _ position: LogPosition) throws -> Void
    ) throws {
        try scanTrainingRows(
            source: service.source, views: service.views, definitionHash: streamHash, fromMillis: fromMillis, body)
    }
}
