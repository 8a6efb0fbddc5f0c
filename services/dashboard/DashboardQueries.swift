import PostgresClient

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
            else {
                return nil
            }
            return Position(topic: topic, partition: Int(partition), next: next)
        }
    }
}
