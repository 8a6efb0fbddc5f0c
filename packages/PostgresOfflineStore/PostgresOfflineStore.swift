// PostgresOfflineStore
