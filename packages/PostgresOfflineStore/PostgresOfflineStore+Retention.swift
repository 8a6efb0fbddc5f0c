import Pipeline
public import PostgresClient

/// Tables whose old rows go by when they were written, whatever else is kept. Events, features and labels go by event time:
/// `PostgresOfflineStore.pruneEvents`.
public enum PrunedTable: String, CaseIterable, Sendable {
    /// What the API answered, by the time of the answer.
    case predictions = "prediction_rows"
    /// Refused records, by the time they were stored; only those that are on their topic, too.
    case deadLetters = "dead_letters"

    private var condition: String {
        switch self {
        case .predictions: "t.created_at < to_timestamp($1::float8 / 1000)"
        // A later owner publishes again what Postgres has from `published` on.
        case .deadLetters:
            """
            t.created < to_timestamp($1::float8 / 1000) AND EXISTS (SELECT FROM partition_state s
            WHERE s.topic = t._topic AND s.partition = t._partition AND t._offset < s.published)
            """
        }
    }

    /// Deletes rows and counts them in one statement, so that at every moment rows + dead letters + duplicates + gaps + removed is
    /// the number of records read. The rows of `partition_state`, for which the stream waits, are locked last. Rows that somebody
    /// else is deleting are passed over.
    var sql: String {
        """
        WITH gone AS (
            DELETE FROM \(rawValue) WHERE ctid = ANY (ARRAY(
                SELECT t.ctid FROM \(rawValue) t WHERE \(condition) LIMIT $2::bigint FOR UPDATE OF t SKIP LOCKED))
            RETURNING _topic, _partition),
        counted AS (SELECT _topic, _partition, count(*) AS rows FROM gone GROUP BY _topic, _partition),
        noted AS (
            UPDATE partition_state s SET removed = s.removed + c.rows FROM counted c
            WHERE s.topic = c._topic AND s.partition = c._partition RETURNING s.topic)
        SELECT coalesce(sum(rows), 0)::bigint, (SELECT count(*) FROM noted) FROM counted
        """
    }
}

extension PostgresOfflineStore {
    /// Deletes at most `limit` rows that are older than a moment, ms; returns how many it were. One short transaction.
    public func prune(_ table: PrunedTable, olderThanMillis moment: Int64, limit: Int) throws(PostgresError) -> Int {
        // From 1970 to 9999: further out `to_timestamp`, which takes a double, rounds past what it can give.
        let moment = min(max(moment, 0), 253_402_300_799_000)
        if table == .predictions {
            // First: from here on nobody stores again what may have gone.
            let horizon = HistoryHorizon(removedBefore: moment, completeFrom: moment)
            try raise(horizon, ofTopic: PipelineTopics.predictions)
        }
        let result = try connection.query(table.sql, [.integer(moment), .integer(Int64(limit))])
        return Int(result.integer(0, 0) ?? 0)
    }
}
