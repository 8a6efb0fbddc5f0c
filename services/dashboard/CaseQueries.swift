import FeatureEngine
import JSON
import PostgresClient

/// What the dashboard asks Postgres about cases. Every statement goes by an index and has a limit.
enum CaseQueries {
    /// Most answers of one entity that are shown.
    private static let historyRows = 50

    private static let selection = """
        p.prediction_id, p.transaction_id, (extract(epoch FROM p.event_timestamp) * 1000)::bigint, p.request::text,
        p.probability, p.threshold, p.model_version, p.is_alert, p.degraded,
        (extract(epoch FROM p.created_at) * 1000)::bigint, c.status, c.owner,
        (extract(epoch FROM c.until) * 1000)::bigint, p.entity
        """

    /// The newest alerts and the random share of what is below the threshold, those that are judged left out. `auditShare` is of all
    /// answers, at most 0.05.
    static func cases(
        _ connection: PostgresConnection, _ columns: PredictionColumns, limit: Int, auditShare: Double
    ) throws -> [CaseRow] {
        // The first three digits of the id's hash, as a number below 4,096: the index holds those below 205.
        let below = max(0, min(205, Int((auditShare * 4_096).rounded())))
        let digits = String(below + 0x1000, radix: 16).dropFirst()
        func newest(_ condition: String, _ limit: Int) -> String {
            """
            (SELECT \(selection) FROM
                (SELECT * FROM predictions WHERE \(condition) ORDER BY created_at DESC LIMIT \(limit)) p
            LEFT JOIN cases c USING (prediction_id)
            WHERE c.status IS NULL OR c.status NOT IN ('fraud', 'legitimate'))
            """
        }
        let audit = """
            NOT is_alert AND substr(md5(prediction_id), 1, 3) COLLATE "C" < '0cd'
            AND substr(md5(prediction_id), 1, 3) COLLATE "C" < '\(digits)'
            """
        let share = below == 0 ? "" : " UNION ALL " + newest(audit, max(1, limit / 5))
        let rows = try connection.query(newest("is_alert", limit) + share)
        return (0..<rows.count).compactMap { row(rows, $0, columns) }
    }

    private static func row(_ rows: PostgresResult, _ row: Int, _ columns: PredictionColumns) -> CaseRow? {
        guard let id = rows.text(row, 0), let created = rows.integer(row, 9),
            let request = try? JSONTree.parse(rows.text(row, 3) ?? "")
        else { return nil }
        let prediction = columns.prediction(
            predictionID: id, transactionID: rows.text(row, 1) ?? "", entity: rows.text(row, 13) ?? "",
            eventTimeMillis: rows.integer(row, 2), request: request, probability: rows.double(row, 4) ?? .nan,
            threshold: rows.double(row, 5) ?? .nan,
            modelVersion: rows.text(row, 6) ?? "", isFraud: rows.boolean(row, 7) ?? false,
            isDegraded: rows.boolean(row, 8) ?? false)
        let state = CaseState(
            status: rows.text(row, 10).flatMap(CaseState.Status.init) ?? .open, owner: rows.text(row, 11) ?? "",
            untilMillis: rows.integer(row, 12))
        return CaseRow(prediction: prediction, createdMillis: created, state: state)
    }

    /// What was logged of one answer, as a case needs it.
    struct Logged {
        var file: CaseFile
        /// The features as they were scored, in the service's order, as JSON.
        let vector: JSONTree
        let service: String
    }

    /// Nil when there is no such answer in the tables.
    static func file(_ connection: PostgresConnection, _ key: CaseKey, _ columns: PredictionColumns) throws -> Logged? {
        let (condition, id) =
            switch key {
            case .prediction(let id): ("p.prediction_id = $1", id)
            // Its index is of the hash.
            case .transaction(let id): ("hashtext(p.transaction_id) = hashtext($1) AND p.transaction_id = $1", id)
            }
        let rows = try connection.query(
            """
            SELECT \(selection), p.vector::text, p.service FROM predictions p
            LEFT JOIN cases c USING (prediction_id) WHERE \(condition) ORDER BY p.created_at DESC LIMIT 1
            """, [.text(id)])
        guard rows.count == 1, let row = row(rows, 0, columns), let entity = rows.text(0, 13) else { return nil }
        let request = (try? JSONTree.parse(rows.text(0, 3) ?? "")) ?? .null
        let fields = columns.fields(of: request).map { NamedText($0.name, $0.text) }
        var file = CaseFile(row: row, entityKey: ByteString(entity), fields: fields)
        file.history = try history(connection, entity, columns)
        file.journal = try journal(connection, row.prediction.predictionID)
        return Logged(
            file: file, vector: (try? JSONTree.parse(rows.text(0, 14) ?? "")) ?? .null, service: rows.text(0, 15) ?? "")
    }

    /// That a time is not after the one of a parameter in ms UTC, where that is not null.
    static func isUntil(_ column: String, _ parameter: String) -> String {
        "\(column) <= coalesce(to_timestamp(\(parameter)::bigint / 1000.0), 'infinity')"
    }

    /// The newest answers about an entity, newest first; up to an event time, ms UTC, where one is given.
    static func history(
        _ connection: PostgresConnection, _ entity: String, _ columns: PredictionColumns, until millis: Int64? = nil
    ) throws -> [CaseRow] {
        let rows = try connection.query(
            """
            SELECT \(selection) FROM
                (SELECT * FROM predictions WHERE entity = $1 AND \(isUntil("event_timestamp", "$2"))
                ORDER BY event_timestamp DESC LIMIT \(historyRows)) p
            LEFT JOIN cases c USING (prediction_id) ORDER BY p.event_timestamp DESC
            """, [.text(entity), millis.map { .integer($0) } ?? .null])
        return (0..<rows.count).compactMap { row(rows, $0, columns) }
    }

    private static func journal(_ connection: PostgresConnection, _ predictionID: String) throws -> [JournalLine] {
        let rows = try connection.query(
            """
            SELECT id, (extract(epoch FROM at) * 1000)::bigint, action, reviewer, note FROM case_journal
            WHERE prediction_id = $1 ORDER BY id DESC LIMIT 50
            """, [.text(predictionID)])
        return (0..<rows.count).map { row in
            JournalLine(
                id: rows.integer(row, 0) ?? 0, timeMillis: rows.integer(row, 1) ?? 0, action: rows.text(row, 2) ?? "",
                reviewer: rows.text(row, 3) ?? "", note: rows.text(row, 4) ?? "")
        }
    }

    /// The newest verdicts by tenth of the score they are about.
    static func verdicts(_ connection: PostgresConnection) throws -> [Int: (frauds: Int, legitimates: Int)] {
        let rows = try connection.query(
            """
            SELECT status, score FROM cases WHERE status IN ('fraud', 'legitimate') ORDER BY changed_at DESC LIMIT 5000
            """)
        var verdicts: [Int: (frauds: Int, legitimates: Int)] = [:]
        for row in 0..<rows.count {
            guard let score = rows.double(row, 1), (0...1).contains(score) else { continue }
            let isFraud = rows.text(row, 0) == "fraud"
            verdicts[min(9, Int(score * 10)), default: (0, 0)].frauds += isFraud ? 1 : 0
            verdicts[min(9, Int(score * 10)), default: (0, 0)].legitimates += isFraud ? 0 : 1
        }
        return verdicts
    }
}
