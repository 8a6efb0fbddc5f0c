public import FeatureEngine
public import Pipeline
public import PostgresClient

/// Deleting events with their features, and labels, by event time. In this order: the horizon is noted, which fences every owner that
/// does not know it; then events go, each with its feature rows; then labels. Stopped anywhere, the next run goes on.
extension PostgresOfflineStore {
    /// Serialises whoever deletes history with whoever writes feature rows anew out of it.
    private static let historyLock = Migration.lock + 1

    /// How far back a topic reaches: the latest of its partitions.
    public func horizon(ofTopic topic: String) throws -> HistoryHorizon {
        let result = try connection.query(
            "SELECT max(removed_before), max(complete_from) FROM partition_state WHERE topic = $1", [.text(topic)])
        return HistoryHorizon(removedBefore: result.integer(0, 0) ?? 0, completeFrom: result.integer(0, 1) ?? 0)
    }

    /// The first event time whose windows, which look back so far, are whole in what is stored. It is of the same moment as a scan
    /// after it only within one `snapshot`.
    public func firstWholeMillis(ofTopic topic: String, lookBackMillis: Int64) throws -> Int64 {
        try horizon(ofTopic: topic).firstWholeMillis(lookBackMillis: lookBackMillis)
    }

    /// Notes that everything before a moment is to be deleted, in every partition of a topic. A horizon is never lowered.
    public func raise(_ horizon: HistoryHorizon, ofTopic topic: String) throws(PostgresError) {
        try connection.query(
            """
            UPDATE partition_state SET removed_before = greatest(removed_before, $2::bigint),
            complete_from = greatest(complete_from, $3::bigint)
            WHERE topic = $1 AND (removed_before < $2::bigint OR complete_from < $3::bigint)
            """, [.text(topic), .integer(horizon.removedBefore), .integer(horizon.completeFrom)])
    }

    /// Deletes at most `limit` of a source's events before the noted horizon, with their rows in these views. Returns how many;
    /// nil while somebody writes features anew, or deletes, too.
    public func pruneEvents(_ source: SourceSchema, views: [StreamView], limit: Int) throws -> Int? {
        let id = quoted(source.fields[source.eventIDIndex].name)
        let features = views.enumerated().map { index, view in
            "f\(index) AS (DELETE FROM \(quoted(view.name)) WHERE event_id IN (SELECT id FROM old)),"
        }
        return try pruneHistory(
            table: quoted(source.name), id: id, also: features, limit: limit, topic: source.topic)
    }

    /// Deletes at most `limit` labels of events before the noted horizon of the labels' topics; otherwise as `pruneEvents`.
    public func pruneLabels(limit: Int) throws -> Int? {
        try pruneHistory(table: LabelTable.name, id: "event_id", also: [], limit: limit)
    }

    /// Rows go and are counted in one statement; see `PrunedTable`. With them go the places of the same events on topics that hold
    /// those of `topic` by another key.
    private func pruneHistory(
        table: String, id: String, also others: [String], limit: Int, topic: String? = nil
    ) throws -> Int? {
        let rekeyed = topic.map { "starts_with(topic, \(PostgresQuoting.literal($0 + ".by-")))" } ?? "false"
        return try connection.transaction {
            let lock = try connection.execute("SELECT pg_try_advisory_xact_lock(\(Self.historyLock))")
            guard lock.text(0, 0) == "t" else { return nil }
            let result = try connection.query(
                """
                WITH old AS MATERIALIZED (
                    SELECT t.ctid AS place, t.\(id) AS id FROM \(table) t
                    WHERE t.event_timestamp < (
                        SELECT to_timestamp(max(removed_before)::float8 / 1000) FROM partition_state
                        WHERE topic <> '\(PipelineTopics.predictions)')  -- whose horizon is of another clock
                    AND EXISTS (SELECT FROM partition_state s WHERE s.topic = t._topic AND s.partition = t._partition
                                AND t.event_timestamp < to_timestamp(s.removed_before::float8 / 1000))
                    ORDER BY t.event_timestamp LIMIT $1::bigint FOR UPDATE OF t SKIP LOCKED),
                \(others.joined(separator: " "))
                gone AS (DELETE FROM \(table) WHERE ctid = ANY (ARRAY(SELECT place FROM old)) RETURNING _topic, _partition),
                places AS (
                    DELETE FROM \(RekeyedTable.name) p USING old,
                        (SELECT DISTINCT topic FROM partition_state WHERE \(rekeyed)) t
                    WHERE p._topic = t.topic AND p.event_id = old.id RETURNING p._topic, p._partition),
                counted AS (
                    SELECT _topic, _partition, count(*) AS rows
                    FROM (SELECT * FROM gone UNION ALL SELECT * FROM places) g GROUP BY _topic, _partition),
                noted AS (
                    UPDATE partition_state s SET removed = s.removed + c.rows FROM counted c
                    WHERE s.topic = c._topic AND s.partition = c._partition RETURNING s.topic)
                SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM noted)
                """, [.integer(Int64(limit))])
            return Int(result.integer(0, 0) ?? 0)
        }
    }

    /// Within a transaction: nothing is deleted from here to its end.
    public static func keepHistory(on connection: PostgresConnection) throws {
        try connection.execute("SELECT pg_advisory_xact_lock(\(historyLock))")
    }

    /// What a table takes on disk with its indexes, bytes.
    public func size(ofTable name: String) throws -> Int {
        Int(
            try connection.query("SELECT pg_total_relation_size($1::regclass)", [.text(quoted(name))]).integer(0, 0)
                ?? 0)
    }
}
