import PostgresClient

/// One numbered SQL file, applied once.
struct Migration {
    let version: Int
    let name: String
    let sql: [UInt8]

    /// In order; the build names `001_x.sql` `_01_x_sql`. A new file is added to the end; one that was released is never changed.
    static let all: [Migration] = [
        Migration(version: 1, name: "pipeline", sql: PackageResources._01_pipeline_sql),
        Migration(version: 2, name: "models", sql: PackageResources._02_models_sql),
        Migration(version: 3, name: "retention", sql: PackageResources._03_retention_sql),
        Migration(version: 6, name: "history", sql: PackageResources._06_history_sql),
        Migration(version: 7, name: "definitions", sql: PackageResources._07_definitions_sql),
        Migration(version: 10, name: "model_changes", sql: PackageResources._10_model_changes_sql),
        Migration(version: 11, name: "cases", sql: PackageResources._11_cases_sql),
        Migration(version: 15, name: "prediction_rows", sql: PackageResources._15_prediction_rows_sql),
        Migration(version: 16, name: "rekeyed_events", sql: PackageResources._16_rekeyed_events_sql),
        Migration(version: 18, name: "retrain_decisions", sql: PackageResources._18_retrain_decisions_sql),
    ]

    /// Serialises whoever migrates or makes tables at the same moment.
    static let lock: Int64 = 0x6e65_6564_6c65
}

extension PostgresOfflineStore {
    /// Brings the fixed tables up to date; returns the names of the files applied now. Safe from several processes at once.
    @discardableResult public func migrate() throws -> [String] {
        try connection.transaction {
            try connection.execute("SELECT pg_advisory_xact_lock(\(Migration.lock))")
            try connection.execute(
                """
                CREATE TABLE IF NOT EXISTS schema_migrations (
                    version integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())
                """)
            let applied = try connection.execute("SELECT version FROM schema_migrations")
            let known = Set((0..<applied.count).compactMap { applied.integer($0, 0) })
            var names: [String] = []
            for migration in Migration.all where !known.contains(Int64(migration.version)) {
                try connection.execute(String(decoding: migration.sql, as: UTF8.self))
                try connection.query(
                    "INSERT INTO schema_migrations (version, name) VALUES ($1::int, $2)",
                    [.integer(Int64(migration.version)), .text(migration.name)])
                names.append(migration.name)
            }
            return names
        }
    }
}
