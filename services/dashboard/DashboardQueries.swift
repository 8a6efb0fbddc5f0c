import FraudModel
import JSON
import PostgresClient
import PostgresOfflineStore

/// What the dashboard asks Postgres.
enum DashboardQueries {
    /// How far a partition's records are in the tables: `next` is the next offset of its log.
    struct Position {
        let topic: String, partition: Int, next: Int64
    }

    static func positions(_ connection: PostgresConnection) throws -> [Position] {
        let rows = try connection.query(
            "SELECT topic, partition, next_offset - base FROM partition_state ORDER BY topic, partition")
        return (0..<rows.count).compactMap { row in
            guard let topic = rows.text(row, 0), let partition = rows.integer(row, 1), let next = rows.integer(row, 2)
            else { return nil }
            return Position(topic: topic, partition: Int(partition), next: next)
        }
    }

    /// The champion with its newest drift report, or nil without one.
    static func champion(_ connection: PostgresConnection) throws -> Champion? {
        guard let model = try ModelRegistry(connection, modelsFolder: "").champion() else { return nil }
        let metrics = ModelMetrics(try JSONTree.parse(model.metrics))
        let figures: [(String, Double?)] = [
            ("AP", metrics.averagePrecision), ("ROC", metrics.rocAUC), ("P", metrics.precision), ("R", metrics.recall),
        ]
        return Champion(
            version: model.name, createdMillis: model.registeredMillis,
            metrics: figures.compactMap { name, value in value.map { Champion.Metric(name, $0) } },
            drift: try drift(of: model, connection))
    }

    private static func drift(of model: RegisteredModel, _ connection: PostgresConnection) throws -> DriftSummary? {
        let rows = try connection.query(
            """
            SELECT (extract(epoch FROM created_at) * 1000)::bigint, is_drifted, report::text FROM drift_reports
            WHERE version = $1::bigint ORDER BY created_at DESC LIMIT 1
            """, [.integer(model.version)])
        guard rows.count == 1, let created = rows.integer(0, 0), let isDrifted = rows.boolean(0, 1),
            case .array(let entries)? = try JSONTree.parse(rows.text(0, 2) ?? "null")["entries"]
        else { return nil }
        let stabilities = entries.compactMap { entry -> Champion.Metric? in
            guard case .string(let name)? = entry["name"], case .number(let text)? = entry["psi"],
                let value = Double(text)
            else { return nil }
            return Champion.Metric(name.split(separator: "__").last.map(String.init) ?? name, value)
        }
        return DriftSummary(
            createdMillis: created, isDrifted: isDrifted,
            worst: Array(stabilities.sorted { $0.value > $1.value }.prefix(3)))
    }
}
