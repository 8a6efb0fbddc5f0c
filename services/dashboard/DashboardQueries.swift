import FraudModel
package import JSON
import PostgresClient
import PostgresOfflineStore

/// How far a partition's records are in the tables: `next` is the next offset of its log.
package struct StoredPosition: Hashable, Sendable {
    package let topic: String, partition: Int32, next: Int64

    package init(topic: String, partition: Int32, next: Int64) {
        self.topic = topic
        self.partition = partition
        self.next = next
    }
}

/// What the dashboard asks Postgres, and how it reads the answers.
package enum DashboardQueries {
    static func positions(_ connection: PostgresConnection) throws -> [StoredPosition] {
        let rows = try connection.query(
            "SELECT topic, partition, next_offset - base FROM partition_state ORDER BY topic, partition")
        return (0..<rows.count).compactMap { row in
            position(topic: rows.text(row, 0), partition: rows.integer(row, 1), next: rows.integer(row, 2))
        }
    }

    /// Nil for a row that no partition of Kafka can have.
    package static func position(topic: String?, partition: Int64?, next: Int64?) -> StoredPosition? {
        guard let topic, let partition = partition.flatMap({ Int32(exactly: $0) }), partition >= 0, let next, next >= 0
        else { return nil }
        return StoredPosition(topic: topic, partition: partition, next: next)
    }

    /// The champion of a service with its newest drift report, or nil without one. Without a service the one that changed last.
    static func champion(of service: String?, _ connection: PostgresConnection) throws -> Champion? {
        guard let model = try ModelRegistry(connection, modelsFolder: "").champion(of: service) else { return nil }
        return Champion(
            version: model.name, createdMillis: model.registeredMillis,
            metrics: figures(ModelMetrics(try JSONTree.parse(model.metrics))), drift: try drift(of: model, connection))
    }

    /// Metrics by their short names, in the order to show them.
    static func figures(_ metrics: ModelMetrics) -> [Figure] {
        let figures: [(String, Double?)] = [
            ("AP", metrics.averagePrecision), ("ROC", metrics.rocAUC), ("P", metrics.precision), ("R", metrics.recall),
        ]
        return figures.compactMap { name, value in value.map { Figure(name, $0) } }
    }

    private static func drift(of model: RegisteredModel, _ connection: PostgresConnection) throws -> DriftSummary? {
        let rows = try connection.query(
            """
            SELECT (extract(epoch FROM created_at) * 1000)::bigint, is_drifted, report::text FROM drift_reports
            WHERE version = $1::bigint ORDER BY created_at DESC LIMIT 1
            """, [.integer(model.version)])
        guard rows.count == 1, let created = rows.integer(0, 0), let isDrifted = rows.boolean(0, 1) else { return nil }
        return DriftSummary(
            createdMillis: created, isDrifted: isDrifted,
            worst: worst((try? JSONTree.parse(rows.text(0, 2) ?? "null")) ?? .null))
    }

    /// The three features of a report that drifted most, by PSI; entries without one are passed over.
    package static func worst(_ report: JSONTree) -> [Figure] {
        let stabilities = (report["entries"]?.array ?? []).compactMap { entry -> Figure? in
            guard let name = entry["name"]?.string, let value = entry["psi"]?.double else { return nil }
            return Figure(name.split(separator: "__").last.map(String.init) ?? name, value)
        }
        return Array(stabilities.sorted { $0.value > $1.value }.prefix(3))
    }
}
