import Foundation
import TestSupport

/// Servers of its own and a generated stream in Kafka: what the cases measure on.
struct Pipeline {
    let needletail: String
    let csv: String
    let rows: Int
    let kafka: KafkaServer
    let redis: RedisServer
    let postgres: PostgresServer
    let environment: [String: String]

    /// Generates `rows` rows and produces them all.
    init(rows: Int, cards: Int? = nil) throws {
        guard let needletail = TestEnvironment.needletail else {
            throw BenchError("the needletail executable is not built: run `make build`")
        }
        self.needletail = needletail
        self.rows = rows
        kafka = try TestServers.kafka()
        redis = try TestServers.redis()
        postgres = try TestServers.postgres()
        let folder = try TestEnvironment.temporaryFolder("bench")
        csv = folder + "/transactions.csv"
        environment = [
            "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrapServers, "REDIS_URL": redis.url,
            "DATABASE_URL": try postgres.makeDatabase("bench"), "MODEL_DIRECTORY": folder + "/models",
            "LOG_LEVEL": "warning",
        ]
        let many = cards.map { ["--cards", "\($0)"] } ?? []
        _ = try command(["generate", "--rows", "\(rows)", "--seed", "7", "--output", csv] + many)
        _ = try command(["features", "apply"])
        _ = try command(["produce", "--input", csv])
    }

    /// Runs one command of needletail to its end.
    @discardableResult func command(_ arguments: [String], _ more: [String: String] = [:]) throws -> Cost {
        try Measurement.run([needletail] + arguments, environment: environment.merging(more) { $1 })
    }

    /// Stores that have seen nothing: a new database, and Redis emptied.
    func emptyStores() throws -> [String: String] {
        _ = try Measurement.output(["redis-cli", "-u", redis.url, "FLUSHALL"])
        let fresh = ["DATABASE_URL": try postgres.makeDatabase("bench")]
        try command(["features", "apply"], fresh)
        return fresh
    }
}
